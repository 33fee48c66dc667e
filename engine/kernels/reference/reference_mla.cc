// Multi-head latent attention (DeepSeek-V2 report, section 2.1) in its two forms. With k = W_uk c
// and v = W_uv c for a cached latent c, the materialised form computes k and v; the absorbed one
// uses q.(W_uk c) = (W_uk^T q).c.

#include <algorithm>
#include <cmath>

#include "engine/kernels/reference/reference_internal.h"

namespace deepseek::engine {

float Dot(const float* a, const float* b, int64_t n) {
  float sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

void Softmax(float* scores, int32_t n) {
  const float max = *std::max_element(scores, scores + n);
  float sum = 0;
  for (int32_t i = 0; i < n; ++i) sum += scores[i] = std::exp(scores[i] - max);
  for (int32_t i = 0; i < n; ++i) scores[i] /= sum;
}

void ReferenceBackend::MlaAppend(const Buffer& kv, const MlaLayer& layer, const RopeTable& table) {
  const int32_t lora = layer.kv_lora_rank;
  const int64_t width = lora + layer.rope_dim;
  std::vector<float> row(static_cast<size_t>(width));
  for (int32_t r = 0; r < rows(); ++r) {
    const float* from = HostData<float>(kv) + r * width;
    RmsNormRow(from, HostData<float>(layer.latent_norm), layer.latent_eps, lora, row.data());
    std::copy_n(from + lora, layer.rope_dim, row.begin() + lora);
    RotateRow(row.data() + lora, table, positions_[r], layer.rope_dim);
    StoreKvRow(layer.cache.dtype, layer.kv_shape(), row.data(), positions_[r] % kBlockTokens,
               MlaTile(segments_[row_segment_[r]], positions_[r], layer));
  }
  Bump();
}

std::vector<float> ReferenceBackend::LoadKeys(const Segment& segment, const MlaLayer& layer,
                                              int32_t keys) const {
  const int64_t width = layer.kv_lora_rank + layer.rope_dim;
  std::vector<float> out(static_cast<size_t>(keys * width));
  for (int32_t j = 0; j < keys; ++j) {
    LoadKvRow(layer.cache.dtype, layer.kv_shape(), MlaTile(segment, j, layer), j % kBlockTokens, 0,
              layer.kv_shape().width, &out[j * width]);
  }
  return out;
}

void ReferenceBackend::AttendPrompt(const Segment& segment, const float* q, const MlaLayer& layer,
                                    float* out) const {
  const int32_t keys = segment.context + segment.rows;
  const int32_t lora = layer.kv_lora_rank;
  const int64_t width = lora + layer.rope_dim;
  const int64_t q_dim = layer.nope_dim + layer.rope_dim;
  const std::vector<float> cache = LoadKeys(segment, layer, keys);
  std::vector<float> k(static_cast<size_t>(int64_t{keys} * layer.nope_dim));
  std::vector<float> v(static_cast<size_t>(int64_t{keys} * layer.v_dim));
  std::vector<float> p(static_cast<size_t>(keys));
  for (int32_t h = 0; h < layer.heads; ++h) {
    for (int32_t j = 0; j < keys; ++j) {
      float* key = &k[int64_t{j} * layer.nope_dim];
      std::fill_n(key, layer.nope_dim, 0.0F);
      for (int32_t c = 0; c < lora; ++c) {
        const float* column = Values(layer.k_up[h]) + int64_t{c} * layer.nope_dim;
        for (int32_t d = 0; d < layer.nope_dim; ++d) key[d] += cache[j * width + c] * column[d];
      }
      MatVec(layer.v_up[h], &cache[j * width], &v[int64_t{j} * layer.v_dim]);
    }
    for (int32_t i = 0; i < segment.rows; ++i) {
      const int64_t row = segment.first_row + i;
      const float* qh = q + (row * layer.heads + h) * q_dim;
      const int32_t n = segment.context + i + 1;
      for (int32_t j = 0; j < n; ++j) {
        p[j] = layer.softmax_scale *
               (Dot(qh, &k[int64_t{j} * layer.nope_dim], layer.nope_dim) +
                Dot(qh + layer.nope_dim, &cache[j * width + lora], layer.rope_dim));
      }
      Softmax(p.data(), n);
      float* o = out + (row * layer.heads + h) * layer.v_dim;
      std::fill_n(o, layer.v_dim, 0.0F);
      for (int32_t j = 0; j < n; ++j) {
        for (int32_t d = 0; d < layer.v_dim; ++d) o[d] += p[j] * v[int64_t{j} * layer.v_dim + d];
      }
    }
  }
}

void ReferenceBackend::AttendGenerated(const Segment& segment, const float* q,
                                       const MlaLayer& layer, float* out) const {
  const int32_t lora = layer.kv_lora_rank;
  const int64_t width = lora + layer.rope_dim;
  const int64_t q_dim = layer.nope_dim + layer.rope_dim;
  const std::vector<float> cache = LoadKeys(segment, layer, segment.context + segment.rows);
  std::vector<float> q_latent(static_cast<size_t>(lora));
  std::vector<float> o_latent(static_cast<size_t>(lora));
  std::vector<float> p(static_cast<size_t>(segment.context + segment.rows));
  for (int32_t h = 0; h < layer.heads; ++h) {
    for (int32_t i = 0; i < segment.rows; ++i) {
      const int64_t row = segment.first_row + i;
      const float* qh = q + (row * layer.heads + h) * q_dim;
      MatVec(layer.k_up[h], qh, q_latent.data());
      const int32_t n = segment.context + i + 1;
      for (int32_t j = 0; j < n; ++j) {
        p[j] = layer.softmax_scale *
               (Dot(q_latent.data(), &cache[j * width], lora) +
                Dot(qh + layer.nope_dim, &cache[j * width + lora], layer.rope_dim));
      }
      Softmax(p.data(), n);
      std::fill(o_latent.begin(), o_latent.end(), 0.0F);
      for (int32_t j = 0; j < n; ++j) {
        for (int32_t c = 0; c < lora; ++c) o_latent[c] += p[j] * cache[j * width + c];
      }
      MatVec(layer.v_up[h], o_latent.data(), out + (row * layer.heads + h) * layer.v_dim);
    }
  }
}

void ReferenceBackend::MlaAttend(const Buffer& q, const MlaLayer& layer, const Buffer& out) {
  for (const Segment& segment : segments_) {
    if (segment.path == RowPath::kMaterialised) {
      AttendPrompt(segment, HostData<float>(q), layer, HostData<float>(out));
    } else {
      AttendGenerated(segment, HostData<float>(q), layer, HostData<float>(out));
    }
  }
  Bump();
}

}  // namespace deepseek::engine
