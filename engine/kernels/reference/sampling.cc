#include "engine/kernels/reference/sampling.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/kernels/reference/philox.h"

namespace deepseek::engine {
namespace {

bool AllFinite(absl::Span<const float> row) {
  // x - x is 0 for finite x and NaN otherwise; a sum of such terms is NaN iff one is.
  float sum = 0;
  for (const float x : row) sum += x - x;
  return sum == 0;
}

// Greater logit first, lower id on a tie.
struct Better {
  absl::Span<const float> logits;
  bool operator()(int32_t a, int32_t b) const {
    const float la = logits[static_cast<size_t>(a)];
    const float lb = logits[static_cast<size_t>(b)];
    return la != lb ? la > lb : a < b;
  }
};

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

void Exclude(const uint64_t* allowed, std::vector<float>* logits) {
  if (allowed == nullptr) return;
  for (size_t i = 0; i < logits->size(); ++i) {
    if ((allowed[i / 64] >> (i % 64) & 1) == 0) {
      (*logits)[i] = -std::numeric_limits<float>::infinity();
    }
  }
}

// Keeps the shortest prefix of the best candidates whose probability reaches top_p (at least one).
// Sorts only as far as needed: a peaked distribution ends within the first run.
void KeepTopP(double top_p, const std::vector<float>& weights, absl::Span<const float> logits,
              std::vector<int32_t>* order) {
  double total = 0;
  for (const int32_t id : *order) total += weights[static_cast<size_t>(id)];
  double reached = 0;
  size_t sorted = 0;
  size_t kept = 0;
  for (size_t run = 256; kept < order->size() && reached < top_p * total; run *= 4) {
    const size_t end = std::min(order->size(), sorted + run);
    std::partial_sort(order->begin() + static_cast<ptrdiff_t>(sorted),
                      order->begin() + static_cast<ptrdiff_t>(end), order->end(), Better{logits});
    sorted = end;
    while (kept < sorted && reached < top_p * total) {
      reached += weights[static_cast<size_t>((*order)[kept++])];
    }
  }
  order->resize(std::max<size_t>(kept, 1));
}

int32_t Draw(const SampleSpec& spec, SampleScratch* scratch) {
  std::vector<float>& logits = scratch->logits;
  std::vector<int32_t>& order = scratch->order;
  const float max = *std::max_element(logits.begin(), logits.end());
  // Logits become weights exp((x - max) / T); the order of the two is the same, ties of underflow
  // apart, and those carry no probability.
  const double inverse = 1.0 / spec.temperature;
  order.clear();
  for (size_t i = 0; i < logits.size(); ++i) {
    const double w = std::exp((static_cast<double>(logits[i]) - max) * inverse);
    logits[i] = static_cast<float>(w);
    // Relative to the best, whose weight is 1: min_p needs no normalisation.
    if (w > 0 && w >= spec.min_p) order.push_back(static_cast<int32_t>(i));
  }
  if (spec.top_k > 0 && static_cast<size_t>(spec.top_k) < order.size()) {
    std::nth_element(order.begin(), order.begin() + spec.top_k - 1, order.end(), Better{logits});
    order.resize(static_cast<size_t>(spec.top_k));
  }
  if (spec.top_p < 1.0F) KeepTopP(spec.top_p, logits, logits, &order);
  std::sort(order.begin(), order.end());
  double total = 0;
  for (const int32_t id : order) total += logits[static_cast<size_t>(id)];
  const double target = PositionUniform(spec.seed, spec.choice, spec.position) * total;
  double reached = 0;
  for (const int32_t id : order) {
    reached += logits[static_cast<size_t>(id)];
    if (target < reached) return id;
  }
  return order.back();
}

}  // namespace

SampleResult SampleRow(absl::Span<const float> row, const SampleSpec& spec,
                       SampleScratch* scratch) {
  SampleResult result;
  if (row.empty() || !AllFinite(row)) {
    result.finite = false;
    return result;
  }
  scratch->logits.assign(row.begin(), row.end());
  ApplyPenalties(spec, scratch);
  // A bias or a penalty can overflow although the row was finite; greedy and the weights below need
  // numbers.
  for (float& x : scratch->logits) x = std::clamp(x, -1e30F, 1e30F);
  Exclude(spec.allowed, &scratch->logits);
  result.id = spec.temperature > 0 ? Draw(spec, scratch) : Argmax(scratch->logits);
  if (spec.top_logprobs >= 0) FillLogprobs(row, spec, scratch, &result);
  return result;
}

}  // namespace deepseek::engine
