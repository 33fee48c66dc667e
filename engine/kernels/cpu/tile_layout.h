#pragma once
// The layout of packed weights: tiles of 16 output rows, read in one sequential pass.
//
// A tile holds, for each pair of columns (k, k+1), the 16 rows' two values:
//   kF32   16 x w[k], 16 x w[k+1]            128 bytes
//   kBf16  16 x {w[k], w[k+1]}                64 bytes (one zmm; the operand order of vdpbf16ps)
//   kF8    16 x {w[k], w[k+1]} E4M3 codes     32 bytes, with a scale per row and group of columns
// One layout serves GEMV, GEMM and the transposed product of absorbed MLA. Rows beyond the matrix
// and the second column of an odd last pair are zero. Integer tiles (16 rows x 4 K bytes) fit the
// same frame: a group has one scale per row.

#include <cstdint>

namespace deepseek::engine {

inline constexpr int64_t kTileRows = 16;

enum class WeightFormat : uint8_t { kF32, kBf16, kF8 };

/// Bytes of one pair of columns of a tile.
constexpr int64_t PairBytes(WeightFormat format) {
  return format == WeightFormat::kF32 ? 128 : format == WeightFormat::kBf16 ? 64 : 32;
}

/// A view that kernels read.
struct PackedMatrix {
  int64_t rows = 0, cols = 0;
  int64_t tiles = 0;  ///< ceil(rows / 16)
  WeightFormat format = WeightFormat::kF32;
  int64_t group = 128;            ///< columns summed before a scale applies; even
  int64_t groups = 0;             ///< ceil(cols / group)
  const uint8_t* data = nullptr;  ///< [tiles][ceil(cols / 2)][PairBytes]
  const float* scales = nullptr;  ///< kF8: [tiles][groups][16]
  int64_t tile_bytes() const { return (cols + 1) / 2 * PairBytes(format); }
};

}  // namespace deepseek::engine
