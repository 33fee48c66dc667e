#include "engine/kernels/reference/draw.h"

#include <algorithm>
#include <array>
#include <bit>

#include "engine/kernels/reference/philox.h"

namespace deepseek::engine {
namespace {

constexpr size_t kLanes = 16;   // independent sums and maxima: what the compiler makes vectors of
constexpr size_t kBlock = 128;  // logits whose maximum decides whether they are looked at

// e^x for x <= 0 to about 1e-7 relative (Cephes expf polynomial), 0 below -87, exactly 1 at 0. No
// branches: loops over it become vectors. One formula for every machine: a seed's ids do not depend
// on its instruction set.
inline float ExpNegative(float x) {
  const float t = std::max(x, -87.0F);
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer
  const float shifted = t * 1.44269504088896341F + kRound;
  const float n = shifted - kRound;
  const float r = (t - n * 0.693359375F) - n * -2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * (r * r) + r + 1.0F;
  const int32_t exponent = std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(kRound);
  const float e = p * std::bit_cast<float>((exponent + 127) << 23);
  return x < -87.0F ? 0.0F : e;
}

float Largest(const float* x, size_t n) {
  std::array<float, kLanes> lane;
  lane.fill(x[0]);
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) lane[j] = lane[j] < x[i + j] ? x[i + j] : lane[j];
  }
  for (; i < n; ++i) lane[0] = std::max(lane[0], x[i]);
  return *std::max_element(lane.begin(), lane.end());
}

double Sum(const float* x, size_t n) {
  std::array<double, kLanes> lane{};
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) lane[j] += static_cast<double>(x[i + j]);
  }
  for (; i < n; ++i) lane[0] += static_cast<double>(x[i]);
  double sum = 0;
  for (const double s : lane) sum += s;
  return sum;
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

// order = ids, ascending, among which are the `count` best of those with a weight; all of these
// when there are not more. As many blocks have a maximum of at least some threshold, and so as many
// logits: what is below it is not among the best.
void Gather(absl::Span<const float> logits, size_t count, DrawScratch* s) {
  const size_t blocks = (logits.size() + kBlock - 1) / kBlock;
  s->order.clear();
  float threshold = -kLargestLogit;
  s->blocks.resize(blocks);
  for (size_t b = 0; b < blocks; ++b) {
    const size_t begin = b * kBlock;
    s->blocks[b] = Largest(&logits[begin], std::min(kBlock, logits.size() - begin));
  }
  if (count < blocks) {
    s->best.clear();
    for (size_t b = 0; b < blocks; ++b) s->best.push_back(static_cast<int32_t>(b));
    const auto nth = s->best.begin() + static_cast<ptrdiff_t>(count) - 1;
    std::nth_element(s->best.begin(), nth, s->best.end(), Better{s->blocks});
    threshold = s->blocks[static_cast<size_t>(*nth)];
  }
  for (size_t b = 0; b < blocks; ++b) {
    if (s->blocks[b] < threshold) continue;
    const size_t end = std::min((b + 1) * kBlock, logits.size());
    for (size_t i = b * kBlock; i < end; ++i) {
      if (logits[i] >= threshold && s->weights[i] > 0) s->order.push_back(static_cast<int32_t>(i));
    }
  }
}

double WeightOf(const std::vector<int32_t>& ids, const std::vector<float>& weights) {
  double sum = 0;
  for (const int32_t id : ids) sum += static_cast<double>(weights[static_cast<size_t>(id)]);
  return sum;
}

// order = the `count` best, or all there are.
void KeepTopK(absl::Span<const float> logits, size_t count, DrawScratch* s) {
  Gather(logits, count, s);
  if (s->order.size() <= count) return;
  const auto end = s->order.begin() + static_cast<ptrdiff_t>(count);
  std::nth_element(s->order.begin(), end - 1, s->order.end(), Better{logits});
  s->order.erase(end, s->order.end());
}

// order = its shortest prefix, best first, whose weight reaches `wanted`; at least one.
bool KeepPrefix(absl::Span<const float> logits, size_t sorted, double wanted, DrawScratch* s) {
  sorted = std::min(sorted, s->order.size());
  std::partial_sort(s->order.begin(), s->order.begin() + static_cast<ptrdiff_t>(sorted),
                    s->order.end(), Better{logits});
  double reached = 0;
  for (size_t kept = 0; kept < sorted;) {
    reached += static_cast<double>(s->weights[static_cast<size_t>(s->order[kept++])]);
    if (reached >= wanted) {
      s->order.resize(kept);
      return true;
    }
  }
  return false;
}

// A peaked distribution ends within the first few candidates; each further try looks at four times
// as many.
void KeepTopP(absl::Span<const float> logits, double wanted, bool gathered, DrawScratch* s) {
  for (size_t count = 256; count < logits.size(); count *= 4) {
    if (gathered && count >= s->order.size()) break;
    if (!gathered) Gather(logits, count, s);
    if (KeepPrefix(logits, count, wanted, s)) return;
  }
  if (!gathered) Gather(logits, logits.size(), s);
  KeepPrefix(logits, s->order.size(), wanted, s);  // rounding may leave a little: then all are kept
}

// The id at which the sum of weights in ascending order passes `target`.
int32_t Pick(const std::vector<float>& weights, double target) {
  double reached = 0;
  size_t last = 0;
  for (size_t begin = 0; begin < weights.size(); begin += kBlock) {
    const size_t n = std::min(kBlock, weights.size() - begin);
    const double sum = Sum(&weights[begin], n);
    if (target >= reached + sum) {
      reached += sum;
      continue;
    }
    for (size_t i = begin; i < begin + n; ++i) {
      if (weights[i] > 0) last = i;
      reached += static_cast<double>(weights[i]);
      if (target < reached) return static_cast<int32_t>(i);
    }
    return static_cast<int32_t>(last);  // the block's sum was rounded the other way
  }
  for (last = weights.size(); last-- > 0;) {
    if (weights[last] > 0) break;
  }
  return static_cast<int32_t>(last);
}

double TotalOf(const std::vector<float>& weights) {
  double total = 0;
  for (size_t begin = 0; begin < weights.size(); begin += kBlock) {
    total += Sum(&weights[begin], std::min(kBlock, weights.size() - begin));
  }
  return total;
}

}  // namespace

int32_t Draw(absl::Span<const float> logits, const SampleSpec& spec, DrawScratch* scratch) {
  std::vector<float>& weights = scratch->weights;
  const float max = Largest(logits.data(), logits.size());
  const float inverse = std::clamp(1.0F / spec.temperature, 1e-30F, 1e30F);
  weights.resize(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) weights[i] = ExpNegative((logits[i] - max) * inverse);
  // Relative to the best, whose weight is 1: min_p needs no normalisation.
  if (spec.min_p > 0) {
    const float least = std::min(spec.min_p, 1.0F);
    for (float& w : weights) w = w >= least ? w : 0.0F;
  }
  const double uniform = PositionUniform(spec.seed, spec.choice, spec.position);
  const bool top_k = spec.top_k > 0 && static_cast<size_t>(spec.top_k) < logits.size();
  if (!top_k && spec.top_p >= 1.0F) return Pick(weights, uniform * TotalOf(weights));

  if (top_k) KeepTopK(logits, static_cast<size_t>(spec.top_k), scratch);
  std::vector<int32_t>& order = scratch->order;
  if (spec.top_p < 1.0F) {
    const double total = top_k ? WeightOf(order, weights) : TotalOf(weights);
    KeepTopP(logits, static_cast<double>(spec.top_p) * total, top_k, scratch);
  }
  std::sort(order.begin(), order.end());
  const double target = uniform * WeightOf(order, weights);
  double reached = 0;
  for (const int32_t id : order) {
    reached += static_cast<double>(weights[static_cast<size_t>(id)]);
    if (target < reached) return id;
  }
  return order.back();
}

}  // namespace deepseek::engine
