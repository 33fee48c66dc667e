#pragma once
// What a user chooses when a model is loaded. Names and combinations: docs/engine/numbers.md.

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace deepseek::engine {

enum class Device { kAuto, kCpu, kCuda };
enum class Compute { kAuto, kFp32, kBf16, kInt8 };
enum class WeightType { kNative, kInt8, kInt4 };
enum class KvType { kAuto, kFp32, kBf16, kInt8 };

struct ModelOptions {
  std::string model_dir;  ///< folder with config.json, *.safetensors, tokenizer.json
  Device device = Device::kAuto;
  Compute compute = Compute::kAuto;
  WeightType weights = WeightType::kNative;
  KvType kv = KvType::kAuto;
  int threads = 0;  ///< 0: the CPUs that the cgroup gives
  /// The CPU's kernels: "auto" for the best, or a name of SupportedIsas() (kernels/cpu/isa.h).
  /// Results differ in their last bits between them (docs/engine/numbers.md).
  std::string isa = "auto";
  /// The CPU multiplies bf16 numbers; else they are widened to F32, which takes more scratch.
  bool bf16_products = true;
  int32_t max_context = 0;  ///< tokens of one sequence; 0: the model's own limit
  /// Tools only: max_context may pass max_position_embeddings. Rotary positions have no end of
  /// their own; that number is where the model's quality was checked.
  bool beyond_positions = false;
  int32_t max_batch = 32;       ///< sequences in one step
  int64_t kv_memory_bytes = 0;  ///< 0: enough for max_batch sequences, capped by free memory
  bool load_mtp = false;        ///< also load the multi-token-prediction layer
};

/// Lower-case names as on the command line ("auto", "fp32", ...). Errors name the permitted ones.
absl::StatusOr<Device> ParseDevice(std::string_view name);
absl::StatusOr<Compute> ParseCompute(std::string_view name);
absl::StatusOr<WeightType> ParseWeightType(std::string_view name);
absl::StatusOr<KvType> ParseKvType(std::string_view name);
/// Replaces every kAuto and refuses combinations that are not served, by name (kInvalidArgument).
absl::StatusOr<ModelOptions> Resolve(const ModelOptions& options);

std::string_view Name(Device value);
std::string_view Name(Compute value);
std::string_view Name(WeightType value);
std::string_view Name(KvType value);

}  // namespace deepseek::engine
