#pragma once
// The layout of packed weights: 64 output rows are read in one sequential pass.
//
// A tile is 16 output rows. Four tiles form a panel (the last panel of a matrix may be narrower); a
// panel stores quads of four columns one after the other, and in each quad its tiles:
//   kF32   4 x (16 x w[k])                    256 bytes
//   kBf16  2 x (16 x {w[k], w[k+1]})          128 bytes (the operand order of vdpbf16ps)
//   kF8    64 E4M3 codes                       64 bytes (order: F8Byte)
//   kI8    16 x {w[k] .. w[k+3]}, code + 128   64 bytes (the operand order of vpdpbusd)
//   kI4    16 x 4 bytes of two codes + 8       64 bytes for two quads: the low nibbles are columns
//          4j .. 4j+3 of a group, the high nibbles those 64 further on
// kF8, kI8 and kI4 have one scale per row and group of columns. One layout serves GEMV and GEMM.
// Rows and columns beyond the matrix are zero (integer codes: the zero point).

#include <cstdint>

namespace deepseek::engine {

inline constexpr int64_t kTileRows = 16;
inline constexpr int64_t kPanelTiles = 4;
/// Columns that share a scale in kI8 and kI4; the last group of a row is padded to it.
inline constexpr int64_t kQuantGroup = 128;

enum class WeightFormat : uint8_t { kF32, kBf16, kF8, kI8, kI4 };

constexpr bool IsInteger(WeightFormat format) {
  return format == WeightFormat::kI8 || format == WeightFormat::kI4;
}

/// Bytes of four columns of a tile.
constexpr int64_t QuadBytes(WeightFormat format) {
  switch (format) {
    case WeightFormat::kF32:
      return 256;
    case WeightFormat::kBf16:
      return 128;
    case WeightFormat::kF8:
    case WeightFormat::kI8:
      return 64;
    case WeightFormat::kI4:
      return 32;
  }
  return 0;
}

/// Where column `k` (of 4) of row `i` (of 16) lies in a kF8 quad: 16-byte lane i / 4 holds its four
/// rows' {k, k+1} first, then {k+2, k+3}, so that one byte shuffle and one interleave make both
/// bf16 operands.
constexpr int64_t F8Byte(int64_t i, int64_t k) {
  return i / 4 * 16 + k / 2 * 8 + i % 4 * 2 + k % 2;
}

/// A view that kernels read.
struct PackedMatrix {
  int64_t rows = 0, cols = 0;
  int64_t tiles = 0;  ///< ceil(rows / 16)
  WeightFormat format = WeightFormat::kF32;
  bool exact = false;             ///< rows of x stay F32
  int64_t group = kQuantGroup;    ///< columns summed before a scale applies; a multiple of 4
  int64_t groups = 0;             ///< ceil(cols / group)
  const uint8_t* data = nullptr;  ///< [panels][quads][tiles of the panel][QuadBytes]
  /// [panels][groups][tiles of the panel][16]: F32 for kF8, bf16 for kI8 and kI4, else none.
  const uint8_t* scales = nullptr;

  constexpr int64_t quads() const {
    return IsInteger(format) ? groups * (group / 4) : (cols + 3) / 4;
  }
  constexpr int64_t tile_bytes() const { return quads() * QuadBytes(format); }
  constexpr int64_t scale_bytes() const {
    return format == WeightFormat::kF8 ? 4 : IsInteger(format) ? 2 : 0;
  }
  /// Tiles of the panel that holds `tile`.
  int64_t panel_width(int64_t tile) const {
    const int64_t left = tiles - tile / kPanelTiles * kPanelTiles;
    return left < kPanelTiles ? left : kPanelTiles;
  }
  /// First quad of a tile; the next one is panel_width * QuadBytes further.
  const uint8_t* quad(int64_t tile) const {
    const int64_t in_panel = tile % kPanelTiles;
    // Two quads share the bytes of kI4, so the unit is 64 bytes there too.
    const int64_t unit = format == WeightFormat::kI4 ? 64 : QuadBytes(format);
    return data + (tile - in_panel) * tile_bytes() + in_panel * unit;
  }
  /// Scales of a tile's first group [16]; those of the next are panel_width * 16 further.
  const uint8_t* scale(int64_t tile) const {
    const int64_t in_panel = tile % kPanelTiles;
    return scales + ((tile - in_panel) * groups + in_panel) * kTileRows * scale_bytes();
  }
};

/// Tiles [begin, end) that one product reads, in order.
struct TileRange {
  int64_t begin = 0, end = 0;
  /// The panel that its thread reads after them, which is asked for while the last one is computed;
  /// null: the matrix's next one, if there is one.
  const uint8_t* then = nullptr;
};

/// Bytes of a packed matrix, weights and scales: what the memory plan counts.
constexpr int64_t PackedBytes(WeightFormat format, int64_t rows, int64_t cols, int64_t group) {
  PackedMatrix p;
  p.rows = rows;
  p.cols = cols;
  p.tiles = (rows + kTileRows - 1) / kTileRows;
  p.format = format;
  p.group = group;
  p.groups = (cols + group - 1) / group;
  return p.tiles * (p.tile_bytes() + p.groups * kTileRows * p.scale_bytes());
}

/// What a row of x is turned into before a product.
enum class RowForm : uint8_t {
  kF32,   ///< as it is: [cols] float
  kBf16,  ///< [cols, padded to 4] bf16, rounded to nearest even
  kInt8,  ///< [groups * 128] int8, then per group a float scale, then per group the int32 sum of
          ///< codes
};

/// Four neighbouring codes of a kInt8 row, as one product with a quad of weights takes them.
struct RowCodes {
  uint8_t bytes[4];
};

/// Bytes of a prepared row; a multiple of 64.
constexpr int64_t RowBytes(RowForm form, int64_t cols) {
  const int64_t groups = (cols + kQuantGroup - 1) / kQuantGroup;
  const int64_t bytes = form == RowForm::kF32    ? cols * 4
                        : form == RowForm::kBf16 ? (cols + 3) / 4 * 8
                                                 : groups * (kQuantGroup + 8);
  return (bytes + 63) / 64 * 64;
}

}  // namespace deepseek::engine
