#pragma once
// How a tile of kBlockTokens cached rows is laid out, and the one place that quantises them: every
// backend in host memory writes the same codes.
//
//   F32, bf16   [kBlockTokens][width]
//   I8          [kBlockTokens][width] codes, then [scales][kBlockTokens] F32: number = code * scale
//
// An INT8 row has a scale per group of kKvGroup channels of its first part (MLA: the latent; GQA:
// the whole key or value), and one for the rest (MLA: the rotary key), whose size has nothing to do
// with the latent's. Scales of one group lie together: a vector of keys meets a vector of scales.

#include <cstdint>

#include "engine/arch/dtype.h"
#include "engine/arch/options.h"
#include "engine/kernels/step.h"

namespace deepseek::engine {

inline constexpr int32_t kKvGroup = 128;

/// Channels of one cached row: [0, grouped) in groups of kKvGroup, [grouped, width) as one group
/// more.
struct KvShape {
  int32_t width = 0;
  int32_t grouped = 0;

  constexpr int32_t scales() const {
    return (grouped + kKvGroup - 1) / kKvGroup + (width > grouped ? 1 : 0);
  }
  /// The group of a channel.
  constexpr int32_t group(int32_t channel) const {
    return channel < grouped ? channel / kKvGroup : scales() - 1;
  }
  /// One past the last channel of a group.
  constexpr int32_t group_end(int32_t g) const {
    const int32_t end = (g + 1) * kKvGroup;
    return g * kKvGroup >= grouped ? width : end < grouped ? end : grouped;
  }
};

/// The element type of a resolved --kv.
constexpr DType KvDType(KvType type) {
  return type == KvType::kFp32 ? DType::kF32 : type == KvType::kInt8 ? DType::kI8 : DType::kBf16;
}

/// Elements of `type` that a row takes, its scales included.
constexpr int64_t KvRowElements(DType type, const KvShape& shape) {
  return shape.width + (type == DType::kI8 ? int64_t{shape.scales()} * 4 : 0);
}
constexpr int64_t KvTileBytes(DType type, const KvShape& shape) {
  return kBlockTokens * KvRowElements(type, shape) * SizeOf(type);
}
/// The [scales][kBlockTokens] part of an I8 tile.
inline const float* KvScales(const uint8_t* tile, const KvShape& shape) {
  return reinterpret_cast<const float*>(tile + int64_t{kBlockTokens} * shape.width);
}

/// Writes row [width] as row `token` of a tile. A NaN or an infinity makes its whole INT8 group
/// NaN: poison must not be rounded away.
void StoreKvRow(DType type, const KvShape& shape, const float* row, int32_t token, uint8_t* tile);
/// Reads channels [begin, end) of row `token`.
void LoadKvRow(DType type, const KvShape& shape, const uint8_t* tile, int32_t token, int32_t begin,
               int32_t end, float* out);

}  // namespace deepseek::engine
