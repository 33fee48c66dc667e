#pragma once
// 16 floats in plain C++: what runs where nothing better does, and the compiler's own vectors
// elsewhere. Included by one kernels_*.cc only; everything is in an anonymous namespace, since that
// file has flags of its own.

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "engine/arch/dtype.h"
#include "engine/kernels/cpu/tile_layout.h"

namespace deepseek::engine {
namespace {

constexpr int kRowBlock = 2;  // rows of x per register block
constexpr int kTileBlock = 1;
constexpr int kHotRowBlock = kRowBlock;
constexpr int kHotTileBlock = kTileBlock;
/// Tiles of a block whose sums are kept at the same time.
constexpr int PassTiles(int, int tiles) {
  return tiles;
}
/// No rows get widened values of a kF8 tile.
constexpr int64_t kWideRows = 0;
constexpr int64_t kLeastWideRows = 0;
/// Bytes ahead of its use that a line of weights is asked for; 0: not at all.
constexpr int kFetchBytes = 0;
/// No rows ask for the next panel.
constexpr bool kNextPanel = false;
constexpr bool kFewRowsAsk = false;
constexpr int kAskPlaces = 1;
constexpr int kAskLocality = 2;

struct V {
  float v[16];
  static V Zero() { return Set1(0); }
  static V Set1(float x) {
    V r;
    for (float& e : r.v) e = x;
    return r;
  }
  static V Load(const float* p) {
    V r;
    std::memcpy(r.v, p, sizeof(r.v));
    return r;
  }
  static V LoadN(const float* p, int64_t n) {
    V r = Zero();
    std::memcpy(r.v, p, static_cast<size_t>(n) * 4);
    return r;
  }
  static V LoadBf16(const uint16_t* p) {
    V r;
    for (int i = 0; i < 16; ++i) r.v[i] = Bf16ToFloat(p[i]);
    return r;
  }
  void Store(float* p) const { std::memcpy(p, v, sizeof(v)); }
  void StoreN(float* p, int64_t n) const { std::memcpy(p, v, static_cast<size_t>(n) * 4); }
};

inline V Add(V a, V b) {
  for (int i = 0; i < 16; ++i) a.v[i] += b.v[i];
  return a;
}
inline V Mul(V a, V b) {
  for (int i = 0; i < 16; ++i) a.v[i] *= b.v[i];
  return a;
}
inline V Div(V a, V b) {
  for (int i = 0; i < 16; ++i) a.v[i] /= b.v[i];
  return a;
}
inline V Max(V a, V b) {
  for (int i = 0; i < 16; ++i) a.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i];
  return a;
}
/// a * b + c
inline V Fma(V a, V b, V c) {
  for (int i = 0; i < 16; ++i) c.v[i] += a.v[i] * b.v[i];
  return c;
}
inline V Exp(V a) {
  for (float& e : a.v) e = std::exp(e);
  return a;
}
inline float ReduceAdd(V a) {
  for (int step = 8; step > 0; step /= 2) {
    for (int i = 0; i < step; ++i) a.v[i] += a.v[i + step];
  }
  return a.v[0];
}
inline float ReduceMax(V a) {
  for (int step = 8; step > 0; step /= 2) {
    for (int i = 0; i < step; ++i) a.v[i] = a.v[i] > a.v[i + step] ? a.v[i] : a.v[i + step];
  }
  return a.v[0];
}

/// 2^x
inline V Exp2(V a) {
  for (float& e : a.v) e = std::exp2(e);
  return a;
}

/// 16 x int32, or 64 bytes of them.
struct I {
  int32_t v[16];
  static I Zero() { return Set1(0); }
  static I Set1(int32_t x) {
    I r;
    for (int32_t& e : r.v) e = x;
    return r;
  }
  static I Load(const uint8_t* p) {
    I r;
    std::memcpy(r.v, p, sizeof(r.v));
    return r;
  }
};
inline V ToFloat(I a) {
  V r;
  for (int i = 0; i < 16; ++i) r.v[i] = static_cast<float>(a.v[i]);
  return r;
}
/// To nearest even; what does not fit becomes INT32_MIN.
inline I Round(V a) {
  I r;
  for (int i = 0; i < 16; ++i) {
    const float x = std::nearbyint(a.v[i]);
    r.v[i] = x >= -0x1p31F && x < 0x1p31F ? static_cast<int32_t>(x) : INT32_MIN;
  }
  return r;
}
/// Modulo 2^32, as the instructions do it.
inline int32_t Wrapped(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
}
inline I Add(I a, I b) {
  for (int i = 0; i < 16; ++i) a.v[i] = Wrapped(a.v[i], b.v[i]);
  return a;
}
inline int32_t ReduceAdd(I a) {
  int32_t sum = 0;
  for (const int32_t e : a.v) sum = Wrapped(sum, e);
  return sum;
}
/// The low byte of each lane.
inline void StoreBytes(I a, int8_t* p) {
  for (int i = 0; i < 16; ++i) p[i] = static_cast<int8_t>(a.v[i]);
}
inline V Abs(V a) {
  for (float& e : a.v) e = std::fabs(e);
  return a;
}
inline V Min(V a, V b) {
  for (int i = 0; i < 16; ++i) a.v[i] = a.v[i] < b.v[i] ? a.v[i] : b.v[i];
  return a;
}
inline V RoundEven(V a) {
  for (float& e : a.v) e = std::nearbyint(e);
  return a;
}
/// a > b ? x : y
inline V SelectGreater(V a, V b, V x, V y) {
  for (int i = 0; i < 16; ++i) y.v[i] = a.v[i] > b.v[i] ? x.v[i] : y.v[i];
  return y;
}
inline uint32_t Bits(int32_t x) {
  return static_cast<uint32_t>(x);
}
inline I LowNibbles(I a) {
  for (int32_t& e : a.v) e = static_cast<int32_t>(Bits(e) & 0x0f0f0f0fU);
  return a;
}
inline I HighNibbles(I a) {
  for (int32_t& e : a.v) e = static_cast<int32_t>((Bits(e) >> 4) & 0x0f0f0f0fU);
  return a;
}
/// Byte `kByte` of each lane, unsigned.
template <int kByte>
inline V ByteToFloat(I a) {
  V r;
  for (int i = 0; i < 16; ++i) {
    r.v[i] = static_cast<float>((Bits(a.v[i]) >> (8 * kByte)) & 255U);
  }
  return r;
}
/// acc + sum over the four bytes of each lane of u (unsigned) * x (signed).
inline I DotBytes(I acc, I u, const RowCodes& x) {
  for (int i = 0; i < 16; ++i) {
    for (int b = 0; b < 4; ++b) {
      const auto code = static_cast<int32_t>((Bits(u.v[i]) >> (8 * b)) & 255U);
      acc.v[i] = Wrapped(acc.v[i], code * static_cast<int8_t>(x.bytes[b]));
    }
  }
  return acc;
}
/// What DotBytes leaves in the sum of a code that is stored with 128 added.
constexpr int32_t kByteZeroPoint = 128;

/// Sums of products with nibbles: no different from other sums here.
using NibbleSums = I;
constexpr int kNibbleRun = 16;
inline NibbleSums BeginNibbles(const I& sum) {
  return sum;
}
inline NibbleSums AddNibbles(const NibbleSums& part, const I& nibbles, const RowCodes& x) {
  return DotBytes(part, nibbles, x);
}
inline I EndNibbles(const I&, const NibbleSums& part) {
  return part;
}

/// 16 x {bf16, bf16}.
struct BfPairs {
  uint32_t v[16];
};
inline V Even(BfPairs p) {
  V r;
  for (int i = 0; i < 16; ++i) r.v[i] = std::bit_cast<float>(p.v[i] << 16);
  return r;
}
inline V Odd(BfPairs p) {
  V r;
  for (int i = 0; i < 16; ++i) r.v[i] = std::bit_cast<float>(p.v[i] & 0xffff0000U);
  return r;
}
inline BfPairs LoadPairs(const uint8_t* p) {
  BfPairs r;
  std::memcpy(r.v, p, sizeof(r.v));
  return r;
}
constexpr bool kBf16Dot = false;
inline V DotPairs(V acc, BfPairs p, uint32_t x) {
  acc = Fma(Even(p), V::Set1(std::bit_cast<float>(x << 16)), acc);
  return Fma(Odd(p), V::Set1(std::bit_cast<float>(x & 0xffff0000U)), acc);
}
struct TwoPairs {
  BfPairs a, b;  // columns {k, k+1} and {k+2, k+3}
};
inline TwoPairs LoadF8Quad(const uint8_t* p) {
  TwoPairs r;
  const auto pair = [&](int64_t i, int64_t k) {
    const auto bf16 = [&](int64_t column) {
      return uint32_t{FloatToBf16(kE4M3[p[F8Byte(i, column)]])};
    };
    return bf16(k) | (bf16(k + 1) << 16);
  };
  for (int i = 0; i < 16; ++i) {
    r.a.v[i] = pair(i, 0);
    r.b.v[i] = pair(i, 2);
  }
  return r;
}

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
