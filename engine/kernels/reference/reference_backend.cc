#include "engine/kernels/reference/reference_backend.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/status.h"
#include "engine/kernels/reference/quantize.h"
#include "engine/kernels/reference/reference_internal.h"

namespace deepseek::engine {

absl::StatusOr<PackedWeight> ReferenceBackend::Pack(const HostMatrix& m) {
  ASSIGN_OR_RETURN(const PackedWeight weight, Place(m));
  Fill(weight, m, 0, m.rows);
  return weight;
}

absl::StatusOr<PackedWeight> ReferenceBackend::Place(const HostMatrix& m) {
  std::vector<float> values(static_cast<size_t>(m.rows * m.cols));
  weight_bytes_ += m.rows * m.cols * int64_t{sizeof(float)};
  const std::lock_guard lock(load_mutex_);
  weights_.push_back(std::move(values));
  return PackedWeight{weights_.size(), m.rows, m.cols, m.rows * m.cols * int64_t{sizeof(float)}};
}

void ReferenceBackend::Fill(const PackedWeight& weight, const HostMatrix& m, int64_t row_begin,
                            int64_t row_end) {
  float* values = [&] {
    const std::lock_guard lock(load_mutex_);
    return weights_[weight.handle - 1].data();  // moves with the vector, its elements do not
  }();
  for (int64_t r = row_begin; r < row_end; ++r) {
    float* row = values + r * m.cols;
    m.ReadRow(r, 0, m.cols, row, 1);
    if (m.exact || m.store == WeightType::kNative) continue;
    std::array<int8_t, 128> codes;
    for (int64_t c = 0; c < m.cols; c += 128) {
      const int64_t n = std::min<int64_t>(128, m.cols - c);
      float scale = 0;
      QuantizeGroup(row + c, n, m.store, codes.data(), &scale);
      for (int64_t k = 0; k < n; ++k) row[c + k] = scale * static_cast<float>(codes[k]);
    }
  }
}

void ReferenceBackend::MatVec(const PackedWeight& w, const float* x, float* y) const {
  const float* row = Values(w);
  for (int64_t n = 0; n < w.rows; ++n, row += w.cols) {
    float sum = 0;
    for (int64_t k = 0; k < w.cols; ++k) sum += row[k] * x[k];
    y[n] = sum;
  }
}

void ReferenceBackend::FfnRow(const FfnWeights& ffn, const float* x, float* y) const {
  std::vector<float> gate(static_cast<size_t>(ffn.gate.rows));
  std::vector<float> up(gate.size());
  MatVec(ffn.gate, x, gate.data());
  MatVec(ffn.up, x, up.data());
  for (size_t i = 0; i < gate.size(); ++i) gate[i] = gate[i] / (1.0F + std::exp(-gate[i])) * up[i];
  MatVec(ffn.down, gate.data(), y);
}

void RmsNormRow(const float* x, const float* weight, float eps, int64_t n, float* out) {
  float sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += x[i] * x[i];
  const float scale = 1.0F / std::sqrt(sum / static_cast<float>(n) + eps);
  for (int64_t i = 0; i < n; ++i) out[i] = x[i] * scale * weight[i];
}

void RotateRow(float* x, const RopeTable& table, int32_t position, int32_t rope_dim) {
  const int32_t half = rope_dim / 2;
  const float* cos = HostData<float>(table.cos) + int64_t{position} * half;
  const float* sin = HostData<float>(table.sin) + int64_t{position} * half;
  const bool interleaved = table.layout == RopeLayout::kInterleaved;
  for (int32_t i = 0; i < half; ++i) {
    float& a = x[interleaved ? 2 * i : i];
    float& b = x[interleaved ? 2 * i + 1 : i + half];
    const float rotated = a * cos[i] - b * sin[i];
    b = a * sin[i] + b * cos[i];
    a = rotated;
  }
}

void ReferenceBackend::RmsNorm(const Buffer& x, const Buffer& weight, float eps, int64_t rows,
                               const Buffer& out) {
  const int64_t n = weight.shape[0];
  for (int64_t r = 0; r < rows; ++r) {
    RmsNormRow(HostData<float>(x) + r * n, HostData<float>(weight), eps, n,
               HostData<float>(out) + r * n);
  }
  Bump();
}

void ReferenceBackend::Linear(const Buffer& x, const PackedWeight& weight, int64_t rows,
                              bool accumulate, const Buffer& out) {
  std::vector<float> y(static_cast<size_t>(weight.rows));
  for (int64_t r = 0; r < rows; ++r) {
    MatVec(weight, HostData<float>(x) + r * weight.cols, y.data());
    float* to = HostData<float>(out) + r * weight.rows;
    for (int64_t n = 0; n < weight.rows; ++n) to[n] = accumulate ? to[n] + y[n] : y[n];
  }
  Bump();
}

void ReferenceBackend::Rope(const Buffer& q, int32_t heads, int32_t head_dim, int32_t rope_dim,
                            const RopeTable& table) {
  for (int32_t r = 0; r < rows(); ++r) {
    for (int32_t h = 0; h < heads; ++h) {
      float* head = HostData<float>(q) + (int64_t{r} * heads + h) * head_dim;
      RotateRow(head + head_dim - rope_dim, table, positions_[r], rope_dim);
    }
  }
  Bump();
}

void ReferenceBackend::Moe(const Buffer& x, const Buffer& ids, const Buffer& weights,
                           const MoeLayer& layer, const Buffer& out) {
  const int64_t hidden = x.shape[1];
  std::vector<float> y(static_cast<size_t>(hidden));
  for (int64_t r = 0; r < rows(); ++r) {
    std::vector<float> sum(y.size(), 0.0F);
    for (int32_t k = 0; k < layer.experts_per_token; ++k) {
      const int64_t i = r * layer.experts_per_token + k;
      FfnRow(layer.experts[static_cast<size_t>(HostData<int32_t>(ids)[i])],
             HostData<float>(x) + r * hidden, y.data());
      for (int64_t c = 0; c < hidden; ++c) sum[c] += HostData<float>(weights)[i] * y[c];
    }
    for (int64_t c = 0; c < hidden; ++c) HostData<float>(out)[r * hidden + c] += sum[c];
  }
  Bump();
  if (layer.shared != nullptr) Ffn(x, *layer.shared, out);
}

void ReferenceBackend::Ffn(const Buffer& x, const FfnWeights& ffn, const Buffer& out) {
  const int64_t hidden = x.shape[1];
  std::vector<float> y(static_cast<size_t>(hidden));
  for (int64_t r = 0; r < rows(); ++r) {
    FfnRow(ffn, HostData<float>(x) + r * hidden, y.data());
    for (int64_t c = 0; c < hidden; ++c) HostData<float>(out)[r * hidden + c] += y[c];
  }
  Bump();
}

std::unique_ptr<Backend> CreateReferenceBackend() {
  return std::make_unique<ReferenceBackend>();
}

}  // namespace deepseek::engine
