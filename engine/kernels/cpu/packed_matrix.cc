#include "engine/kernels/cpu/packed_matrix.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "engine/kernels/cpu/thread_pool.h"

namespace deepseek::engine {
namespace {

absl::StatusOr<WeightFormat> FormatOf(const HostMatrix& m) {
  if (m.dtype != DType::kF32 && m.dtype != DType::kF16 && m.dtype != DType::kBf16 &&
      m.dtype != DType::kF8E4M3) {
    return absl::UnimplementedError(StrCat("tensor ", m.name, ": no packed form of this type"));
  }
  if (!m.exact && m.store == WeightType::kInt8) return WeightFormat::kI8;
  if (!m.exact && m.store == WeightType::kInt4) return WeightFormat::kI4;
  if (m.dtype == DType::kBf16) return WeightFormat::kBf16;
  const bool whole_blocks = m.col0 % m.block_cols == 0 && m.block_cols % 4 == 0;
  return m.dtype == DType::kF8E4M3 && whole_blocks ? WeightFormat::kF8 : WeightFormat::kF32;
}

template <typename T>
T Element(const HostMatrix& m, int64_t row, int64_t col) {
  T value;
  std::memcpy(&value,
              static_cast<const uint8_t*>(m.data) +
                  (row * m.row_stride + col * m.col_stride) * int64_t{sizeof(T)},
              sizeof(T));
  return value;
}

// Where a tile's quads and scales lie, writable: the arena's memory, which only kernels see as
// const.
struct TileMemory {
  TileMemory(const PackedMatrix& p, int64_t tile)
      : quads(const_cast<uint8_t*>(p.quad(tile))),
        step(p.panel_width(tile) * (p.format == WeightFormat::kI4 ? 64 : QuadBytes(p.format))),
        scales(p.scales == nullptr ? nullptr : const_cast<uint8_t*>(p.scale(tile))),
        scale_step(p.panel_width(tile) * kTileRows * p.scale_bytes()) {}
  uint8_t* quads;
  int64_t step;
  uint8_t* scales;
  int64_t scale_step;
};

// Four neighbouring columns of one row into their quad.
void PlaceQuad(const HostMatrix& m, WeightFormat format, int64_t row, int64_t col, int64_t i,
               uint8_t* quad) {
  const auto* from =
      static_cast<const uint8_t*>(m.data) + (row * m.row_stride + col) * SizeOf(m.dtype);
  if (format == WeightFormat::kBf16) {
    std::memcpy(quad + 4 * i, from, 4);
    std::memcpy(quad + 64 + 4 * i, from + 4, 4);
  } else if (format == WeightFormat::kF8) {
    std::memcpy(quad + F8Byte(i, 0), from, 2);
    std::memcpy(quad + F8Byte(i, 2), from + 2, 2);
  } else {
    for (int64_t k = 0; k < 4; ++k) {
      const float v = m.At(row, col + k);
      std::memcpy(quad + (k * kTileRows + i) * 4, &v, sizeof(v));
    }
  }
}

// One column of a row into its quad: the last, short one, and those of a transpose.
void PlaceColumn(const HostMatrix& m, WeightFormat format, int64_t row, int64_t col, int64_t i,
                 uint8_t* quad) {
  const int64_t k = col % 4;
  if (format == WeightFormat::kBf16) {
    const auto v = Element<uint16_t>(m, row, col);
    std::memcpy(quad + k / 2 * 64 + (2 * i + k % 2) * 2, &v, sizeof(v));
  } else if (format == WeightFormat::kF8) {
    quad[F8Byte(i, k)] = Element<uint8_t>(m, row, col);
  } else {
    const float v = m.At(row, col);
    std::memcpy(quad + (k * kTileRows + i) * 4, &v, sizeof(v));
  }
}

// Columns outside, rows inside: 16 sequential reads, one sequential write. Rows beyond the matrix
// stay zero.
void PackFloatTile(const HostMatrix& m, const PackedMatrix& p, int64_t tile) {
  const int64_t first = tile * kTileRows;
  const int64_t rows = std::min(kTileRows, m.rows - first);
  const TileMemory to(p, tile);
  const int64_t whole = m.col_stride == 1 ? m.cols / 4 * 4 : 0;
  for (int64_t col = 0; col < whole; col += 4) {
    uint8_t* quad = to.quads + col / 4 * to.step;
    for (int64_t i = 0; i < rows; ++i) PlaceQuad(m, p.format, first + i, col, i, quad);
  }
  for (int64_t col = whole; col < m.cols; ++col) {
    uint8_t* quad = to.quads + col / 4 * to.step;
    for (int64_t i = 0; i < rows; ++i) PlaceColumn(m, p.format, first + i, col, i, quad);
  }
  if (p.format != WeightFormat::kF8) return;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t g = 0; g < p.groups; ++g) {
      const float scale = m.ScaleAt(first + i, g * p.group);
      std::memcpy(to.scales + g * to.scale_step + i * 4, &scale, sizeof(scale));
    }
  }
}

void PackIntegerTile(const HostMatrix& m, const PackedMatrix& p, int64_t tile, Quantize quantize) {
  const int64_t first = tile * kTileRows;
  const int64_t rows = std::min(kTileRows, m.rows - first);
  const TileMemory to(p, tile);
  const bool int4 = p.format == WeightFormat::kI4;
  // [column of the group][row of the tile]; what lies beyond the matrix is zero.
  std::vector<float> values(kQuantGroup * kTileRows);
  std::vector<int8_t> codes(kQuantGroup * kTileRows);
  std::array<float, kTileRows> scales{};
  for (int64_t g = 0; g < p.groups; ++g) {
    const int64_t begin = g * kQuantGroup;
    const int64_t n = std::min(kQuantGroup, m.cols - begin);
    std::fill(codes.begin(), codes.end(), int8_t{0});
    for (int64_t i = 0; i < rows; ++i) {
      m.ReadRow(first + i, begin, n, values.data() + i, kTileRows);
    }
    quantize(values.data(), n, int4, codes.data(), scales.data());
    uint8_t* line = to.quads + g * (kQuantGroup / 4 / (int4 ? 2 : 1)) * to.step;
    constexpr int64_t kHalf = kQuantGroup / 2;
    for (int64_t k = 0; k < (int4 ? kHalf : kQuantGroup); k += 4, line += to.step) {
      for (int64_t i = 0; i < kTileRows; ++i) {
        for (int64_t j = 0; j < 4; ++j) {
          // As bytes, modulo 256: adding the zero point makes them unsigned.
          const auto at = [&](int64_t column) -> uint32_t {
            return static_cast<uint8_t>(codes[static_cast<size_t>(column * kTileRows + i)]);
          };
          const uint32_t code = at(k + j);
          if (int4) {
            const uint32_t high = at(kHalf + k + j);
            line[4 * i + j] = static_cast<uint8_t>(((code + 8) & 15U) | (((high + 8) & 15U) << 4));
          } else {
            line[4 * i + j] = static_cast<uint8_t>(code + 128);
          }
        }
      }
    }
    for (int64_t i = 0; i < kTileRows; ++i) {
      const uint16_t bits = FloatToBf16(scales[static_cast<size_t>(i)]);  // is a bf16 number
      std::memcpy(to.scales + g * to.scale_step + i * 2, &bits, sizeof(bits));
    }
  }
}

}  // namespace

int64_t PackedBytes(const PackedMatrix& p) {
  return PackedBytes(p.format, p.rows, p.cols, p.group);
}

absl::StatusOr<PackedMatrix> PlaceMatrix(const HostMatrix& m, HostArena* arena) {
  PackedMatrix p;
  p.rows = m.rows;
  p.cols = m.cols;
  p.tiles = (m.rows + kTileRows - 1) / kTileRows;
  p.exact = m.exact;
  ASSIGN_OR_RETURN(p.format, FormatOf(m));
  if (p.format == WeightFormat::kF8) p.group = m.block_cols;
  p.groups = (m.cols + p.group - 1) / p.group;
  ASSIGN_OR_RETURN(p.data, arena->Allocate(PackedBytes(p)));
  if (p.scale_bytes() > 0) p.scales = p.data + p.tiles * p.tile_bytes();
  return p;
}

void FillTiles(const HostMatrix& m, const PackedMatrix& p, int64_t tile_begin, int64_t tile_end,
               Quantize quantize) {
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    if (IsInteger(p.format)) {
      PackIntegerTile(m, p, tile, quantize);
    } else {
      PackFloatTile(m, p, tile);
    }
  }
}

absl::StatusOr<PackedMatrix> PackMatrix(const HostMatrix& m, HostArena* arena, ThreadPool* pool,
                                        Quantize quantize) {
  ASSIGN_OR_RETURN(const PackedMatrix p, PlaceMatrix(m, arena));
  if (pool == nullptr) {
    FillTiles(m, p, 0, p.tiles, quantize);
  } else {
    pool->Run(p.tiles, [&](int64_t tile, int) { FillTiles(m, p, tile, tile + 1, quantize); });
  }
  return p;
}

}  // namespace deepseek::engine
