#pragma once
// Opaque device memory. Family code sees buffers, never host pointers, so a backend may run later
// and elsewhere.

#include <array>
#include <cstdint>

#include "engine/arch/dtype.h"

namespace deepseek::engine {

/// A view of a region that a Backend owns. Trivially copyable; valid as long as the allocation it
/// came from.
struct Buffer {
  uint64_t handle = 0;  ///< the backend's own name of the allocation; 0: none
  int64_t offset_bytes = 0;
  std::array<int64_t, 3> shape{};  ///< row-major; unused trailing dimensions are 0
  DType dtype = DType::kF32;

  explicit operator bool() const { return handle != 0; }
  int64_t elements() const {
    int64_t n = 1;
    for (const int64_t d : shape) n *= d == 0 ? 1 : d;
    return n;
  }
};

}  // namespace deepseek::engine
