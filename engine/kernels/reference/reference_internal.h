#pragma once
// The reference backend's class, and the row functions its parts share.

#include <mutex>
#include <vector>

#include "engine/kernels/reference/host_backend.h"

namespace deepseek::engine {

/// out = x / sqrt(mean(x^2) + eps) * weight. In place is allowed.
void RmsNormRow(const float* x, const float* weight, float eps, int64_t n, float* out);
/// Rotates x [rope_dim] in place by the angles of `position`.
void RotateRow(float* x, const RopeTable& table, int32_t position, int32_t rope_dim);

float Dot(const float* a, const float* b, int64_t n);
/// scores [n] -> probabilities.
void Softmax(float* scores, int32_t n);

class ReferenceBackend : public HostBackend {
 public:
  std::string_view name() const override { return "reference"; }
  absl::StatusOr<PackedWeight> Pack(const HostMatrix& matrix) override;
  absl::StatusOr<PackedWeight> Place(const HostMatrix& matrix) override;
  void Fill(const PackedWeight& weight, const HostMatrix& matrix, int64_t row_begin,
            int64_t row_end) override;
  void RmsNorm(const Buffer& x, const Buffer& weight, float eps, int64_t rows,
               const Buffer& out) override;
  void Linear(const Buffer& x, const PackedWeight& weight, int64_t rows, bool accumulate,
              const Buffer& out) override;
  void Rope(const Buffer& q, int32_t heads, int32_t head_dim, int32_t rope_dim,
            const RopeTable& table) override;
  void MlaAppend(const Buffer& kv, const MlaLayer& layer, const RopeTable& table) override;
  void MlaAttend(const Buffer& q, const MlaLayer& layer, const Buffer& out) override;
  void GqaAppend(const Buffer& k, const Buffer& v, const GqaLayer& layer,
                 const RopeTable& table) override;
  void GqaAttend(const Buffer& q, const GqaLayer& layer, const Buffer& out) override;
  void Moe(const Buffer& x, const Buffer& ids, const Buffer& weights, const MoeLayer& layer,
           const Buffer& out) override;
  void Ffn(const Buffer& x, const FfnWeights& ffn, const Buffer& out) override;

 private:
  const float* Values(const PackedWeight& w) const { return weights_[w.handle - 1].data(); }
  void MatVec(const PackedWeight& w, const float* x, float* y) const;
  void FfnRow(const FfnWeights& ffn, const float* x, float* y) const;
  /// [keys, lora + rope] of a segment's sequence as F32.
  std::vector<float> LoadKeys(const Segment& segment, const MlaLayer& layer, int32_t keys) const;
  void AttendPrompt(const Segment& segment, const float* q, const MlaLayer& layer,
                    float* out) const;
  void AttendGenerated(const Segment& segment, const float* q, const MlaLayer& layer,
                       float* out) const;

  std::mutex load_mutex_;                    // weights_ while Fill runs beside Place
  std::vector<std::vector<float>> weights_;  // [handle - 1]: row-major F32
};

}  // namespace deepseek::engine
