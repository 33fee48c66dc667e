// What MLA needs of packed weights beside Gemm, over the types of a simd_*.h that was included
// before: the transposed product that moves queries into the latent space, and plain values.
// Include panel_sums_inl.h (by gemm_inl.h) first.
//
// Absorb reads the weights once per 4 rows of x; 2 m rows cols FLOPs. Bound by memory for bf16: 16
// columns of a tile are 512 bytes against about 30 cycles.

namespace deepseek::engine {
namespace {

// x[i] = q[i]'s part for a tile, times the tile's scales for column k; p: the tile's.
template <WeightFormat F, int M>
inline void LoadQueries(const PackedMatrix& w, const PanelView& p, int64_t tile, int64_t k,
                        const float* const* q, V (&x)[M]) {
  const int64_t left = w.rows - tile * kTileRows;
  for (int i = 0; i < M; ++i) {
    const float* from = q[i] + tile * kTileRows;
    x[i] = left >= kTileRows ? V::Load(from) : V::LoadN(from, left);
    if constexpr (F == WeightFormat::kF8) {
      x[i] = Mul(x[i], LoadScales<F>(p.scales + k / w.group * p.scale_step));
    }
  }
}

// 16 sums over tiles, M rows of 16 / M columns, then over the 16 lanes in a fixed tree. A sum's
// order does not depend on M. Each panel is read in the order of memory.
template <WeightFormat F, int M>
inline void AbsorbColumns(const PackedMatrix& w, int64_t k, const float* const* q,
                          float* const* out) {
  constexpr int kColumns = 16 / M;
  const int64_t left = w.cols - k;
  const int64_t columns = left < kColumns ? left : kColumns;
  V sums[M][kColumns];
  for (int c = 0; c < kColumns; c += 4) {
    V sum[M][4];
    for (int i = 0; i < M; ++i) {
      for (int j = 0; j < 4; ++j) sum[i][j] = V::Zero();
    }
    for (int64_t panel = 0; c < columns && panel < w.tiles; panel += kPanelTiles) {
      PanelView p = View<F>(w, panel);
      const int64_t width = w.panel_width(panel);
      const uint8_t* data = p.data + (k + c) / 4 * p.step;
      for (int64_t t = 0; t < width; ++t, data += p.unit) {
        V x[M];
        LoadQueries<F, M>(w, p, panel + t, k + c, q, x);
        const QuadValues quad = LoadQuad<F>(data);
        for (int i = 0; i < M; ++i) {
          for (int j = 0; j < 4; ++j) sum[i][j] = Fma(quad.column[j], x[i], sum[i][j]);
        }
        if constexpr (F == WeightFormat::kF8) p.scales += kTileRows * 4;  // the next tile's
      }
    }
    for (int i = 0; i < M; ++i) {
      for (int j = 0; j < 4; ++j) sums[i][c + j] = sum[i][j];
    }
  }
  float lanes[16];
  SumLanes16(&sums[0][0]).Store(lanes);
  for (int i = 0; i < M; ++i) {
    for (int64_t c = 0; c < columns; ++c) out[i][k + c] = lanes[i * kColumns + c];
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

template <WeightFormat F>
void UnpackFormat(const PackedMatrix& w, int64_t tile, float* out) {
  const PanelView p = View<F>(w, tile);
  for (int64_t k = 0; k < w.cols; k += 4) {
    const QuadValues quad = LoadQuad<F>(p.data + k / 4 * p.step);
    for (int64_t j = 0; j < 4 && k + j < w.cols; ++j) {
      V column = quad.column[j];
      if constexpr (F == WeightFormat::kF8) {
        column = Mul(column, LoadScales<F>(p.scales + k / w.group * p.scale_step));
      }
      column.Store(out + (k + j) * kTileRows);
    }
  }
}

void Absorb(const PackedMatrix& w, const float* const* q, int64_t m, float* const* out) {
  switch (w.format) {
    case WeightFormat::kF32:
      return AbsorbFormat<WeightFormat::kF32>(w, q, m, out);
    case WeightFormat::kBf16:
      return AbsorbFormat<WeightFormat::kBf16>(w, q, m, out);
    case WeightFormat::kF8:
      return AbsorbFormat<WeightFormat::kF8>(w, q, m, out);
    case WeightFormat::kI8:
    case WeightFormat::kI4:
      return;  // kv_b_proj is never quantised: both forms of MLA must read the same numbers
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
    case WeightFormat::kI8:
    case WeightFormat::kI4:
      return;  // as above
  }
}

}  // namespace
}  // namespace deepseek::engine
