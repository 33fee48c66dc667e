#pragma once
// The registry of families. A family is a file NAME.cc that makes a Model from checked tensors, a
// declaration here and a line in family.cc. Its config.json parser is in engine/arch.

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/model/model.h"
#include "engine/weights/checkpoint.h"

namespace deepseek::engine {

/// All tensors have been checked for presence, shape and type; options are resolved, max_context is
/// set. Everything must live through the load.
struct FamilyInput {
  const ModelSpec& spec;
  const ModelOptions& options;
  const StepLimits& limits;
  const LoadCallbacks& callbacks;
  const Checkpoint& checkpoint;
};
using FamilyLoader = absl::StatusOr<std::unique_ptr<Model>> (*)(const FamilyInput& input,
                                                                std::unique_ptr<Backend> backend);

absl::StatusOr<std::unique_ptr<Model>> LoadLlama(const FamilyInput& input,
                                                 std::unique_ptr<Backend> backend);
absl::StatusOr<std::unique_ptr<Model>> LoadQwen2(const FamilyInput& input,
                                                 std::unique_ptr<Backend> backend);
absl::StatusOr<std::unique_ptr<Model>> LoadDeepseekMoe(const FamilyInput& input,
                                                       std::unique_ptr<Backend> backend);
absl::StatusOr<std::unique_ptr<Model>> LoadDeepseekV2(const FamilyInput& input,
                                                      std::unique_ptr<Backend> backend);
absl::StatusOr<std::unique_ptr<Model>> LoadDeepseekV3(const FamilyInput& input,
                                                      std::unique_ptr<Backend> backend);

/// By ModelSpec::family. kUnimplemented: a family without a forward pass.
absl::StatusOr<FamilyLoader> FindFamily(std::string_view name);

}  // namespace deepseek::engine
