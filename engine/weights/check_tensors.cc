#include "engine/weights/check_tensors.h"

#include "base/status.h"
#include "base/strings.h"
#include "engine/weights/tensor_values.h"

namespace deepseek::engine {
namespace {

int64_t CeilDiv(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

absl::Status Missing(const Checkpoint& checkpoint, const std::string& name) {
  const std::string file = checkpoint.IndexedIn(name);
  return absl::DataLossError(
      StrCat("tensor ", name, " is missing",
             file.empty() ? "" : StrCat(" (the index says it is in ", file, ")")));
}

bool IsFloat(std::string_view dtype) {
  return dtype == "BF16" || dtype == "F16" || dtype == "F32";
}

absl::Status CheckScales(const Checkpoint& checkpoint, const ModelSpec& spec,
                         const TensorView& weight) {
  if (!spec.fp8_blocks) {
    return absl::DataLossError(
        StrCat("tensor ", weight.name, " is F8_E4M3 but config.json has no quantization_config"));
  }
  const TensorView* scales = checkpoint.Find(weight.name + "_scale_inv");
  if (scales == nullptr) return Missing(checkpoint, weight.name + "_scale_inv");
  const std::vector<int64_t> shape = {CeilDiv(weight.shape[0], spec.fp8_block_rows),
                                      CeilDiv(weight.shape[1], spec.fp8_block_cols)};
  if (scales->shape != shape || !IsFloat(scales->dtype)) {
    return absl::DataLossError(StrCat("tensor ", scales->name, " is ", scales->dtype, " ",
                                      scales->ShapeText(), ", expected F32, BF16 or F16 ",
                                      ShapeText(shape)));
  }
  return CheckFinite(*scales);
}

}  // namespace

absl::Status CheckTensor(const Checkpoint& checkpoint, const ModelSpec& spec,
                         const ExpectedTensor& expected) {
  const TensorView* view = checkpoint.Find(expected.name);
  if (view == nullptr)
    return expected.optional ? absl::OkStatus() : Missing(checkpoint, expected.name);
  if (view->shape != expected.shape) {
    return absl::DataLossError(StrCat("tensor ", expected.name, " has shape ", view->ShapeText(),
                                      ", config.json asks for ", ShapeText(expected.shape)));
  }
  if (IsFloat(view->dtype)) return absl::OkStatus();
  if (expected.role == TensorRole::kLinear && view->dtype == "F8_E4M3") {
    return CheckScales(checkpoint, spec, *view);
  }
  return absl::DataLossError(
      StrCat("tensor ", expected.name, " has type ", view->dtype, ", expected BF16, F16",
             expected.role == TensorRole::kLinear ? ", F32 or F8_E4M3" : " or F32"));
}

absl::Status CheckTensors(const Checkpoint& checkpoint, const ModelSpec& spec, bool mtp) {
  absl::Status status;
  ForEachExpectedTensor(spec, mtp, [&](const ExpectedTensor& expected) {
    status = CheckTensor(checkpoint, spec, expected);
    return status.ok();
  });
  return status;
}

bool HasMtp(const Checkpoint& checkpoint, const ModelSpec& spec) {
  bool found = false;
  ForEachExpectedTensor(spec, true, [&](const ExpectedTensor& expected) {
    found = OfMtpLayer(spec, expected.name) && checkpoint.Find(expected.name) != nullptr;
    return !found;
  });
  return found;
}

int64_t ExpectedBytes(const Checkpoint& checkpoint, const ModelSpec& spec, bool mtp) {
  int64_t bytes = 0;
  for (const ExpectedTensor& expected : ExpectedTensors(spec, mtp)) {
    if (expected.optional) continue;
    for (const char* part : {"", "_scale_inv"}) {
      const TensorView* view = checkpoint.Find(expected.name + part);
      if (view != nullptr) bytes += static_cast<int64_t>(view->data.size());
    }
  }
  return bytes;
}

std::optional<DType> StoredType(const Checkpoint& checkpoint, const std::string& name) {
  const TensorView* view = checkpoint.Find(name);
  if (view == nullptr) return std::nullopt;
  const auto dtype = DTypeOf(*view);
  return dtype.ok() ? std::optional(*dtype) : std::nullopt;
}

}  // namespace deepseek::engine
