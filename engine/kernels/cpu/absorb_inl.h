// The transposed product of absorbed MLA over the types of a simd_*.h that was included before.
// Include gemm_inl.h first.

namespace deepseek::engine {
namespace {

// Each column is a sum over tiles, then over the 16 lanes in a fixed tree.
template <WeightFormat F>
void AbsorbFormat(const PackedMatrix& w, const float* q, float* out) {
  for (int64_t k = 0; k < w.cols; k += 4) {
    V sum[4] = {V::Zero(), V::Zero(), V::Zero(), V::Zero()};
    for (int64_t t = 0; t < w.tiles; ++t) {
      const PanelView p = View<F>(w, t);
      const int64_t left = w.rows - t * kTileRows;
      V x = left >= kTileRows ? V::Load(q + t * kTileRows) : V::LoadN(q + t * kTileRows, left);
      if constexpr (F == WeightFormat::kF8) {
        x = Mul(x, LoadScales<F>(p.scales + k / w.group * p.scale_step));
      }
      const QuadValues quad = LoadQuad<F>(p.data + k / 4 * p.step);
      for (int j = 0; j < 4; ++j) sum[j] = Fma(quad.column[j], x, sum[j]);
    }
    for (int64_t j = 0; j < 4 && k + j < w.cols; ++j) out[k + j] = ReduceAdd(sum[j]);
  }
}

void Absorb(const PackedMatrix& w, const float* q, float* out) {
  switch (w.format) {
    case WeightFormat::kF32:
      return AbsorbFormat<WeightFormat::kF32>(w, q, out);
    case WeightFormat::kBf16:
      return AbsorbFormat<WeightFormat::kBf16>(w, q, out);
    case WeightFormat::kF8:
      return AbsorbFormat<WeightFormat::kF8>(w, q, out);
    case WeightFormat::kI8:
    case WeightFormat::kI4:
      return;  // kv_b_proj is never quantised: both forms of MLA must read the same numbers
  }
}

}  // namespace
}  // namespace deepseek::engine
