#pragma once
// 16 floats in plain C++: what runs where nothing better does, and the compiler's own vectors
// elsewhere. Included by one kernels_*.cc only; everything is in an anonymous namespace, since that
// file has flags of its own.

#include <cmath>
#include <cstdint>
#include <cstring>

#include "engine/arch/dtype.h"

namespace deepseek::engine {
namespace {

constexpr int kRowBlock = 2;   // rows of x per register block
constexpr int kTileBlock = 1;  // weight tiles per register block

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
/// Lane i of the result is the sum of the lanes of v[i].
inline V SumLanes16(const V v[16]) {
  float sum[16];
  for (int i = 0; i < 16; ++i) sum[i] = ReduceAdd(v[i]);
  return V::Load(sum);
}

struct Pair {
  V even, odd;
};
inline Pair LoadPairBf16(const uint8_t* p) {
  Pair r;
  for (int i = 0; i < 16; ++i) {
    uint16_t v[2];
    std::memcpy(v, p + 4 * i, sizeof(v));
    r.even.v[i] = Bf16ToFloat(v[0]);
    r.odd.v[i] = Bf16ToFloat(v[1]);
  }
  return r;
}
inline Pair LoadPairF8(const uint8_t* p) {
  Pair r;
  for (int i = 0; i < 16; ++i) {
    r.even.v[i] = kE4M3[p[2 * i]];
    r.odd.v[i] = kE4M3[p[2 * i + 1]];
  }
  return r;
}

}  // namespace
}  // namespace deepseek::engine
