#include "engine/kernels/cpu/cpu_backend.h"

#include "engine/kernels/reference/reference_backend.h"

namespace deepseek::engine {

absl::StatusOr<std::unique_ptr<Backend>> CreateCpuBackend(const BackendOptions&) {
  return CreateReferenceBackend();
}

}  // namespace deepseek::engine
