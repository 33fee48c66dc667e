#pragma once
// Packs a checkpoint's matrix into tiles (tile_layout.h).

#include "absl/status/statusor.h"
#include "engine/kernels/cpu/tile_layout.h"
#include "engine/kernels/reference/host_memory.h"
#include "engine/kernels/weight.h"

namespace deepseek::engine {

class ThreadPool;

/// KernelTable::quantize.
using Quantize = void (*)(const float* values, int64_t n, bool int4, int8_t* codes, float* scales);

/// Room for a matrix in `arena`; nothing is read of its values. The result points into `arena`.
/// With store kNative (and for exact matrices) bf16 and FP8 stay as they are; F16, F32, and FP8
/// whose blocks do not fit the tiles are kept as F32 (exact in each case).
absl::StatusOr<PackedMatrix> PlaceMatrix(const HostMatrix& matrix, HostArena* arena);
/// Packs the tiles [tile_begin, tile_end) and their scales. Disjoint ranges may run at once.
void FillTiles(const HostMatrix& matrix, const PackedMatrix& packed, int64_t tile_begin,
               int64_t tile_end, Quantize quantize);

/// Both; tiles are packed in parallel when there is a pool.
absl::StatusOr<PackedMatrix> PackMatrix(const HostMatrix& matrix, HostArena* arena,
                                        ThreadPool* pool, Quantize quantize);

/// Bytes that a packed matrix takes.
int64_t PackedBytes(const PackedMatrix& matrix);

}  // namespace deepseek::engine
