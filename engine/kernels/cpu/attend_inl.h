// The loops of attend_kernels.h over the V type of a simd_*.h and an Operand (attend_f32_inl.h or
// attend_avx512_bf16.cc) that were included before.
//
// A block of kAttendRows rows and kAttendVectors vectors of 16 columns stays in registers. With 6 x
// 4 zmm, 24 multiply-adds need 4 loads and 6 broadcasts, so that the second-level cache feeds the
// right operand at 64 bytes per 6 multiply-adds.

#include <limits>

#include "engine/kernels/cpu/attend_kernels.h"

namespace deepseek::engine {
namespace {

#if defined(__AVX512F__)
constexpr int kAttendRows = 6, kAttendVectors = 4;
#elif defined(__AVX2__)
constexpr int kAttendRows = 3, kAttendVectors = 2;
#else
constexpr int kAttendRows = 2, kAttendVectors = 1;
#endif
constexpr int kPanelVectors = static_cast<int>(kPanel / 16);

// sum[i][n] += a[i] . b[:, 16 n]. Fetches one line of `next` per word when there is any.
template <typename Operand, int M, int N, bool kFetch = false>
inline void MultiplyAdd(const float* const* a, const float* b, int64_t words, V sum[M][N],
                        const uint8_t* next = nullptr) {
  for (int64_t w = 0; w < words; ++w) {
    V right[N];
    for (int n = 0; n < N; ++n) right[n] = V::Load(b + w * kPanel + 16 * n);
    if constexpr (kFetch) __builtin_prefetch(next + w * 64, 0, 2);
    for (int i = 0; i < M; ++i) {
      const V left = V::Set1(a[i][w]);
      for (int n = 0; n < N; ++n) sum[i][n] = Operand::Dot(left, right[n], sum[i][n]);
    }
  }
}

// Calls body<M>(first, ...) over `rows` rows in blocks that are as equal as possible: 7 rows are
// 4 + 3, not 6 + 1, since one row alone waits for each of its own sums.
template <int M, typename Body>
inline void CallRows(int64_t m, int64_t first, Body body) {
  if (m == M) {
    body.template operator()<M>(first);
  } else if constexpr (M > 1) {
    CallRows<M - 1>(m, first, body);
  }
}
template <typename Body>
inline void ForRowBlocks(int64_t rows, Body body) {
  for (int64_t blocks = (rows + kAttendRows - 1) / kAttendRows, first = 0; blocks > 0; --blocks) {
    const int64_t m = (rows - first + blocks - 1) / blocks;
    CallRows<kAttendRows>(m, first, body);
    first += m;
  }
}
// Calls body<N>(vector) over the 16-column vectors of n <= 64 columns.
template <typename Body>
inline void ForVectorBlocks(int64_t n, Body body) {
  const int64_t vectors = (n + 15) / 16;
  int64_t v = 0;
  for (; v + kAttendVectors <= vectors; v += kAttendVectors)
    body.template operator()<kAttendVectors>(v);
  for (; v < vectors; ++v) body.template operator()<1>(v);
}

template <typename Operand>
void Multiply(const uint8_t* a, int64_t a_stride_bytes, int64_t rows, const float* b, int64_t words,
              int64_t n, float* out, int64_t out_stride) {
  for (int64_t panel = 0; panel < Panels(n); ++panel, b += words * kPanel) {
    ForRowBlocks(rows, [&]<int M>(int64_t first) {
      const float* left[M];
      for (int i = 0; i < M; ++i) {
        left[i] = reinterpret_cast<const float*>(a + (first + i) * a_stride_bytes);
      }
      const int64_t columns = n - panel * kPanel < kPanel ? n - panel * kPanel : kPanel;
      ForVectorBlocks(columns, [&]<int N>(int64_t v) {
        V sum[M][N] = {};
        MultiplyAdd<Operand, M, N>(left, b + 16 * v, words, sum);
        for (int i = 0; i < M; ++i) {
          float* to = out + (first + i) * out_stride + panel * kPanel + 16 * v;
          for (int c = 0; c < N; ++c) sum[i][c].Store(to + 16 * c);
        }
      });
    });
  }
}

// One row's scores of the tile -> probabilities as a left operand. Returns the factor for what was
// summed before. Keys from n on get exactly zero.
template <typename Operand>
inline float Softmax(float* scores, int64_t n, float scale_log2, SoftmaxState* state, float* out) {
  for (int64_t j = n; j < kPanel; ++j) scores[j] = -std::numeric_limits<float>::infinity();
  V s[kPanelVectors];
  for (int v = 0; v < kPanelVectors; ++v) s[v] = V::Load(scores + 16 * v);
  const float largest = ReduceMax(Max(Max(s[0], s[1]), Max(s[2], s[3]))) * scale_log2;
  const float max = largest > state->max ? largest : state->max;
  float factor[16];
  // An empty state has the maximum -inf and a sum of 0: whatever finite factor this gives is right.
  Exp2(V::Set1(state->max - max)).Store(factor);
  const V scale = V::Set1(scale_log2);
  const V shift = V::Set1(-max);
  for (V& x : s) x = Exp2(Fma(x, scale, shift));
  state->sum = state->sum * factor[0] + ReduceAdd(Add(Add(s[0], s[1]), Add(s[2], s[3])));
  state->max = max;
  Operand::Probabilities(s, out);
  return factor[0];
}

template <typename Operand>
void Attend(const AttendTile& t) {
  constexpr int64_t kKeyWords = kPanel / Operand::kPerWord;
  const uint8_t* next = t.next;
  const uint8_t* const next_end = t.next + t.next_bytes;
  ForRowBlocks(t.rows, [&]<int M>(int64_t first) {
    alignas(64) float scores[M][kPanel];
    alignas(64) float p[M][kKeyWords];
    V factor[M];
    const float* const* q = t.q + first;
    ForVectorBlocks(kPanel, [&]<int N>(int64_t v) {
      V sum[M][N] = {};
      if (next_end - next >= t.words * 64) {
        MultiplyAdd<Operand, M, N, true>(q, t.keys + 16 * v, t.words, sum, next);
        next += t.words * 64;
      } else {
        MultiplyAdd<Operand, M, N>(q, t.keys + 16 * v, t.words, sum);
      }
      for (int i = 0; i < M; ++i) {
        for (int c = 0; c < N; ++c) sum[i][c].Store(&scores[i][16 * (v + c)]);
      }
    });
    const float* left[M];
    for (int i = 0; i < M; ++i) {
      const int64_t seen = t.ends[first + i] - t.begin;
      factor[i] = V::Set1(Softmax<Operand>(scores[i], seen < kPanel ? seen : kPanel, t.scale_log2,
                                           &t.state[first + i], p[i]));
      left[i] = p[i];
    }
    const float* values = t.values;
    for (int64_t panel = 0; panel < Panels(t.v); ++panel, values += kKeyWords * kPanel) {
      const int64_t columns = t.v - panel * kPanel < kPanel ? t.v - panel * kPanel : kPanel;
      ForVectorBlocks(columns, [&]<int N>(int64_t v) {
        V sum[M][N];
        for (int i = 0; i < M; ++i) {
          const float* from = t.out[first + i] + panel * kPanel + 16 * v;
          for (int c = 0; c < N; ++c) sum[i][c] = Mul(V::Load(from + 16 * c), factor[i]);
        }
        if (next_end - next >= kKeyWords * 64) {
          MultiplyAdd<Operand, M, N, true>(left, values + 16 * v, kKeyWords, sum, next);
          next += kKeyWords * 64;
        } else {
          MultiplyAdd<Operand, M, N>(left, values + 16 * v, kKeyWords, sum);
        }
        for (int i = 0; i < M; ++i) {
          float* to = t.out[first + i] + panel * kPanel + 16 * v;
          for (int c = 0; c < N; ++c) sum[i][c].Store(to + 16 * c);
        }
      });
    }
  });
}

template <typename Operand>
constexpr AttendKernels MakeAttend(std::string_view isa) {
  return {isa,
          Operand::kPerWord,
          Operand::kRowType,
          &Operand::ToRow,
          &Operand::LoadTile,
          &Operand::PackKeys,
          &Operand::PackValues,
          &Operand::PackWeight,
          &Multiply<Operand>,
          &Attend<Operand>};
}

}  // namespace
}  // namespace deepseek::engine
