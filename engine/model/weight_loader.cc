#include "engine/model/weight_loader.h"

#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "engine/weights/tensor_values.h"

namespace deepseek::engine {

WeightLoader::WeightLoader(const Checkpoint& checkpoint, const ModelSpec& spec, Backend* backend,
                           const LoadCallbacks& callbacks, int64_t total_bytes)
    : checkpoint_(checkpoint),
      spec_(spec),
      backend_(backend),
      callbacks_(callbacks),
      total_bytes_(total_bytes) {}

absl::StatusOr<const TensorView*> WeightLoader::Take(const std::string& tensor) {
  if (callbacks_.cancel != nullptr && callbacks_.cancel->load()) {
    return absl::CancelledError("loading was cancelled");
  }
  ASSIGN_OR_RETURN(const TensorView* view, checkpoint_.Get(tensor));
  RETURN_IF_ERROR(CheckFinite(*view));
  loaded_bytes_ += static_cast<int64_t>(view->data.size());
  if (callbacks_.on_progress) callbacks_.on_progress(loaded_bytes_, total_bytes_);
  return view;
}

absl::StatusOr<HostMatrix> WeightLoader::Matrix(const std::string& name) {
  ASSIGN_OR_RETURN(const TensorView* view, Take(name + ".weight"));
  HostMatrix m;
  m.name = view->name;
  m.data = view->data.data();
  ASSIGN_OR_RETURN(m.dtype, DTypeOf(*view));
  m.rows = view->shape[0];
  m.cols = m.row_stride = view->shape[1];
  if (m.dtype == DType::kF8E4M3) {
    ASSIGN_OR_RETURN(const TensorView* scales, Take(view->name + "_scale_inv"));
    ASSIGN_OR_RETURN(scales_, ToFloat(*scales));
    m.scales = scales_.data();
    m.scale_stride = scales->shape[1];
    m.block_rows = spec_.fp8_block_rows;
    m.block_cols = spec_.fp8_block_cols;
  }
  return m;
}

absl::StatusOr<PackedWeight> WeightLoader::Linear(const std::string& name) {
  ASSIGN_OR_RETURN(const HostMatrix m, Matrix(name));
  ASSIGN_OR_RETURN(const PackedWeight packed, backend_->Pack(m));
  checkpoint_.Drop(*checkpoint_.Find(m.name));
  return packed;
}

absl::StatusOr<PackedWeight> WeightLoader::ExactLinear(const std::string& name) {
  ASSIGN_OR_RETURN(HostMatrix m, Matrix(name));
  m.exact = true;
  return backend_->Pack(m);
}

absl::StatusOr<FfnWeights> WeightLoader::Ffn(const std::string& prefix) {
  FfnWeights ffn;
  ASSIGN_OR_RETURN(ffn.gate, Linear(prefix + "gate_proj"));
  ASSIGN_OR_RETURN(ffn.up, Linear(prefix + "up_proj"));
  ASSIGN_OR_RETURN(ffn.down, Linear(prefix + "down_proj"));
  return ffn;
}

absl::StatusOr<Buffer> WeightLoader::Upload(const std::vector<float>& values,
                                            const std::array<int64_t, 3>& shape) {
  ASSIGN_OR_RETURN(const Buffer buffer, backend_->Allocate(shape, DType::kF32, false));
  RETURN_IF_ERROR(backend_->Upload(
      buffer, {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(float)}));
  return buffer;
}

absl::StatusOr<Buffer> WeightLoader::Vector(const std::string& tensor) {
  ASSIGN_OR_RETURN(const TensorView* view, Take(tensor));
  ASSIGN_OR_RETURN(const std::vector<float> values, ToFloat(*view));
  return Upload(values, {static_cast<int64_t>(values.size()), 0, 0});
}

absl::StatusOr<Buffer> WeightLoader::Table(const std::string& tensor) {
  ASSIGN_OR_RETURN(const TensorView* view, Take(tensor));
  ASSIGN_OR_RETURN(const DType dtype, DTypeOf(*view));
  ASSIGN_OR_RETURN(const Buffer buffer,
                   backend_->Allocate({view->shape[0], view->shape[1], 0}, dtype, true));
  RETURN_IF_ERROR(backend_->Upload(buffer, view->data));
  return buffer;
}

}  // namespace deepseek::engine
