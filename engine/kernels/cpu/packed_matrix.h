#pragma once
// Packs a checkpoint's matrix into tiles (tile_layout.h) and owns their memory.

#include "absl/status/statusor.h"
#include "engine/kernels/cpu/tile_layout.h"
#include "engine/kernels/reference/host_memory.h"
#include "engine/kernels/weight.h"

namespace deepseek::engine {

class ThreadPool;

/// Owns the memory of one matrix. bf16 and FP8 stay as they are; F16, F32 and FP8 slices that do
/// not start at a block of columns are kept as F32 (exact in each case).
class PackedWeights {
 public:
  /// Tiles are packed in parallel when there is a pool.
  static absl::StatusOr<PackedWeights> Pack(const HostMatrix& matrix, ThreadPool* pool);
  const PackedMatrix& matrix() const { return matrix_; }
  int64_t bytes() const { return memory_.bytes(); }

 private:
  PackedMatrix matrix_;
  HostMemory memory_;
};

}  // namespace deepseek::engine
