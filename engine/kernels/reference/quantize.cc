#include "engine/kernels/reference/quantize.h"

#include <algorithm>
#include <cmath>

#include "engine/arch/dtype.h"

namespace deepseek::engine {
namespace {

// The value of largest magnitude, the first one on a tie.
float SignedMax(const float* values, int64_t n) {
  float best = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (std::fabs(values[i]) > std::fabs(best)) best = values[i];
  }
  return best;
}

// bf16, away from zero: codes of values up to 127 * scale stay in range.
float CeilBf16(float positive) {
  uint16_t bits = FloatToBf16(positive);
  if (Bf16ToFloat(bits) < positive) ++bits;
  return Bf16ToFloat(bits);
}

float Code(float value, float inverse, float low, float high) {
  return std::min(std::max(std::nearbyint(value * inverse), low), high);
}

void QuantizeInt8(const float* values, int64_t n, int8_t* codes, float* scale) {
  const float max = std::fabs(SignedMax(values, n));
  *scale = max < kQuantTiny ? 0 : CeilBf16(max / 127.0F);
  const float inverse = *scale == 0 ? 0 : 1.0F / *scale;
  for (int64_t i = 0; i < n; ++i)
    codes[i] = static_cast<int8_t>(Code(values[i], inverse, -127, 127));
}

void QuantizeInt4(const float* values, int64_t n, int8_t* codes, float* scale) {
  const float max = SignedMax(values, n);
  *scale = 0;
  std::fill_n(codes, n, int8_t{0});
  if (std::fabs(max) < kQuantTiny) return;
  float best_score = -1;
  float best_inverse = 0;
  for (int c = 0; c < kInt4Candidates; ++c) {
    const float inverse = -(8.0F + kInt4Step * static_cast<float>(c - kInt4Middle)) / max;
    float wq = 0;
    float qq = 0;
    for (int64_t i = 0; i < n; ++i) {
      const float q = Code(values[i], inverse, -8, 7);
      // Scaled by the largest value: squares of tiny weights must not vanish.
      wq += (values[i] * inverse) * q;
      qq += q * q;
    }
    // The refitted scale is wq / qq / inverse; the energy it explains, in units that candidates
    // share, is (wq / inverse)^2 / qq.
    const float t = wq / (inverse * max);
    const float score = t * t / qq;
    if (score > best_score) {
      best_score = score;
      best_inverse = inverse;
      *scale = wq / qq / inverse;
    }
  }
  *scale = Bf16ToFloat(FloatToBf16(*scale));
  for (int64_t i = 0; i < n; ++i)
    codes[i] = static_cast<int8_t>(Code(values[i], best_inverse, -8, 7));
}

}  // namespace

void QuantizeGroup(const float* values, int64_t n, WeightType type, int8_t* codes, float* scale) {
  if (type == WeightType::kInt4) {
    QuantizeInt4(values, n, codes, scale);
  } else {
    QuantizeInt8(values, n, codes, scale);
  }
}

}  // namespace deepseek::engine
