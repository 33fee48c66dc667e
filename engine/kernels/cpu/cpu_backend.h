#pragma once
// The CPU backend: packed weights, a persistent thread pool, kernels chosen once for this CPU.
//
// Arithmetic is fp32 with fused multiply-adds over weights in their stored type (bf16, FP8 blocks);
// compute bf16 differs from fp32 in the type of the cache only.

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/kernels/backend.h"

namespace deepseek::engine {

/// `isa`: "" for the best that this CPU has, or one of isa.h's SupportedIsas(). Threads are cut to
/// the CPUs that the affinity mask and the cgroup quota give. kInvalidArgument: compute type or isa
/// not served, negative thread count.
absl::StatusOr<std::unique_ptr<Backend>> CreateCpuBackend(const BackendOptions& options,
                                                          std::string_view isa = "");

}  // namespace deepseek::engine
