// The transposed product of packed tiles, over gemm_inl.h's LoadPair: queries moved into the latent
// space.
//
// Reads the weights once per block of kAbsorbRows rows; 2 m rows cols FLOPs. Bound by memory for
// bf16: 16 columns of a tile are 256 or 512 bytes against about 40 cycles.

#include "engine/kernels/cpu/kernel_table.h"

namespace deepseek::engine {
namespace {

constexpr int kAbsorbRows = 4;

// x[i] = q[i]'s part for a tile, times the tile's scales for column k.
template <WeightFormat F, int M>
inline void LoadQueries(const PackedMatrix& w, int64_t tile, int64_t k, const float* const* q,
                        V x[M]) {
  const int64_t left = w.rows - tile * kTileRows;
  for (int i = 0; i < M; ++i) {
    const float* from = q[i] + tile * kTileRows;
    x[i] = left >= kTileRows ? V::Load(from) : V::LoadN(from, left);
    if constexpr (F == WeightFormat::kF8) {
      x[i] = Mul(x[i], V::Load(w.scales + (tile * w.groups + k / w.group) * kTileRows));
    }
  }
}

// 16 sums over tiles, M rows of 16 / M columns, then over the 16 lanes in a fixed tree. A sum's
// order does not depend on M.
template <WeightFormat F, int M>
inline void AbsorbColumns(const PackedMatrix& w, int64_t k, const float* const* q,
                          float* const* out) {
  constexpr int kPairs = 8 / M;
  const int64_t tile_bytes = w.tile_bytes();
  const int64_t pairs_left = (w.cols - k + 1) / 2;
  const int pairs = pairs_left < kPairs ? static_cast<int>(pairs_left) : kPairs;
  V sum[16];
  for (V& s : sum) s = V::Zero();
  for (int64_t t = 0; t < w.tiles; ++t) {
    V x[M];
    LoadQueries<F, M>(w, t, k, q, x);
    const uint8_t* data = w.data + t * tile_bytes + k / 2 * PairBytes(F);
    for (int c = 0; c < kPairs; ++c) {
      if (c == pairs) break;
      if constexpr (F == WeightFormat::kF8) {
        if (c > 0 && (k + 2 * c) % w.group == 0) LoadQueries<F, M>(w, t, k + 2 * c, q, x);
      }
      const Pair pair = LoadPair<F>(data + c * PairBytes(F));
      for (int i = 0; i < M; ++i) {
        V* s = sum + i * 2 * kPairs + 2 * c;
        s[0] = Fma(pair.even, x[i], s[0]);
        s[1] = Fma(pair.odd, x[i], s[1]);
      }
    }
  }
  float lanes[16];
  SumLanes16(sum).Store(lanes);
  const int64_t columns = w.cols - k < 2 * kPairs ? w.cols - k : 2 * kPairs;
  for (int i = 0; i < M; ++i) {
    for (int64_t c = 0; c < columns; ++c) out[i][k + c] = lanes[i * 2 * kPairs + c];
  }
}

template <WeightFormat F>
void AbsorbFormat(const PackedMatrix& w, const float* const* q, int64_t m, float* const* out) {
  for (; m >= 4; m -= 4, q += 4, out += 4) {
    for (int64_t k = 0; k < w.cols; k += 4) AbsorbColumns<F, 4>(w, k, q, out);
  }
  for (; m >= 2; m -= 2, q += 2, out += 2) {
    for (int64_t k = 0; k < w.cols; k += 8) AbsorbColumns<F, 2>(w, k, q, out);
  }
  if (m == 0) return;
  for (int64_t k = 0; k < w.cols; k += 16) AbsorbColumns<F, 1>(w, k, q, out);
}

void Absorb(const PackedMatrix& w, const float* const* q, int64_t m, float* const* out) {
  switch (w.format) {
    case WeightFormat::kF32:
      return AbsorbFormat<WeightFormat::kF32>(w, q, m, out);
    case WeightFormat::kBf16:
      return AbsorbFormat<WeightFormat::kBf16>(w, q, m, out);
    case WeightFormat::kF8:
      return AbsorbFormat<WeightFormat::kF8>(w, q, m, out);
  }
}

template <WeightFormat F>
void UnpackFormat(const PackedMatrix& w, int64_t tile, float* out) {
  const uint8_t* data = w.data + tile * w.tile_bytes();
  for (int64_t k = 0; k < w.cols; k += 2) {
    Pair pair = LoadPair<F>(data + k / 2 * PairBytes(F));
    if constexpr (F == WeightFormat::kF8) {
      const V scale = V::Load(w.scales + (tile * w.groups + k / w.group) * kTileRows);
      pair = {Mul(pair.even, scale), Mul(pair.odd, scale)};
    }
    pair.even.Store(out + k * kTileRows);
    if (k + 1 < w.cols) pair.odd.Store(out + (k + 1) * kTileRows);
  }
}

void UnpackTile(const PackedMatrix& w, int64_t tile, float* out) {
  switch (w.format) {
    case WeightFormat::kF32:
      return UnpackFormat<WeightFormat::kF32>(w, tile, out);
    case WeightFormat::kBf16:
      return UnpackFormat<WeightFormat::kBf16>(w, tile, out);
    case WeightFormat::kF8:
      return UnpackFormat<WeightFormat::kF8>(w, tile, out);
  }
}

}  // namespace
}  // namespace deepseek::engine
