#pragma once
// The CPU backend: packed weights, a persistent thread pool, kernels chosen once for this CPU.
//
// Compute fp32: fused multiply-adds in F32 over weights in their packed type. Compute bf16: rows of
// x are rounded to bf16 and met with bf16 and FP8 weights by vdpbf16ps where the CPU has it (F32
// arithmetic elsewhere). Compute int8: rows of x become INT8 per 128 columns and meet INT8 and INT4
// weights in integers; native matrices (kv_b_proj) as in bf16. The router stays in F32.

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/kernels/backend.h"

namespace deepseek::engine {

/// Which kernels `isa` means here.
struct CpuKernels {
  std::string_view isa;        ///< never "auto"
  bool bf16_products = false;  ///< see ModelOptions
};

/// `isa` and errors as in CreateCpuBackend.
absl::StatusOr<CpuKernels> FindCpuKernels(std::string_view isa = "auto");

/// `isa`: "auto" for the best that this CPU has, or one of isa.h's SupportedIsas(). Threads are cut
/// to the CPUs that the affinity mask and the cgroup quota give. kInvalidArgument: compute type or
/// isa not served, negative thread count.
absl::StatusOr<std::unique_ptr<Backend>> CreateCpuBackend(const BackendOptions& options,
                                                          std::string_view isa = "auto");

}  // namespace deepseek::engine
