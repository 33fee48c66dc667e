// Rows of x and groups of weights in integers, over the types of a simd_*.h that was included
// before.

#include <cmath>

#include "engine/kernels/cpu/kernel_table.h"
#include "engine/kernels/reference/quantize.h"

namespace deepseek::engine {
namespace {

// code = round(x * 127 / max|x|) per group of 128 columns; the short last group is padded with
// zeros. NaN or infinity in a group makes its scale NaN, so that it shows in the result.
void PrepareInt8(const float* x, int64_t cols, uint8_t* out) {
  const int64_t groups = (cols + kQuantGroup - 1) / kQuantGroup;
  auto* codes = reinterpret_cast<int8_t*>(out);
  uint8_t* scales = out + groups * kQuantGroup;
  uint8_t* sums = scales + groups * 4;
  for (int64_t g = 0; g < groups; ++g, codes += kQuantGroup) {
    const float* from = x + g * kQuantGroup;
    const int64_t n = cols - g * kQuantGroup;
    const auto load = [&](int64_t i) {
      return n - i >= 16 ? V::Load(from + i) : n > i ? V::LoadN(from + i, n - i) : V::Zero();
    };
    V max = V::Zero();
    V poison = V::Zero();
    for (int64_t i = 0; i < kQuantGroup; i += 16) {
      const V v = load(i);
      max = Max(max, Abs(v));
      poison = Fma(v, V::Zero(), poison);
    }
    const float largest = ReduceMax(max);
    const float scale = largest / 127.0F + ReduceAdd(poison);
    const V inverse = V::Set1(largest < kQuantTiny ? 0.0F : 127.0F / largest);
    I sum = I::Zero();
    for (int64_t i = 0; i < kQuantGroup; i += 16) {
      const I code = Round(Mul(load(i), inverse));
      sum = Add(sum, code);
      StoreBytes(code, codes + i);
    }
    const int32_t total = ReduceAdd(sum);
    std::memcpy(scales + g * 4, &scale, 4);
    std::memcpy(sums + g * 4, &total, 4);
  }
}

void PrepareBf16(const float* x, int64_t cols, uint8_t* out) {
  for (int64_t i = 0; i < (cols + 3) / 4 * 4; ++i) {
    uint32_t bits = 0;
    if (i < cols) std::memcpy(&bits, x + i, 4);
    // To nearest even; NaN stays NaN.
    const bool nan = (bits & 0x7fffffffU) > 0x7f800000U;
    const uint32_t rounded = nan ? bits | 0x400000U : bits + 0x7fffU + ((bits >> 16) & 1U);
    const auto half = static_cast<uint16_t>(rounded >> 16);
    std::memcpy(out + 2 * i, &half, 2);
  }
}

void Prepare(RowForm form, const float* x, int64_t cols, uint8_t* out) {
  switch (form) {
    case RowForm::kF32:
      std::memcpy(out, x, static_cast<size_t>(cols) * 4);
      return;
    case RowForm::kBf16:
      return PrepareBf16(x, cols, out);
    case RowForm::kInt8:
      return PrepareInt8(x, cols, out);
  }
}

// 16 rows side by side: quantize.cc's steps in the same order, so the same bits. Multiplies and
// adds stay apart (the build has -ffp-contract=off).
inline V SignedMax(const float* values, int64_t n) {
  V best = V::Zero();
  for (int64_t k = 0; k < n; ++k) {
    const V v = V::Load(values + 16 * k);
    best = SelectGreater(Abs(v), Abs(best), v, best);
  }
  return best;
}
inline V Code(V value, V inverse, float low, float high) {
  return Min(Max(RoundEven(Mul(value, inverse)), V::Set1(low)), V::Set1(high));
}

void QuantizeTile(const float* values, int64_t n, bool int4, int8_t* codes, float* scales) {
  const V max = SignedMax(values, n);
  V best_inverse = V::Zero();
  V scale = V::Zero();
  if (int4) {
    V best_score = V::Set1(-1);
    for (int c = 0; c < kInt4Candidates; ++c) {
      const float levels = -(8.0F + kInt4Step * static_cast<float>(c - kInt4Middle));
      const V inverse = Div(V::Set1(levels), max);
      V wq = V::Zero();
      V qq = V::Zero();
      for (int64_t k = 0; k < n; ++k) {
        const V scaled = Mul(V::Load(values + 16 * k), inverse);
        const V q = Min(Max(RoundEven(scaled), V::Set1(-8)), V::Set1(7));
        wq = Add(wq, Mul(scaled, q));
        qq = Add(qq, Mul(q, q));
      }
      const V t = Div(wq, Mul(inverse, max));
      const V score = Div(Mul(t, t), qq);
      best_inverse = SelectGreater(score, best_score, inverse, best_inverse);
      scale = SelectGreater(score, best_score, Div(Div(wq, qq), inverse), scale);
      best_score = SelectGreater(score, best_score, score, best_score);
    }
  }
  // Zero groups, and what is left of the scale's arithmetic, lane by lane.
  float lane_max[16];
  float lane_scale[16];
  float lane_inverse[16];
  max.Store(lane_max);
  scale.Store(lane_scale);
  best_inverse.Store(lane_inverse);
  for (int i = 0; i < 16; ++i) {
    const float largest = std::fabs(lane_max[i]);
    if (largest < kQuantTiny) {
      scales[i] = lane_inverse[i] = 0;
      continue;
    }
    const float exact = int4 ? lane_scale[i] : largest / 127.0F;
    uint32_t bits;
    std::memcpy(&bits, &exact, 4);
    bits += 0x7fffU + ((bits >> 16) & 1U);
    bits &= 0xffff0000U;
    float rounded;
    std::memcpy(&rounded, &bits, 4);
    if (!int4 && rounded < exact) {
      bits += 0x10000U;
      std::memcpy(&rounded, &bits, 4);
    }
    scales[i] = rounded;
    if (!int4) lane_inverse[i] = 1.0F / rounded;
  }
  const V inverse = V::Load(lane_inverse);
  for (int64_t k = 0; k < n; ++k) {
    StoreBytes(Round(Code(V::Load(values + 16 * k), inverse, int4 ? -8 : -127, int4 ? 7 : 127)),
               codes + 16 * k);
  }
}

}  // namespace
}  // namespace deepseek::engine
