// Grouped-query attention (Ainslie et al., arXiv 2305.13245): each kv head serves heads / kv_heads
// query heads; with as many kv heads as heads it is plain multi-head attention.

#include <algorithm>

#include "engine/kernels/reference/reference_internal.h"

namespace deepseek::engine {
void ReferenceBackend::GqaAppend(const Buffer& k, const Buffer& v, const GqaLayer& layer,
                                 const RopeTable& table) {
  const int32_t d = layer.head_dim;
  std::vector<float> key(static_cast<size_t>(d));
  for (int32_t r = 0; r < rows(); ++r) {
    const Segment& segment = segments_[row_segment_[r]];
    for (int32_t g = 0; g < layer.kv_heads; ++g) {
      const int64_t from = (int64_t{r} * layer.kv_heads + g) * d;
      std::copy_n(HostData<float>(k) + from, d, key.begin());
      RotateRow(key.data(), table, positions_[r], d);
      const auto store = [&](const float* row, bool value) {
        StoreKvRow(layer.cache.dtype, layer.kv_shape(), row, positions_[r] % kBlockTokens,
                   GqaTile(segment, positions_[r], layer, g, value));
      };
      store(key.data(), false);
      store(HostData<float>(v) + from, true);
    }
  }
  Bump();
}

void ReferenceBackend::GqaAttend(const Buffer& q, const GqaLayer& layer, const Buffer& out) {
  const int32_t d = layer.head_dim;
  const int32_t group = layer.heads / layer.kv_heads;
  std::vector<float> cached(static_cast<size_t>(d));
  std::vector<float> p;
  const auto load = [&](const Segment& segment, int32_t position, int32_t kv_head, bool value) {
    LoadKvRow(layer.cache.dtype, layer.kv_shape(),
              GqaTile(segment, position, layer, kv_head, value), position % kBlockTokens, 0, d,
              cached.data());
  };
  for (int32_t r = 0; r < rows(); ++r) {
    const Segment& segment = segments_[row_segment_[r]];
    const int32_t keys = positions_[r] + 1;
    p.resize(static_cast<size_t>(keys));
    for (int32_t h = 0; h < layer.heads; ++h) {
      const int64_t at = (int64_t{r} * layer.heads + h) * d;
      for (int32_t j = 0; j < keys; ++j) {
        load(segment, j, h / group, false);
        p[j] = layer.softmax_scale * Dot(HostData<float>(q) + at, cached.data(), d);
      }
      Softmax(p.data(), keys);
      float* o = HostData<float>(out) + at;
      std::fill_n(o, d, 0.0F);
      for (int32_t j = 0; j < keys; ++j) {
        load(segment, j, h / group, true);
        for (int32_t i = 0; i < d; ++i) o[i] += p[j] * cached[i];
      }
    }
  }
  Bump();
}

}  // namespace deepseek::engine
