#pragma once
// 16 floats in one zmm. Included by kernels_avx512.cc only (anonymous namespace: that file has
// flags of its own).

#include <immintrin.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "engine/arch/dtype.h"
#include "engine/kernels/cpu/tile_layout.h"

namespace deepseek::engine {
namespace {

// Sums of a block of rows and tiles in registers: 16 of 32 for whole panels from memory, 12 and as
// many totals for panels in cache.
constexpr int kRowBlock = 4;
constexpr int kTileBlock = 4;
constexpr int kHotRowBlock = 6;
constexpr int kHotTileBlock = 2;
/// Tiles of a block whose sums are in registers at the same time: all.
constexpr int PassTiles(int, int tiles) {
  return tiles;
}
/// No rows get widened values of a kF8 tile.
constexpr int64_t kWideRows = 0;
constexpr int64_t kLeastWideRows = 0;
/// Whether blocks of rows that compute ask for lines of the next panel.
constexpr bool kNextPanel = true;
/// Whether fewer rows do too; from how many places of that panel at a time; into which cache, as
/// __builtin_prefetch counts: 3 the first, 2 the second. And bytes ahead of its use that a line is
/// asked for where there is no such panel; 0: not at all.
///
/// CPUs with a tile unit read ahead within 4 KB only, and one sequence of lines leaves half of
/// their requests unused: two cores of an Emerald Rapids read 28.6 GB/s (median of 60 in turn) of
/// lines asked for 4 KB ahead, 34.9 when those of four places are.
#if defined(__AMX_INT8__)
constexpr bool kFewRowsAsk = true;
constexpr int kAskPlaces = 4;
constexpr int kAskLocality = 3;
constexpr int kFetchBytes = 4096;
#else
constexpr bool kFewRowsAsk = false;
constexpr int kAskPlaces = 1;
constexpr int kAskLocality = 2;
constexpr int kFetchBytes = 0;
#endif

struct V {
  __m512 v;
  static V Zero() { return {_mm512_setzero_ps()}; }
  static V Set1(float x) { return {_mm512_set1_ps(x)}; }
  static V Load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static V LoadN(const float* p, int64_t n) { return {_mm512_maskz_loadu_ps(Mask(n), p)}; }
  static V LoadBf16(const uint16_t* p) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
  }
  void Store(float* p) const { _mm512_storeu_ps(p, v); }
  void StoreN(float* p, int64_t n) const { _mm512_mask_storeu_ps(p, Mask(n), v); }
  static __mmask16 Mask(int64_t n) { return static_cast<__mmask16>((1U << n) - 1U); }
};

inline V Add(V a, V b) {
  return {_mm512_add_ps(a.v, b.v)};
}
inline V Mul(V a, V b) {
  return {_mm512_mul_ps(a.v, b.v)};
}
inline V Div(V a, V b) {
  return {_mm512_div_ps(a.v, b.v)};
}
inline V Max(V a, V b) {
  return {_mm512_max_ps(a.v, b.v)};
}
inline V Fma(V a, V b, V c) {
  return {_mm512_fmadd_ps(a.v, b.v, c.v)};
}
inline float ReduceAdd(V a) {
  return _mm512_reduce_add_ps(a.v);
}
inline float ReduceMax(V a) {
  return _mm512_reduce_max_ps(a.v);
}

/// e^x to about 2 ulp: 2^n * p(r), r in [-ln2/2, ln2/2] (Cephes expf polynomial). Below -87 gives 0
/// or a subnormal.
inline V Exp(V a) {
  const __m512 x =
      _mm512_min_ps(_mm512_max_ps(a.v, _mm512_set1_ps(-104.0F)), _mm512_set1_ps(88.7F));
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504088896341F)),
                                        _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375F), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4F), r);
  __m512 p = _mm512_set1_ps(1.9875691500e-4F);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.3981999507e-3F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(8.3334519073e-3F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.1665795894e-2F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.6666665459e-1F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.0000001201e-1F));
  p = _mm512_fmadd_ps(p, _mm512_mul_ps(r, r), _mm512_add_ps(r, _mm512_set1_ps(1.0F)));
  const __m512 e = _mm512_scalef_ps(p, n);
  // min and max drop NaN: a NaN must come out as NaN.
  return {_mm512_mask_mov_ps(e, _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q), a.v)};
}

/// 2^x for x <= 0 to about 2 ulp, 0 from -150 down (-inf included); a NaN stays a NaN.
inline V Exp2(V a) {
  // max gives its second operand when one is a NaN.
  const __m512 x = _mm512_max_ps(_mm512_set1_ps(-200.0F), a.v);
  const __m512 n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 r = _mm512_sub_ps(x, n);  // [-1/2, 1/2]; then the series of 2^r
  __m512 p = _mm512_set1_ps(1.5403530e-4F);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.3333558e-3F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(9.6181291e-3F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.5504109e-2F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(2.4022651e-1F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(6.9314718e-1F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0F));
  return {_mm512_scalef_ps(p, n)};
}

/// 16 x int32, or 64 bytes of them.
struct I {
  __m512i v;
  static I Zero() { return {_mm512_setzero_si512()}; }
  static I Set1(int32_t x) { return {_mm512_set1_epi32(x)}; }
  /// Once: else GCC reads it again for every use.
  static I Load(const uint8_t* p) {
    I bytes{_mm512_loadu_si512(p)};
    asm("" : "+v"(bytes.v));
    return bytes;
  }
};
inline V ToFloat(I a) {
  return {_mm512_cvtepi32_ps(a.v)};
}
/// To nearest even; what does not fit becomes INT32_MIN.
inline I Round(V a) {
  return {_mm512_cvtps_epi32(a.v)};
}
inline I Add(I a, I b) {
  return {_mm512_add_epi32(a.v, b.v)};
}
inline int32_t ReduceAdd(I a) {
  return _mm512_reduce_add_epi32(a.v);
}
/// The low byte of each lane.
inline void StoreBytes(I a, int8_t* p) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a.v));
}
inline V Abs(V a) {
  return {_mm512_abs_ps(a.v)};
}
inline V Min(V a, V b) {
  return {_mm512_min_ps(a.v, b.v)};
}
inline V RoundEven(V a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
/// a > b ? x : y
inline V SelectGreater(V a, V b, V x, V y) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ), y.v, x.v)};
}
inline I LowNibbles(I a) {
  return {_mm512_and_si512(a.v, _mm512_set1_epi8(15))};
}
inline I HighNibbles(I a) {
  return {_mm512_and_si512(_mm512_srli_epi16(a.v, 4), _mm512_set1_epi8(15))};
}
/// Byte `kByte` of each lane, unsigned.
template <int kByte>
inline V ByteToFloat(I a) {
  return ToFloat({_mm512_and_si512(_mm512_srli_epi32(a.v, 8 * kByte), _mm512_set1_epi32(255))});
}
/// acc + sum over the four bytes of each lane of u (unsigned) * the codes (signed).
inline I DotBytes(I acc, I u, const RowCodes& x) {
#if defined(__AVX512VNNI__)
  // By name: of the intrinsic GCC keeps broadcast codes and copies of sums in registers, and sends
  // what no longer fits through memory (one core of a Zen 4, panel in L2: one INT4 row 39 GB/s, so
  // 76; four rows 334 Gop/s, so 433 of 472).
  asm("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(acc.v) : "v"(u.v), "m"(x));
  return acc;
#else
  // vpmaddubsw would saturate at 255 * 127 * 2: widen to 16 bits instead.
  const __m512i s = _mm512_set1_epi32(std::bit_cast<int32_t>(x));
  const __m512i even = _mm512_madd_epi16(_mm512_and_si512(u.v, _mm512_set1_epi16(255)),
                                         _mm512_srai_epi16(_mm512_slli_epi16(s, 8), 8));
  const __m512i odd = _mm512_madd_epi16(_mm512_srli_epi16(u.v, 8), _mm512_srai_epi16(s, 8));
  return {_mm512_add_epi32(acc.v, _mm512_add_epi32(even, odd))};
#endif
}
/// What DotBytes leaves in the sum of a code that is stored with 128 added.
constexpr int32_t kByteZeroPoint = 128;

/// Sums of products with nibbles: no different from other sums here.
using NibbleSums = I;
constexpr int kNibbleRun = 16;
inline NibbleSums BeginNibbles(I sum) {
  return sum;
}
inline NibbleSums AddNibbles(NibbleSums part, I nibbles, const RowCodes& x) {
  return DotBytes(part, nibbles, x);
}
inline I EndNibbles(I, NibbleSums part) {
  return part;
}

/// 16 x {bf16, bf16}.
struct BfPairs {
  __m512i v;
};
inline V Even(BfPairs p) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(p.v, 16))};
}
inline V Odd(BfPairs p) {
  return {
      _mm512_castsi512_ps(_mm512_and_si512(p.v, _mm512_set1_epi32(static_cast<int>(0xffff0000U))))};
}
inline BfPairs LoadPairs(const uint8_t* p) {
  return {_mm512_loadu_si512(p)};
}
#if defined(__AVX512BF16__)
constexpr bool kBf16Dot = true;
/// acc + p.even * x.low + p.odd * x.high, as vdpbf16ps does it.
inline V DotPairs(V acc, BfPairs p, uint32_t x) {
  const __m512i b = _mm512_set1_epi32(static_cast<int>(x));
  __m512bh left;
  __m512bh right;
  std::memcpy(&left, &p.v, sizeof(left));
  std::memcpy(&right, &b, sizeof(right));
  return {_mm512_dpbf16_ps(acc.v, left, right)};
}
#else
constexpr bool kBf16Dot = false;
inline V DotPairs(V acc, BfPairs p, uint32_t x) {
  acc = Fma(Even(p), V::Set1(std::bit_cast<float>(x << 16)), acc);
  return Fma(Odd(p), V::Set1(std::bit_cast<float>(x & 0xffff0000U)), acc);
}
#endif

struct TwoPairs {
  BfPairs a, b;  // columns {k, k+1} and {k+2, k+3}
};
/// A kF8 quad -> bf16, exact: two byte tables over the 7 bits of the magnitude (a bare shift would
/// lose the subnormals).
#if defined(__AVX512VBMI__)
alignas(64) constexpr std::array<std::array<uint8_t, 128>, 2> kF8Bytes = [] {
  std::array<std::array<uint8_t, 128>, 2> t{};  // [low, high] byte of the bf16
  for (size_t m = 0; m < 128; ++m) {
    const uint16_t bits = FloatToBf16(kE4M3[m]);
    t[0][m] = static_cast<uint8_t>(bits & 255U);
    t[1][m] = static_cast<uint8_t>(bits >> 8);
  }
  return t;
}();
inline TwoPairs LoadF8Quad(const uint8_t* p) {
  const __m512i code = _mm512_loadu_si512(p);
  const auto look_up = [&](const std::array<uint8_t, 128>& t) {
    return _mm512_permutex2var_epi8(_mm512_load_si512(t.data()), code,
                                    _mm512_load_si512(t.data() + 64));
  };
  const __m512i low = look_up(kF8Bytes[0]);
  // high | (code & 0x80)
  const __m512i high = _mm512_ternarylogic_epi64(look_up(kF8Bytes[1]), code,
                                                 _mm512_set1_epi8(static_cast<char>(0x80)), 0xf8);
  return {{_mm512_unpacklo_epi8(low, high)}, {_mm512_unpackhi_epi8(low, high)}};
}
#else
inline TwoPairs LoadF8Quad(const uint8_t* p) {
  const __m512i code = _mm512_loadu_si512(p);
  const __m512i zero = _mm512_setzero_si512();
  const auto widen = [](__m512i c) {  // 32 codes in 16-bit lanes
    const __m512i magnitude = _mm512_and_si512(c, _mm512_set1_epi16(0x7f));
    const __m512i normal =
        _mm512_add_epi16(_mm512_slli_epi16(magnitude, 4), _mm512_set1_epi16(120 << 7));
    const __m512i subnormals = _mm512_castsi128_si512(
        _mm_setr_epi16(0, 0x3b00, 0x3b80, 0x3bc0, 0x3c00, 0x3c20, 0x3c40, 0x3c60));
    const __mmask32 small = _mm512_cmplt_epu16_mask(magnitude, _mm512_set1_epi16(8));
    const __m512i bits = _mm512_mask_permutexvar_epi16(normal, small, magnitude, subnormals);
    return BfPairs{_mm512_or_si512(
        bits, _mm512_slli_epi16(_mm512_andnot_si512(_mm512_set1_epi16(0x7f), c), 8))};
  };
  return {widen(_mm512_unpacklo_epi8(code, zero)), widen(_mm512_unpackhi_epi8(code, zero))};
}
#endif

/// The four columns of a kF8 quad.
inline void LoadF8Columns(const uint8_t* p, V column[4]) {
  const TwoPairs pairs = LoadF8Quad(p);
  column[0] = Even(pairs.a);
  column[1] = Odd(pairs.a);
  column[2] = Even(pairs.b);
  column[3] = Odd(pairs.b);
}

}  // namespace
}  // namespace deepseek::engine
