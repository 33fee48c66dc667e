// Packed matrix products over the V type of a simd_*.h that was included before. One block of rows
// and tiles keeps its group sums in registers; an output's order of sums does not depend on the
// block's shape.
//
// Moves the weights once per block of kRowBlock rows: bytes = tile_bytes x tiles x ceil(m /
// kRowBlock), FLOPs = 2 m rows cols. Memory-bound for m <= 4 on the reference machine.

#include "engine/kernels/cpu/kernel_table.h"

namespace deepseek::engine {
namespace {

template <WeightFormat F>
inline Pair LoadPair(const uint8_t* p) {
  if constexpr (F == WeightFormat::kBf16) {
    return LoadPairBf16(p);
  } else if constexpr (F == WeightFormat::kF8) {
    return LoadPairF8(p);
  } else {
    const auto* f = reinterpret_cast<const float*>(p);
    return {V::Load(f), V::Load(f + 16)};
  }
}

template <WeightFormat F, int M, int N>
inline void Block(const PackedMatrix& w, int64_t tile, const float* const* x, float* const* out,
                  bool accumulate) {
  const int64_t tile_bytes = w.tile_bytes();
  const uint8_t* data = w.data + tile * tile_bytes;
  V total[M][N];
  for (int i = 0; i < M; ++i) {
    for (int n = 0; n < N; ++n) total[i][n] = V::Zero();
  }
  for (int64_t g = 0; g < w.groups; ++g) {
    const int64_t begin = g * w.group;
    const int64_t end = begin + w.group < w.cols ? begin + w.group : w.cols;
    V sum[M][N];
    for (int i = 0; i < M; ++i) {
      for (int n = 0; n < N; ++n) sum[i][n] = V::Zero();
    }
    int64_t k = begin;
    for (; k + 1 < end; k += 2) {
      for (int n = 0; n < N; ++n) {
        const Pair pair = LoadPair<F>(data + n * tile_bytes + k / 2 * PairBytes(F));
        for (int i = 0; i < M; ++i) {
          sum[i][n] = Fma(pair.even, V::Set1(x[i][k]), sum[i][n]);
          sum[i][n] = Fma(pair.odd, V::Set1(x[i][k + 1]), sum[i][n]);
        }
      }
    }
    if (k < end) {  // odd last column: x[k + 1] does not exist
      for (int n = 0; n < N; ++n) {
        const Pair pair = LoadPair<F>(data + n * tile_bytes + k / 2 * PairBytes(F));
        for (int i = 0; i < M; ++i) sum[i][n] = Fma(pair.even, V::Set1(x[i][k]), sum[i][n]);
      }
    }
    for (int n = 0; n < N; ++n) {
      if constexpr (F == WeightFormat::kF8) {
        const V scale = V::Load(w.scales + ((tile + n) * w.groups + g) * kTileRows);
        for (int i = 0; i < M; ++i) total[i][n] = Fma(sum[i][n], scale, total[i][n]);
      } else {
        for (int i = 0; i < M; ++i) total[i][n] = Add(total[i][n], sum[i][n]);
      }
    }
  }
  for (int n = 0; n < N; ++n) {
    const int64_t row = (tile + n) * kTileRows;
    const int64_t valid = w.rows - row < kTileRows ? w.rows - row : kTileRows;
    for (int i = 0; i < M; ++i) {
      float* to = out[i] + row;
      const V y = accumulate ? Add(V::LoadN(to, valid), total[i][n]) : total[i][n];
      y.StoreN(to, valid);
    }
  }
}

template <WeightFormat F, int M>
inline void RowBlock(const PackedMatrix& w, int64_t tile_begin, int64_t tile_end,
                     const float* const* x, float* const* out, bool accumulate) {
  // Few rows leave registers free for more tiles: independent sums hide the latency of the
  // multiply-add.
  constexpr int kTiles = M <= 2 ? 2 * kTileBlock : kTileBlock;
  int64_t tile = tile_begin;
  for (; tile + kTiles <= tile_end; tile += kTiles)
    Block<F, M, kTiles>(w, tile, x, out, accumulate);
  for (; tile < tile_end; ++tile) Block<F, M, 1>(w, tile, x, out, accumulate);
}

template <WeightFormat F, int M>
void Rows(const PackedMatrix& w, int64_t tile_begin, int64_t tile_end, const float* const* x,
          int64_t m, float* const* out, bool accumulate) {
  for (; m >= M; m -= M, x += M, out += M)
    RowBlock<F, M>(w, tile_begin, tile_end, x, out, accumulate);
  if constexpr (M > 1) {
    if (m > 0) Rows<F, M / 2>(w, tile_begin, tile_end, x, m, out, accumulate);
  }
}

void Gemm(const PackedMatrix& w, int64_t tile_begin, int64_t tile_end, const float* const* x,
          int64_t m, float* const* out, bool accumulate) {
  switch (w.format) {
    case WeightFormat::kF32:
      return Rows<WeightFormat::kF32, kRowBlock>(w, tile_begin, tile_end, x, m, out, accumulate);
    case WeightFormat::kBf16:
      return Rows<WeightFormat::kBf16, kRowBlock>(w, tile_begin, tile_end, x, m, out, accumulate);
    case WeightFormat::kF8:
      return Rows<WeightFormat::kF8, kRowBlock>(w, tile_begin, tile_end, x, m, out, accumulate);
  }
}

}  // namespace
}  // namespace deepseek::engine
