// The loops of attend_kernels.h over the V type of a simd_*.h and an Operand (attend_f32_inl.h or
// attend_avx512_bf16.cc) that were included before.
//
// A block of kAttendRows rows and kAttendVectors vectors of 16 columns stays in registers. With 6 x
// 4 zmm, 24 multiply-adds need 4 loads and 6 broadcasts, so that the second-level cache feeds the
// right operand at 64 bytes per 6 multiply-adds.
//
// Reached on a Zen 4 core, of one vdpbf16ps a cycle: 0.94 (MLA in the latent space, 6 rows or
// more), 0.85 (materialised MLA), 0.82 (GQA, 128 wide: the softmax is the rest), 0.97 (expanding
// keys). With 16 registers a block is 6 rows of one vector: 12 sums, two loads and six broadcasts
// for 12 multiply-adds, half the reads of the right operand of 3 x 2.
// Making a tile's operands comes on top: 9,300 cycles for a latent tile, as much as four
// heads' work on it, bound by the second-level cache. kernel_bench --benchmark_filter=attention
// measures it all.

#include <limits>

#include "engine/kernels/cpu/attend_kernels.h"

namespace deepseek::engine {
namespace {

#if defined(__AVX512F__)
constexpr int kAttendRows = 6, kAttendVectors = 4;
#elif defined(__AVX2__)
constexpr int kAttendRows = 6, kAttendVectors = 1;
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

// The scores of M rows in a tile -> probabilities as left operands p[i]. factor[i] is for what row
// i has summed before. Keys from seen[i] on get exactly zero. Step by step over all rows, so that
// the latencies of one row hide behind the others.
template <typename Operand, int M>
inline void Softmax(float (*scores)[kPanel], const int64_t* seen, float scale_log2,
                    SoftmaxState* state, float (*p)[kPanel / Operand::kPerWord], V* factor) {
  V s[kPanelVectors];
  const auto load = [&](int i) {
    for (int v = 0; v < kPanelVectors; ++v) s[v] = V::Load(scores[i] + 16 * v);
  };
  float max[M];
  for (int i = 0; i < M; ++i) {
    for (int64_t j = seen[i]; j < kPanel; ++j) {
      scores[i][j] = -std::numeric_limits<float>::infinity();
    }
    load(i);
    max[i] = ReduceMax(Max(Max(s[0], s[1]), Max(s[2], s[3]))) * scale_log2;
  }
  // An empty state has the maximum -inf and a sum of 0: whatever finite factor this gives is right.
  float factors[16] = {};
  for (int i = 0; i < M; ++i) {
    if (!(max[i] > state[i].max)) max[i] = state[i].max;
    factors[i] = state[i].max - max[i];
  }
  Exp2(V::Load(factors)).Store(factors);
  const V scale = V::Set1(scale_log2);
  for (int i = 0; i < M; ++i) {
    load(i);
    const V shift = V::Set1(-max[i]);
    for (V& x : s) x = Exp2(Fma(x, scale, shift));
    state[i].sum = state[i].sum * factors[i] + ReduceAdd(Add(Add(s[0], s[1]), Add(s[2], s[3])));
    state[i].max = max[i];
    Operand::Probabilities(s, p[i]);
    factor[i] = V::Set1(factors[i]);
  }
}

template <typename Operand>
void Attend(const AttendTile& t) {
  constexpr int64_t kKeyWords = kPanel / Operand::kPerWord;
  // What keys that do not exist would add is exactly nothing.
  const int64_t words = (t.count + Operand::kPerWord - 1) / Operand::kPerWord;
  const uint8_t* next = t.next;
  const uint8_t* const next_end = t.next + t.next_bytes;
  ForRowBlocks(t.rows, [&]<int M>(int64_t first) {
    alignas(64) float scores[M][kPanel];
    alignas(64) float p[M][kKeyWords];
    V factor[M];
    const float* const* q = t.q + first;
    ForVectorBlocks(t.count, [&]<int N>(int64_t v) {
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
    int64_t seen[M];
    for (int i = 0; i < M; ++i) {
      const int64_t keys = t.ends[first + i] - t.begin;
      seen[i] = keys < kPanel ? keys : kPanel;
      left[i] = p[i];
    }
    Softmax<Operand, M>(scores, seen, t.scale_log2, t.state + first, p, factor);
    const float* values = t.values;
    for (int64_t panel = 0; panel < Panels(t.v); ++panel, values += kKeyWords * kPanel) {
      const int64_t columns = t.v - panel * kPanel < kPanel ? t.v - panel * kPanel : kPanel;
      ForVectorBlocks(columns, [&]<int N>(int64_t v) {
        V sum[M][N];
        for (int i = 0; i < M; ++i) {
          const float* from = t.out[first + i] + panel * kPanel + 16 * v;
          for (int c = 0; c < N; ++c) sum[i][c] = Mul(V::Load(from + 16 * c), factor[i]);
        }
        if (next_end - next >= words * 64) {
          MultiplyAdd<Operand, M, N, true>(left, values + 16 * v, words, sum, next);
          next += words * 64;
        } else {
          MultiplyAdd<Operand, M, N>(left, values + 16 * v, words, sum);
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
