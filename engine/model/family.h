#pragma once
// The registry's entry: a family makes a Model from checked tensors. One line per family in
// load.cc.

#include <memory>

#include "absl/status/statusor.h"
#include "engine/model/model.h"
#include "engine/weights/checkpoint.h"

namespace deepseek::engine {

/// All tensors have been checked for presence, shape and type; options are resolved, max_context is
/// set.
absl::StatusOr<std::unique_ptr<Model>> LoadDeepseekV3(
    const ModelSpec& spec, const ModelOptions& options, const StepLimits& limits,
    const LoadCallbacks& callbacks, const Checkpoint& checkpoint, std::unique_ptr<Backend> backend);

}  // namespace deepseek::engine
