#include "engine/kernels/reference/sampling.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace deepseek::engine {
namespace {

bool AllFinite(absl::Span<const float> row) {
  // x - x is 0 for finite x and NaN otherwise; a sum of such terms is NaN iff one is. Sums side by
  // side: one after the other would be a chain.
  constexpr size_t kLanes = 16;
  std::array<float, kLanes> sums{};
  size_t i = 0;
  for (; i + kLanes <= row.size(); i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) sums[j] += row[i + j] - row[i + j];
  }
  for (; i < row.size(); ++i) sums[0] += row[i] - row[i];
  return std::all_of(sums.begin(), sums.end(), [](float s) { return s == 0; });
}

int32_t Argmax(absl::Span<const float> row) {
  return static_cast<int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

double LogSumExp(absl::Span<const float> row) {
  const float max = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (const float x : row) sum += std::exp(static_cast<double>(x) - max);
  return max + std::log(sum);
}

void Iota(size_t n, std::vector<int32_t>* order) {
  order->resize(n);
  for (size_t i = 0; i < n; ++i) (*order)[i] = static_cast<int32_t>(i);
}

void FillLogprobs(absl::Span<const float> row, const SampleSpec& spec, SampleScratch* scratch,
                  SampleResult* result) {
  const double total = LogSumExp(row);
  const auto logprob = [&](int32_t id) {
    return static_cast<float>(row[static_cast<size_t>(id)] - total);
  };
  result->logprob = logprob(result->id);
  const auto n = std::min(static_cast<size_t>(std::max(spec.top_logprobs, 0)), row.size());
  if (n == 0) return;
  Iota(row.size(), &scratch->order);
  const auto end = scratch->order.begin() + static_cast<ptrdiff_t>(n);
  std::partial_sort(scratch->order.begin(), end, scratch->order.end(), Better{row});
  for (size_t i = 0; i < n; ++i)
    result->top.emplace_back(scratch->order[i], logprob(scratch->order[i]));
}

void ApplyPenalties(const SampleSpec& spec, SampleScratch* scratch) {
  std::vector<float>& logits = scratch->logits;
  std::vector<int32_t>& counts = scratch->counts;
  const auto known = [&](int32_t id) { return id >= 0 && static_cast<size_t>(id) < logits.size(); };
  // Every id is penalised once for having occurred: visited ids are marked by a negative count.
  counts.resize(logits.size(), 0);
  const auto repeat = [&](const std::vector<int32_t>* ids) {
    if (ids == nullptr || spec.repetition_penalty == 1.0F) return;
    for (const int32_t id : *ids) {
      if (!known(id) || counts[static_cast<size_t>(id)] < 0) continue;
      counts[static_cast<size_t>(id)] = -1;
      float& x = logits[static_cast<size_t>(id)];
      x = x > 0 ? x / spec.repetition_penalty : x * spec.repetition_penalty;
    }
  };
  const auto clear = [&](const std::vector<int32_t>* ids) {
    if (ids == nullptr) return;
    for (const int32_t id : *ids) {
      if (known(id)) counts[static_cast<size_t>(id)] = 0;
    }
  };
  repeat(spec.prompt);
  repeat(spec.generated);
  clear(spec.prompt);
  clear(spec.generated);
  if (spec.generated != nullptr && (spec.frequency_penalty != 0 || spec.presence_penalty != 0)) {
    for (const int32_t id : *spec.generated) {
      if (known(id)) ++counts[static_cast<size_t>(id)];
    }
    for (const int32_t id : *spec.generated) {
      if (!known(id) || counts[static_cast<size_t>(id)] == 0) continue;
      logits[static_cast<size_t>(id)] -=
          spec.frequency_penalty * static_cast<float>(counts[static_cast<size_t>(id)]) +
          spec.presence_penalty;
      counts[static_cast<size_t>(id)] = 0;
    }
  }
  if (spec.logit_bias == nullptr) return;
  for (const auto& [id, bias] : *spec.logit_bias) {
    if (known(id)) logits[static_cast<size_t>(id)] += bias;
  }
}

// What is not allowed becomes -infinity.
void Exclude(const uint64_t* allowed, std::vector<float>* logits) {
  if (allowed == nullptr) return;
  constexpr float kOut = -std::numeric_limits<float>::infinity();
  for (size_t begin = 0; begin < logits->size(); begin += 64, ++allowed) {
    if (*allowed == ~uint64_t{0}) continue;
    const size_t n = std::min<size_t>(64, logits->size() - begin);
    for (size_t i = 0; i < n; ++i) {
      if ((*allowed >> i & 1) == 0) (*logits)[begin + i] = kOut;
    }
  }
}

}  // namespace

SampleResult SampleRow(absl::Span<const float> row, const SampleSpec& spec,
                       SampleScratch* scratch) {
  SampleResult result;
  if (row.empty() || !AllFinite(row)) {
    result.finite = false;
    return result;
  }
  if (spec.given >= 0) {
    result.id = spec.given;
    FillLogprobs(row, spec, scratch, &result);
    return result;
  }
  scratch->logits.assign(row.begin(), row.end());
  ApplyPenalties(spec, scratch);
  // A bias or a penalty can overflow although the row was finite; greedy and the weights below need
  // numbers.
  for (float& x : scratch->logits) x = std::clamp(x, -kLargestLogit, kLargestLogit);
  Exclude(spec.allowed, &scratch->logits);
  result.id =
      spec.temperature > 0 ? Draw(scratch->logits, spec, &scratch->draw) : Argmax(scratch->logits);
  if (spec.top_logprobs >= 0) FillLogprobs(row, spec, scratch, &result);
  return result;
}

}  // namespace deepseek::engine
