#pragma once
// Packs a checkpoint's matrix into tiles (tile_layout.h).

#include "absl/status/statusor.h"
#include "engine/kernels/cpu/tile_layout.h"
#include "engine/kernels/reference/host_memory.h"
#include "engine/kernels/weight.h"

namespace deepseek::engine {

class ThreadPool;

/// Room for a matrix in `arena`; nothing is read of its values. The result points into `arena`.
/// bf16 and FP8 stay as they are; F16, F32 and FP8 slices that do not start at a block of columns
/// are kept as F32 (exact in each case).
absl::StatusOr<PackedMatrix> PlaceMatrix(const HostMatrix& matrix, HostArena* arena);
/// Packs the tiles [tile_begin, tile_end) and their scales. Disjoint ranges may run at once.
void FillTiles(const HostMatrix& matrix, const PackedMatrix& packed, int64_t tile_begin,
               int64_t tile_end);

/// Both; tiles are packed in parallel when there is a pool.
absl::StatusOr<PackedMatrix> PackMatrix(const HostMatrix& matrix, HostArena* arena,
                                        ThreadPool* pool);

/// Bytes that a packed matrix takes.
int64_t PackedBytes(const PackedMatrix& matrix);

}  // namespace deepseek::engine
