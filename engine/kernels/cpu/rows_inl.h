// Norms, activations and the largest number of a row over the V type of a simd_*.h that was
// included before.

#include <cmath>

#include "engine/kernels/cpu/kernel_table.h"

namespace deepseek::engine {
namespace {

// body(offset, lanes) over n floats: full vectors, then one short one.
template <typename Body>
inline void ForVectors(int64_t n, Body body) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) body(i, int64_t{16});
  if (i < n) body(i, n - i);
}
inline V LoadLanes(const float* p, int64_t lanes) {
  return lanes == 16 ? V::Load(p) : V::LoadN(p, lanes);
}
inline void StoreLanes(V v, float* p, int64_t lanes) {
  if (lanes == 16) {
    v.Store(p);
  } else {
    v.StoreN(p, lanes);
  }
}

void RmsNorm(const float* x, const float* weight, float eps, int64_t n, float* out) {
  V squares = V::Zero();
  ForVectors(n, [&](int64_t i, int64_t lanes) {
    const V v = LoadLanes(x + i, lanes);
    squares = Fma(v, v, squares);
  });
  const V scale = V::Set1(1.0F / std::sqrt(ReduceAdd(squares) / static_cast<float>(n) + eps));
  ForVectors(n, [&](int64_t i, int64_t lanes) {
    StoreLanes(Mul(Mul(LoadLanes(x + i, lanes), scale), LoadLanes(weight + i, lanes)), out + i,
               lanes);
  });
}

void SwiGlu(const float* gate, const float* up, int64_t n, float* out) {
  const V one = V::Set1(1.0F);
  const V minus = V::Set1(-1.0F);
  ForVectors(n, [&](int64_t i, int64_t lanes) {
    const V g = LoadLanes(gate + i, lanes);
    const V silu = Div(g, Add(one, Exp(Mul(g, minus))));
    StoreLanes(Mul(silu, LoadLanes(up + i, lanes)), out + i, lanes);
  });
}

void AddScaled(float scale, const float* x, int64_t n, float* out) {
  const V s = V::Set1(scale);
  ForVectors(n, [&](int64_t i, int64_t lanes) {
    StoreLanes(Fma(LoadLanes(x + i, lanes), s, LoadLanes(out + i, lanes)), out + i, lanes);
  });
}

int64_t Argmax(const float* x, int64_t n) {
  // One pass: the first block that holds the maximum is remembered, and searched in the end.
  constexpr int64_t kBlock = 256;
  V poison = V::Zero();
  float largest = x[0];
  int64_t begin = 0;
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t end = n - i < kBlock ? n : i + kBlock;
    V best = V::Set1(x[i]);
    ForVectors(end - i, [&](int64_t j, int64_t lanes) {
      const V v = LoadLanes(x + i + j, lanes);
      poison = Fma(v, V::Zero(), poison);
      if (lanes == 16) {
        best = Max(best, v);
      } else {
        for (int64_t k = i + j; k < end; ++k) best = Max(best, V::Set1(x[k]));
      }
    });
    const float block = ReduceMax(best);
    if (block > largest) {
      largest = block;
      begin = i;
    }
  }
  if (!(ReduceAdd(poison) == 0)) return -1;
  while (x[begin] != largest) ++begin;
  return begin;
}

constexpr KernelTable MakeTable(const char* name, decltype(KernelTable::gemm) gemm = &Gemm) {
  return {name,        kBf16Dot, gemm,    &Prepare,   &QuantizeTile,
          &UnpackTile, &RmsNorm, &SwiGlu, &AddScaled, &Argmax};
}

}  // namespace
}  // namespace deepseek::engine
