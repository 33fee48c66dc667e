#pragma once
// 16 floats in two ymm. Included by kernels_avx2.cc only (anonymous namespace: that file has flags
// of its own).

#include <immintrin.h>

#include <bit>
#include <cstdint>

#include "engine/kernels/cpu/tile_layout.h"

namespace deepseek::engine {
namespace {

// A block covers a whole panel, so that memory is read in one stream; its sums, two ymm for each
// row and tile, do not fit 16 registers at once.
constexpr int kRowBlock = 4;
constexpr int kTileBlock = 4;
constexpr int kHotRowBlock = kRowBlock;
constexpr int kHotTileBlock = kTileBlock;
/// Tiles of a block whose sums are in registers at the same time: eight sums, enough to hide the
/// latency of a multiply-add.
constexpr int PassTiles(int rows, int tiles) {
  const int fit = rows == 1 ? 4 : rows == 2 ? 2 : 1;
  return fit < tiles ? fit : tiles;
}
/// The most rows for which the values of a kF8 tile are widened once, and the fewest.
constexpr int64_t kWideRows = 36;
constexpr int64_t kLeastWideRows = 8;
/// Bytes ahead of its use that a line of weights is asked for: a group of a kI4 panel.
constexpr int kFetchBytes = 4096;
/// No rows ask for the next panel.
constexpr bool kNextPanel = false;
constexpr bool kFewRowsAsk = false;
constexpr int kAskPlaces = 1;
constexpr int kAskLocality = 2;

struct V {
  __m256 a, b;
  static V Zero() { return Set1(0); }
  static V Set1(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static V Load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static V LoadN(const float* p, int64_t n) {
    alignas(32) float t[16] = {};
    for (int64_t i = 0; i < n; ++i) t[i] = p[i];
    return {_mm256_load_ps(t), _mm256_load_ps(t + 8)};
  }
  static __m256 Widen(__m128i bits) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
  static V LoadBf16(const uint16_t* p) {
    return {Widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
            Widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8)))};
  }
  void Store(float* p) const {
    _mm256_storeu_ps(p, a);
    _mm256_storeu_ps(p + 8, b);
  }
  void StoreN(float* p, int64_t n) const {
    alignas(32) float t[16];
    Store(t);
    for (int64_t i = 0; i < n; ++i) p[i] = t[i];
  }
};

inline V Add(V x, V y) {
  return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)};
}
inline V Mul(V x, V y) {
  return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)};
}
inline V Div(V x, V y) {
  return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)};
}
inline V Max(V x, V y) {
  return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)};
}
inline V Fma(V x, V y, V z) {
  return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}

inline float ReduceAdd(V x) {
  const __m256 s = _mm256_add_ps(x.a, x.b);
  __m128 t = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
  t = _mm_add_ps(t, _mm_movehl_ps(t, t));
  return _mm_cvtss_f32(_mm_add_ss(t, _mm_shuffle_ps(t, t, 1)));
}
inline float ReduceMax(V x) {
  const __m256 s = _mm256_max_ps(x.a, x.b);
  __m128 t = _mm_max_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
  t = _mm_max_ps(t, _mm_movehl_ps(t, t));
  return _mm_cvtss_f32(_mm_max_ss(t, _mm_shuffle_ps(t, t, 1)));
}

/// e^x as in simd_avx512.h; below -87 gives 0.
inline __m256 ExpHalf(__m256 a) {
  const __m256 x = _mm256_min_ps(_mm256_max_ps(a, _mm256_set1_ps(-87.3F)), _mm256_set1_ps(88.0F));
  const __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504088896341F)),
                                   _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375F), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4F), r);
  __m256 p = _mm256_set1_ps(1.9875691500e-4F);
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.3981999507e-3F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(8.3334519073e-3F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(4.1665795894e-2F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.6666665459e-1F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(5.0000001201e-1F));
  p = _mm256_fmadd_ps(p, _mm256_mul_ps(r, r), _mm256_add_ps(r, _mm256_set1_ps(1.0F)));
  const __m256i power =
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  const __m256 e = _mm256_mul_ps(p, _mm256_castsi256_ps(power));
  const __m256 tiny = _mm256_cmp_ps(a, _mm256_set1_ps(-87.3F), _CMP_LT_OQ);
  return _mm256_blendv_ps(_mm256_andnot_ps(tiny, e), a, _mm256_cmp_ps(a, a, _CMP_UNORD_Q));
}
inline V Exp(V x) {
  return {ExpHalf(x.a), ExpHalf(x.b)};
}

/// 2^x for x <= 0 to about 2 ulp, 0 below -126 (-inf included); a NaN stays a NaN. The series of
/// 2^r, r in [-1/2, 1/2], as in simd_avx512.h.
inline __m256 Exp2Half(__m256 a) {
  const __m256 least = _mm256_set1_ps(-126.0F);
  // max gives its second operand when one is a NaN.
  const __m256 x = _mm256_max_ps(least, a);
  const __m256 n = _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m256 r = _mm256_sub_ps(x, n);
  __m256 p = _mm256_set1_ps(1.5403530e-4F);
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.3333558e-3F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(9.6181291e-3F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(5.5504109e-2F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(2.4022651e-1F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(6.9314718e-1F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F));
  const __m256i power =
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  const __m256 e = _mm256_mul_ps(p, _mm256_castsi256_ps(power));
  return _mm256_andnot_ps(_mm256_cmp_ps(a, least, _CMP_LT_OQ), e);
}
inline V Exp2(V x) {
  return {Exp2Half(x.a), Exp2Half(x.b)};
}

/// 16 x int32 in two ymm, or 64 bytes of them.
struct I {
  __m256i a, b;
  static I Zero() { return Set1(0); }
  static I Set1(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
  static I Load(const uint8_t* p) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32))};
  }
};
inline V ToFloat(I x) {
  return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)};
}
/// To nearest even; what does not fit becomes INT32_MIN.
inline I Round(V x) {
  return {_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b)};
}
inline I Add(I x, I y) {
  return {_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)};
}
inline int32_t ReduceAdd(I x) {
  const __m256i s = _mm256_add_epi32(x.a, x.b);
  __m128i t = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
  t = _mm_add_epi32(t, _mm_shuffle_epi32(t, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(t, _mm_shuffle_epi32(t, 0xb1)));
}
/// The low byte of each lane.
inline void StoreBytes(I x, int8_t* p) {
  alignas(32) int32_t t[16];
  _mm256_store_si256(reinterpret_cast<__m256i*>(t), x.a);
  _mm256_store_si256(reinterpret_cast<__m256i*>(t + 8), x.b);
  for (int i = 0; i < 16; ++i) p[i] = static_cast<int8_t>(t[i]);
}
inline V Abs(V x) {
  const __m256 mask = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  return {_mm256_and_ps(x.a, mask), _mm256_and_ps(x.b, mask)};
}
inline V Min(V x, V y) {
  return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)};
}
inline V RoundEven(V x) {
  constexpr int kMode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(x.a, kMode), _mm256_round_ps(x.b, kMode)};
}
/// a > b ? x : y
inline V SelectGreater(V a, V b, V x, V y) {
  return {_mm256_blendv_ps(y.a, x.a, _mm256_cmp_ps(a.a, b.a, _CMP_GT_OQ)),
          _mm256_blendv_ps(y.b, x.b, _mm256_cmp_ps(a.b, b.b, _CMP_GT_OQ))};
}
inline I LowNibbles(I x) {
  const __m256i mask = _mm256_set1_epi8(15);
  return {_mm256_and_si256(x.a, mask), _mm256_and_si256(x.b, mask)};
}
inline I HighNibbles(I x) {
  return LowNibbles({_mm256_srli_epi16(x.a, 4), _mm256_srli_epi16(x.b, 4)});
}
/// Byte `kByte` of each lane, unsigned.
template <int kByte>
inline V ByteToFloat(I x) {
  const __m256i mask = _mm256_set1_epi32(255);
  return ToFloat({_mm256_and_si256(_mm256_srli_epi32(x.a, 8 * kByte), mask),
                  _mm256_and_si256(_mm256_srli_epi32(x.b, 8 * kByte), mask)});
}
/// acc + sum over the four bytes of each lane of (u - 128) * x. vpmaddubsw wants one operand
/// unsigned and would saturate at 255 * 127 * 2: it gets |u - 128|, and x with the sign of u - 128.
inline __m256i DotHalf(__m256i acc, __m256i u, __m256i x) {
  const __m256i code = _mm256_xor_si256(u, _mm256_set1_epi8(static_cast<char>(0x80)));
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(code), _mm256_sign_epi8(x, code));
  return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
inline I DotBytes(I acc, I u, const RowCodes& x) {
  const __m256i s = _mm256_set1_epi32(std::bit_cast<int32_t>(x));
  return {DotHalf(acc.a, u.a, s), DotHalf(acc.b, u.b, s)};
}
/// What DotBytes leaves in the sum of a code that is stored with 128 added: nothing.
constexpr int32_t kByteZeroPoint = 0;

/// Sums of products with nibbles, in 16 bits: two products are at most 15 * 127 * 2 = 3810, so that
/// eight additions, four quads of two nibbles, stay below 32767.
struct NibbleSums {
  __m256i a, b;
};
constexpr int kNibbleRun = 4;
inline NibbleSums BeginNibbles(I) {
  return {_mm256_setzero_si256(), _mm256_setzero_si256()};
}
inline NibbleSums AddNibbles(NibbleSums part, I nibbles, const RowCodes& x) {
  const __m256i s = _mm256_set1_epi32(std::bit_cast<int32_t>(x));
  part = {_mm256_add_epi16(part.a, _mm256_maddubs_epi16(nibbles.a, s)),
          _mm256_add_epi16(part.b, _mm256_maddubs_epi16(nibbles.b, s))};
  // Added here and now: GCC else puts off all sums of a run to its end, and its 64 products go
  // through memory (two thirds of the speed with two rows or more).
  asm("" : "+x"(part.a), "+x"(part.b));
  return part;
}
inline I EndNibbles(I sum, NibbleSums part) {
  const __m256i ones = _mm256_set1_epi16(1);
  return {_mm256_add_epi32(sum.a, _mm256_madd_epi16(part.a, ones)),
          _mm256_add_epi32(sum.b, _mm256_madd_epi16(part.b, ones))};
}

/// 16 x {bf16, bf16}.
struct BfPairs {
  __m256i a, b;
};
inline V Even(BfPairs p) {
  return {_mm256_castsi256_ps(_mm256_slli_epi32(p.a, 16)),
          _mm256_castsi256_ps(_mm256_slli_epi32(p.b, 16))};
}
inline V Odd(BfPairs p) {
  const __m256i mask = _mm256_set1_epi32(static_cast<int>(0xffff0000U));
  return {_mm256_castsi256_ps(_mm256_and_si256(p.a, mask)),
          _mm256_castsi256_ps(_mm256_and_si256(p.b, mask))};
}
inline BfPairs LoadPairs(const uint8_t* p) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32))};
}
constexpr bool kBf16Dot = false;
inline V DotPairs(V acc, BfPairs p, uint32_t x) {
  acc = Fma(Even(p), V::Set1(std::bit_cast<float>(x << 16)), acc);
  return Fma(Odd(p), V::Set1(std::bit_cast<float>(x & 0xffff0000U)), acc);
}
struct TwoPairs {
  BfPairs a, b;  // columns {k, k+1} and {k+2, k+3}
};
/// Column `kColumn` of eight rows of a kF8 quad, exact. The code goes to the top of its lane; moved
/// right by four, sign kept, its exponent and fraction are those of a float, 2^120 too small, and
/// subnormals stay what they are. (0x7f and 0xff, NaN, are refused when weights are loaded.)
template <int kColumn>
inline __m256 F8Column(__m256i quad) {
  constexpr int k = kColumn / 2 * 8 + kColumn % 2;
  const __m256i top =
      _mm256_shuffle_epi8(quad, _mm256_setr_epi8(-1, -1, -1, k, -1, -1, -1, k + 2, -1, -1, -1,
                                                 k + 4, -1, -1, -1, k + 6, -1, -1, -1, k, -1, -1,
                                                 -1, k + 2, -1, -1, -1, k + 4, -1, -1, -1, k + 6));
  const __m256i bits =
      _mm256_and_si256(_mm256_srai_epi32(top, 4), _mm256_set1_epi32(static_cast<int>(0x87ffffffU)));
  return _mm256_mul_ps(_mm256_castsi256_ps(bits), _mm256_set1_ps(0x1p120F));
}
/// A quad as bf16: only where bf16 is multiplied, which is not here.
[[maybe_unused]] constexpr TwoPairs (*LoadF8Quad)(const uint8_t*) = nullptr;
/// The four columns of a kF8 quad.
inline void LoadF8Columns(const uint8_t* p, V column[4]) {
  const I quad = I::Load(p);
  column[0] = {F8Column<0>(quad.a), F8Column<0>(quad.b)};
  column[1] = {F8Column<1>(quad.a), F8Column<1>(quad.b)};
  column[2] = {F8Column<2>(quad.a), F8Column<2>(quad.b)};
  column[3] = {F8Column<3>(quad.a), F8Column<3>(quad.b)};
}

}  // namespace
}  // namespace deepseek::engine
