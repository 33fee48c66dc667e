// Grouped-query attention over paged tiles of 64 keys with an online softmax. A row meets the tiles
// in ascending order and in each exactly the keys up to its own position, so neither the cut into
// work items nor what else is in the batch shows in its bits.
//
// A tile costs 4 * 64 * head_dim FLOPs per row and query head, and moves 2 * 64 * head_dim cached
// numbers for up to kItemQueries queries: decode is bound by memory, prefill by arithmetic.

#include <algorithm>

#include "engine/kernels/cpu/cpu_internal.h"
#include "engine/kernels/reference/reference_internal.h"

namespace deepseek::engine {

void CpuBackend::GqaAppend(const Buffer& k, const Buffer& v, const GqaLayer& layer,
                           const RopeTable& table) {
  const int32_t d = layer.head_dim;
  ForItems(rows(), int64_t{2} * rows() * layer.kv_heads * d, [&](int64_t r, int) {
    const int32_t position = positions_[static_cast<size_t>(r)];
    const Segment& segment = segments_[row_segment_[r]];
    for (int32_t g = 0; g < layer.kv_heads; ++g) {
      float* key = HostData<float>(k) + (r * layer.kv_heads + g) * d;
      const float* value = HostData<float>(v) + (r * layer.kv_heads + g) * d;
      RotateRow(key, table, position, d);
      StoreKvRow(layer.cache.dtype, layer.kv_shape(), key, position % kBlockTokens,
                 GqaTile(segment, position, layer, g, false));
      StoreKvRow(layer.cache.dtype, layer.kv_shape(), value, position % kBlockTokens,
                 GqaTile(segment, position, layer, g, true));
    }
  });
}

void CpuBackend::AttendGroup(const GroupItem& item, const float* q, const GqaLayer& layer,
                             float* out, AttendScratch* scratch) const {
  const AttendKernels& a = attend_kernels_;
  const Segment& segment = *item.segment;
  const int32_t d = layer.head_dim;
  const int32_t kv_head = item.head_begin / (layer.heads / layer.kv_heads);
  const auto at = [&](int32_t row, int32_t head) {
    return (int64_t{segment.first_row + row} * layer.heads + head) * d;
  };
  scratch->Clear();
  for (int32_t row = item.begin; row < item.end; ++row) {
    for (int32_t h = item.head_begin; h < item.head_end; ++h) {
      scratch->AddQuery(q + at(row, h), d, segment.context + row + 1, d);
    }
  }
  const TileSource source{layer.cache.dtype, layer.kv_shape()};
  const int32_t length = scratch->length();
  scratch->Attend(
      a.Words(d), d, layer.softmax_scale, [&](int32_t begin, int32_t keys, AttendTile* tile) {
        const uint8_t* k = GqaTile(segment, begin, layer, kv_head, false);
        const TileRows key_rows = scratch->Load(source, k, keys);
        a.pack_keys(key_rows.data, key_rows.stride_bytes, d, keys, scratch->keys());
        const uint8_t* v = GqaTile(segment, begin, layer, kv_head, true);
        const TileRows value_rows = scratch->Load(source, v, keys);
        a.pack_values(value_rows.data, value_rows.stride_bytes, d, keys, scratch->values());
        const bool last = begin + kBlockTokens >= length;
        // K and V of a head are one run.
        tile->next = last ? nullptr : GqaTile(segment, begin + kBlockTokens, layer, kv_head, false);
        tile->next_bytes = last ? 0 : 2 * KvTileBytes(source.type, source.shape);
      });
  int64_t i = 0;
  for (int32_t row = item.begin; row < item.end; ++row) {
    for (int32_t h = item.head_begin; h < item.head_end; ++h, ++i) {
      const float weight = scratch->Weight(i);
      for (int32_t c = 0; c < d; ++c) out[at(row, h) + c] = scratch->Sums(i)[c] / weight;
    }
  }
}

void CpuBackend::GqaAttend(const Buffer& q, const GqaLayer& layer, const Buffer& out) {
  const int32_t group = layer.heads / layer.kv_heads;
  // A long segment is cut into blocks of rows that share a tile's operands.
  const int32_t rows_per_item = std::max(1, kItemQueries / group);
  int64_t blocks = 0;
  for (const Segment& s : segments_) blocks += (s.rows + rows_per_item - 1) / rows_per_item;
  const int32_t heads = HeadsPerItem(group, blocks * layer.kv_heads, pool_.threads());
  int64_t multiply_adds = 0;
  group_items_.clear();
  for (const Segment& s : segments_) {
    multiply_adds += int64_t{2} * (s.context + s.rows) * s.rows * layer.heads * layer.head_dim;
    for (int32_t g = 0; g < layer.kv_heads; ++g) {
      for (int32_t h = g * group; h < (g + 1) * group; h += heads) {
        // The longest (last) rows come first, so that no thread ends on a long item alone.
        const int32_t last = (s.rows - 1) / rows_per_item * rows_per_item;
        for (int32_t begin = last; begin >= 0; begin -= rows_per_item) {
          group_items_.push_back({&s, begin, std::min(begin + rows_per_item, s.rows), h,
                                  std::min(h + heads, (g + 1) * group)});
        }
      }
    }
  }
  ForItems(static_cast<int64_t>(group_items_.size()), multiply_adds, [&](int64_t item, int thread) {
    AttendGroup(group_items_[static_cast<size_t>(item)], HostData<float>(q), layer,
                HostData<float>(out), &attend_[static_cast<size_t>(thread)]);
  });
}

}  // namespace deepseek::engine
