#include "engine/kernels/cpu/packed_matrix.h"

#include <algorithm>
#include <cstring>

#include "base/status.h"
#include "base/strings.h"
#include "engine/kernels/cpu/thread_pool.h"

namespace deepseek::engine {
namespace {

absl::StatusOr<WeightFormat> FormatOf(const HostMatrix& m) {
  switch (m.dtype) {
    case DType::kF32:
    case DType::kF16:
      return WeightFormat::kF32;
    case DType::kBf16:
      return WeightFormat::kBf16;
    case DType::kF8E4M3:
      return m.col0 % m.block_cols == 0 ? WeightFormat::kF8 : WeightFormat::kF32;
    default:
      return absl::UnimplementedError(StrCat("tensor ", m.name, ": no packed form of this type"));
  }
}

template <typename T>
T Element(const HostMatrix& m, int64_t row, int64_t col) {
  T value;
  std::memcpy(&value,
              static_cast<const uint8_t*>(m.data) + (row * m.row_stride + col) * int64_t{sizeof(T)},
              sizeof(T));
  return value;
}

void PackTile(const HostMatrix& m, const PackedMatrix& p, int64_t tile, uint8_t* to) {
  const int64_t first = tile * kTileRows;
  const int64_t rows = std::min(kTileRows, m.rows - first);  // the rest stays zero
  // Columns outside, rows inside: 16 sequential reads, one sequential write.
  for (int64_t col = 0; col < m.cols; ++col) {
    uint8_t* pair = to + col / 2 * PairBytes(p.format);
    const int64_t odd = col & 1;
    for (int64_t i = 0; i < rows; ++i) {
      if (p.format == WeightFormat::kBf16) {
        const auto v = Element<uint16_t>(m, first + i, col);
        std::memcpy(pair + (2 * i + odd) * 2, &v, sizeof(v));
      } else if (p.format == WeightFormat::kF8) {
        pair[2 * i + odd] = Element<uint8_t>(m, first + i, col);
      } else {
        const float v = m.At(first + i, col);
        std::memcpy(pair + (odd * kTileRows + i) * 4, &v, sizeof(v));
      }
    }
  }
}

void PackTileScales(const HostMatrix& m, const PackedMatrix& p, int64_t tile, float* to) {
  const int64_t first = tile * kTileRows;
  for (int64_t i = 0; i < std::min(kTileRows, m.rows - first); ++i) {
    const float* from =
        m.scales + (m.row0 + first + i) / m.block_rows * m.scale_stride + m.col0 / m.block_cols;
    for (int64_t g = 0; g < p.groups; ++g) to[g * kTileRows + i] = from[g];
  }
}

}  // namespace

int64_t PackedBytes(const PackedMatrix& p) {
  const int64_t scales = p.format == WeightFormat::kF8 ? p.tiles * p.groups * kTileRows : 0;
  return p.tiles * p.tile_bytes() + scales * int64_t{sizeof(float)};
}

absl::StatusOr<PackedMatrix> PlaceMatrix(const HostMatrix& m, HostArena* arena) {
  PackedMatrix p;
  p.rows = m.rows;
  p.cols = m.cols;
  p.tiles = (m.rows + kTileRows - 1) / kTileRows;
  ASSIGN_OR_RETURN(p.format, FormatOf(m));
  if (p.format == WeightFormat::kF8) p.group = m.block_cols;
  p.groups = (m.cols + p.group - 1) / p.group;
  ASSIGN_OR_RETURN(p.data, arena->Allocate(PackedBytes(p)));
  if (p.format == WeightFormat::kF8) {
    p.scales = reinterpret_cast<const float*>(p.data + p.tiles * p.tile_bytes());
  }
  return p;
}

void FillTiles(const HostMatrix& m, const PackedMatrix& p, int64_t tile_begin, int64_t tile_end) {
  // The arena's memory, which only kernels see as const.
  auto* data = const_cast<uint8_t*>(p.data);
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    PackTile(m, p, tile, data + tile * p.tile_bytes());
    if (p.scales != nullptr) {
      PackTileScales(m, p, tile, const_cast<float*>(p.scales) + tile * p.groups * kTileRows);
    }
  }
}

absl::StatusOr<PackedMatrix> PackMatrix(const HostMatrix& m, HostArena* arena, ThreadPool* pool) {
  ASSIGN_OR_RETURN(const PackedMatrix p, PlaceMatrix(m, arena));
  if (pool == nullptr) {
    FillTiles(m, p, 0, p.tiles);
  } else {
    pool->Run(p.tiles, [&](int64_t tile, int) { FillTiles(m, p, tile, tile + 1); });
  }
  return p;
}

}  // namespace deepseek::engine
