#pragma once
// Moves tensors of a checkpoint into a backend, checked, with progress and cancellation.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/kernels/backend.h"
#include "engine/model/model.h"
#include "engine/weights/checkpoint.h"

namespace deepseek::engine {

/// Every method checks the cancel flag and refuses NaN and infinity, naming the tensor. Shapes were
/// checked before (CheckTensors).
class WeightLoader {
 public:
  /// `total_bytes`: what the load will read (ExpectedBytes), for the progress.
  WeightLoader(const Checkpoint& checkpoint, const ModelSpec& spec, Backend* backend,
               const LoadCallbacks& callbacks, int64_t total_bytes);
  /// NAME.weight as a linear.
  absl::StatusOr<PackedWeight> Linear(const std::string& name);
  /// NAME.weight whose activations are never rounded.
  absl::StatusOr<PackedWeight> ExactLinear(const std::string& name);
  /// gate_proj, up_proj and down_proj under `prefix`.
  absl::StatusOr<FfnWeights> Ffn(const std::string& prefix);
  /// A vector as F32.
  absl::StatusOr<Buffer> Vector(const std::string& tensor);
  /// A matrix in its stored type (embedding).
  absl::StatusOr<Buffer> Table(const std::string& tensor);
  /// The checked host matrix of NAME.weight, for callers that pack slices of it.
  absl::StatusOr<HostMatrix> Matrix(const std::string& name);
  absl::StatusOr<PackedWeight> Pack(const HostMatrix& matrix) { return backend_->Pack(matrix); }
  /// F32 data made by the caller, as a buffer.
  absl::StatusOr<Buffer> Upload(const std::vector<float>& values,
                                const std::array<int64_t, 3>& shape);
  Backend* backend() const { return backend_; }

 private:
  /// Looks up, checks values, counts progress.
  absl::StatusOr<const TensorView*> Take(const std::string& tensor);

  const Checkpoint& checkpoint_;
  const ModelSpec& spec_;
  Backend* backend_;
  const LoadCallbacks& callbacks_;
  int64_t loaded_bytes_ = 0, total_bytes_ = 0;
  std::vector<float> scales_;  // of the last Matrix(), aligned
};

}  // namespace deepseek::engine
