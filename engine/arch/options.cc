#include "engine/arch/options.h"

#include <array>
#include <utility>

#include "base/status.h"
#include "base/strings.h"

namespace deepseek::engine {
namespace {

template <typename T, size_t N>
using Names = std::array<std::pair<std::string_view, T>, N>;

constexpr Names<Device, 3> kDevices{
    {{"auto", Device::kAuto}, {"cpu", Device::kCpu}, {"cuda", Device::kCuda}}};
constexpr Names<Compute, 4> kComputes{{{"auto", Compute::kAuto},
                                       {"fp32", Compute::kFp32},
                                       {"bf16", Compute::kBf16},
                                       {"int8", Compute::kInt8}}};
constexpr Names<WeightType, 3> kWeights{
    {{"native", WeightType::kNative}, {"int8", WeightType::kInt8}, {"int4", WeightType::kInt4}}};
constexpr Names<KvType, 4> kKvs{{{"auto", KvType::kAuto},
                                 {"fp32", KvType::kFp32},
                                 {"bf16", KvType::kBf16},
                                 {"int8", KvType::kInt8}}};

template <typename T, size_t N>
absl::StatusOr<T> Parse(const Names<T, N>& names, std::string_view what, std::string_view name) {
  std::string permitted;
  for (const auto& [text, value] : names) {
    if (text == name) return value;
    StrAppend(&permitted, permitted.empty() ? "" : ", ", text);
  }
  return absl::InvalidArgumentError(
      StrCat("--", what, " \"", name, "\" is not known (permitted: ", permitted, ")"));
}

template <typename T, size_t N>
std::string_view NameOf(const Names<T, N>& names, T value) {
  for (const auto& [text, v] : names) {
    if (v == value) return text;
  }
  return "?";
}

absl::Status Refuse(std::string_view what, std::string_view why) {
  return absl::InvalidArgumentError(StrCat(what, " is not served: ", why));
}

}  // namespace

absl::StatusOr<Device> ParseDevice(std::string_view name) {
  return Parse(kDevices, "device", name);
}
absl::StatusOr<Compute> ParseCompute(std::string_view name) {
  return Parse(kComputes, "compute", name);
}
absl::StatusOr<WeightType> ParseWeightType(std::string_view name) {
  return Parse(kWeights, "weights", name);
}
absl::StatusOr<KvType> ParseKvType(std::string_view name) {
  return Parse(kKvs, "kv", name);
}
std::string_view Name(Device value) {
  return NameOf(kDevices, value);
}
std::string_view Name(Compute value) {
  return NameOf(kComputes, value);
}
std::string_view Name(WeightType value) {
  return NameOf(kWeights, value);
}
std::string_view Name(KvType value) {
  return NameOf(kKvs, value);
}

absl::StatusOr<ModelOptions> Resolve(const ModelOptions& options) {
  ModelOptions r = options;
  if (r.device == Device::kCuda) {
    // A device failure, not wrong use: another build of the same version may have it.
    return absl::UnavailableError(
        "--device cuda is not served: this build has the cpu backend only (use --device cpu or "
        "auto)");
  }
  r.device = Device::kCpu;
  if (r.compute == Compute::kInt8 && r.weights == WeightType::kNative) {
    return Refuse("--compute int8 with --weights native",
                  "integer arithmetic needs integer weights (use --weights int8 or int4, or "
                  "--compute bf16)");
  }
  if (r.compute == Compute::kAuto) {
    r.compute = r.weights == WeightType::kNative ? Compute::kBf16 : Compute::kInt8;
  }
  if (r.kv == KvType::kAuto) {
    r.kv = r.compute == Compute::kFp32 ? KvType::kFp32 : KvType::kBf16;
  }
  if (r.threads < 0) {
    return absl::InvalidArgumentError(
        StrCat("--threads ", r.threads, " must be 0 (automatic) or positive"));
  }
  if (r.max_context < 0) {
    return absl::InvalidArgumentError(
        StrCat("--max-context ", r.max_context, " must be 0 (the model's own) or positive"));
  }
  if (r.max_batch < 1) {
    return absl::InvalidArgumentError(StrCat("--max-batch ", r.max_batch, " must be positive"));
  }
  if (r.kv_memory_bytes < 0) {
    return absl::InvalidArgumentError(
        StrCat("--kv-memory ", r.kv_memory_bytes, " must be 0 (automatic) or positive"));
  }
  return r;
}

}  // namespace deepseek::engine
