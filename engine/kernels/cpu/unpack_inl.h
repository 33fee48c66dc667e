// The plain values of packed weights, over the types of a simd_*.h that was included before: what
// MLA needs of kv_b_proj beside Gemm. Include panel_sums_inl.h (by gemm_inl.h) first.

namespace deepseek::engine {
namespace {

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
      return;  // kv_b_proj is never quantised: both forms of MLA must read the same numbers
  }
}

}  // namespace
}  // namespace deepseek::engine
