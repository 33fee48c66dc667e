#pragma once
// The CPU backend: packed weights, a persistent thread pool, kernels chosen once for this CPU.

#include <memory>

#include "absl/status/statusor.h"
#include "engine/kernels/backend.h"

namespace deepseek::engine {

/// kInvalidArgument: compute type not served on CPUs, or a negative thread count.
absl::StatusOr<std::unique_ptr<Backend>> CreateCpuBackend(const BackendOptions& options);

}  // namespace deepseek::engine
