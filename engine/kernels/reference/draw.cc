#include "engine/kernels/reference/draw.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "engine/kernels/reference/philox.h"

namespace deepseek::engine {
namespace {

constexpr size_t kLanes = 16;   // independent sums and maxima: what the compiler makes vectors of
constexpr size_t kBlock = 128;  // logits whose maximum decides whether they are looked at

// e^x for x <= 0 to about 1e-7 relative (Cephes expf polynomial), 0 below -87, exactly 1 at 0. No
// branches: loops over it become vectors. One formula for every machine: a seed's ids do not depend
// on its instruction set.
inline float ExpNegative(float x) {
  const float t = x < -87.0F ? -87.0F : x;
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

// Loops that become vectors see plain pointers.
void Weigh(const float* logits, size_t n, float max, float inverse, float* weights) {
  for (size_t i = 0; i < n; ++i) weights[i] = ExpNegative((logits[i] - max) * inverse);
}
void ForgetBelow(float least, const float* logits, size_t n, float* weights) {
  for (size_t i = 0; i < n; ++i) weights[i] = logits[i] < least ? 0.0F : weights[i];
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

double WeightOf(const DrawScratch& s, size_t begin, size_t end) {
  double sum = 0;
  for (size_t i = begin; i < end; ++i) {
    sum += static_cast<double>(s.weights[static_cast<size_t>(s.order[i])]);
  }
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

// order = the shortest prefix of it, best first, whose weight reaches `wanted`, in any order but
// for the last; all of it when rounding leaves a little. Halves what is undecided about a pivot:
// the better part is either too heavy, and holds the end, or is kept whole.
void KeepMass(absl::Span<const float> logits, double wanted, DrawScratch* s) {
  constexpr size_t kSmall = 64;
  const Better better{logits};
  size_t begin = 0;
  size_t end = s->order.size();
  double reached = 0;
  const auto at = [&](size_t i) { return s->order.begin() + static_cast<ptrdiff_t>(i); };
  while (end - begin > kSmall) {
    const std::array<size_t, 3> places = {begin, begin + (end - begin) / 2, end - 1};
    std::array<int32_t, 3> ids;
    for (size_t i = 0; i < 3; ++i) ids[i] = s->order[places[i]];
    std::sort(ids.begin(), ids.end(), better);
    const int32_t pivot = ids[1];
    const auto middle =
        std::partition(at(begin), at(end), [&](int32_t id) { return better(id, pivot); });
    const auto cut = static_cast<size_t>(middle - s->order.begin());
    const double weight = WeightOf(*s, begin, cut);
    if (reached + weight >= wanted) {
      end = cut;
    } else {
      reached += weight;
      begin = cut;
    }
  }
  std::sort(at(begin), at(end), better);
  while (begin < end && reached < wanted) {
    reached += static_cast<double>(s->weights[static_cast<size_t>(s->order[begin++])]);
  }
  s->order.resize(std::max<size_t>(begin, 1));
}

// A peaked distribution ends within the first few hundred candidates.
void KeepTopP(absl::Span<const float> logits, double wanted, DrawScratch* s) {
  constexpr size_t kPeaked = 256;
  Gather(logits, kPeaked, s);
  if (WeightOf(*s, 0, s->order.size()) < wanted) Gather(logits, logits.size(), s);
  KeepMass(logits, wanted, s);
}

constexpr float kAbove = std::numeric_limits<float>::infinity();

// Weights of ids that are not in `order` become zero, which are those behind its worst.
void Forget(absl::Span<const float> logits, DrawScratch* s) {
  const int32_t worst = *std::max_element(s->order.begin(), s->order.end(), Better{logits});
  const float least = logits[static_cast<size_t>(worst)];
  const auto after = static_cast<size_t>(worst) + 1;  // from here on equals are behind, too
  ForgetBelow(least, logits.data(), after, s->weights.data());
  ForgetBelow(std::nextafter(least, kAbove), logits.data() + after, logits.size() - after,
              s->weights.data() + after);
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
  Weigh(logits.data(), logits.size(), max, inverse, weights.data());
  // Relative to the best, whose weight is 1: min_p needs no normalisation.
  if (spec.min_p > 0) {
    const float least = std::min(spec.min_p, 1.0F);
    for (float& w : weights) w = w >= least ? w : 0.0F;
  }
  const bool top_k = spec.top_k > 0 && static_cast<size_t>(spec.top_k) < logits.size();
  if (top_k) KeepTopK(logits, static_cast<size_t>(spec.top_k), scratch);
  if (spec.top_p < 1.0F) {
    const double share = static_cast<double>(spec.top_p);
    if (top_k) {
      KeepMass(logits, share * WeightOf(*scratch, 0, scratch->order.size()), scratch);
    } else {
      KeepTopP(logits, share * TotalOf(weights), scratch);
    }
  }
  if (top_k || spec.top_p < 1.0F) Forget(logits, scratch);
  return Pick(weights, PositionUniform(spec.seed, spec.choice, spec.position) * TotalOf(weights));
}

}  // namespace deepseek::engine
