// Norms, activations and attention inner loops over the V type of a simd_*.h that was included
// before.

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

void WidenBf16(const uint16_t* from, int64_t n, float* out) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) V::LoadBf16(from + i).Store(out + i);
  if (i == n) return;
  uint16_t last[16] = {};
  for (int64_t j = i; j < n; ++j) last[j - i] = from[j];
  V::LoadBf16(last).StoreN(out + i, n - i);
}

// Each key has a sum of its own, so its score does not depend on which keys are scored beside it.
template <int J>
inline void ScoreKeys(const float* q, const float* keys, int64_t stride, int64_t dim, float scale,
                      float* out) {
  V sum[J];
  for (V& s : sum) s = V::Zero();
  ForVectors(dim, [&](int64_t i, int64_t lanes) {
    const V v = LoadLanes(q + i, lanes);
    for (int j = 0; j < J; ++j) sum[j] = Fma(v, LoadLanes(keys + j * stride + i, lanes), sum[j]);
  });
  for (int j = 0; j < J; ++j) out[j] = ReduceAdd(sum[j]) * scale;
}

void Scores(const float* q, const float* keys, int64_t stride, int64_t n, int64_t dim, float scale,
            float* out) {
  int64_t j = 0;
  for (; j + 4 <= n; j += 4) ScoreKeys<4>(q, keys + j * stride, stride, dim, scale, out + j);
  for (; j < n; ++j) ScoreKeys<1>(q, keys + j * stride, stride, dim, scale, out + j);
}

float SoftmaxTile(float* scores, int64_t n, SoftmaxState* state) {
  float max = scores[0];
  for (int64_t j = 1; j < n; ++j) max = scores[j] > max ? scores[j] : max;
  if (!state->empty && state->max > max) max = state->max;
  // e^(old - new): what was summed before is relative to the old maximum.
  float correction = 0;
  if (!state->empty) {
    float lane[16];
    Exp(V::Set1(state->max - max)).Store(lane);
    correction = lane[0];
  }
  const V shift = V::Set1(-max);
  V sum = V::Zero();
  ForVectors(n, [&](int64_t i, int64_t lanes) {
    const V p = Exp(Add(LoadLanes(scores + i, lanes), shift));
    StoreLanes(p, scores + i, lanes);
    sum = Add(sum, LoadLanes(scores + i, lanes));
  });
  state->sum = state->sum * correction + ReduceAdd(sum);
  state->max = max;
  state->empty = false;
  return correction;
}

template <int C>
inline void WeightedColumns(const float* p, const float* values, int64_t stride, int64_t n,
                            float correction, float* acc) {
  V sum[C];
  for (int c = 0; c < C; ++c) sum[c] = Mul(V::Load(acc + 16 * c), V::Set1(correction));
  for (int64_t j = 0; j < n; ++j) {
    const V weight = V::Set1(p[j]);
    for (int c = 0; c < C; ++c) sum[c] = Fma(weight, V::Load(values + j * stride + 16 * c), sum[c]);
  }
  for (int c = 0; c < C; ++c) sum[c].Store(acc + 16 * c);
}

void WeightedSum(const float* p, const float* values, int64_t stride, int64_t n, int64_t dim,
                 float correction, float* acc) {
  int64_t i = 0;
  for (; i + 128 <= dim; i += 128)
    WeightedColumns<8>(p, values + i, stride, n, correction, acc + i);
  for (; i + 16 <= dim; i += 16) WeightedColumns<1>(p, values + i, stride, n, correction, acc + i);
  if (i == dim) return;
  V sum = Mul(V::LoadN(acc + i, dim - i), V::Set1(correction));
  for (int64_t j = 0; j < n; ++j) {
    sum = Fma(V::Set1(p[j]), V::LoadN(values + j * stride + i, dim - i), sum);
  }
  sum.StoreN(acc + i, dim - i);
}

constexpr KernelTable MakeTable(const char* name) {
  return {name,    kBf16Dot,   &Gemm,      &Prepare, &QuantizeTile, &Absorb,     &RmsNorm,
          &SwiGlu, &AddScaled, &WidenBf16, &Scores,  &SoftmaxTile,  &WeightedSum};
}

}  // namespace
}  // namespace deepseek::engine
