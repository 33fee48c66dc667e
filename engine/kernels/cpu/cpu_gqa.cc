// Grouped-query attention over paged tiles of 64 keys with an online softmax. A row meets the tiles
// in ascending order and in each exactly the keys up to its own position, so neither the cut into
// work items nor what else is in the batch shows in its bits.
//
// A tile costs 4 * 64 * head_dim FLOPs per row and query head, and moves 2 * 64 * head_dim cached
// numbers for up to kGqaRowsPerItem rows times the heads of a group: decode is bound by memory.

#include <algorithm>
#include <array>

#include "engine/kernels/cpu/cpu_internal.h"
#include "engine/kernels/reference/reference_internal.h"

namespace deepseek::engine {
namespace {

int32_t RowBlocks(const Segment& segment) {
  return (segment.rows + kGqaRowsPerItem - 1) / kGqaRowsPerItem;
}

void StoreRow(const Buffer& cache, int64_t to, const float* from, int32_t n) {
  if (cache.dtype == DType::kBf16) {
    uint16_t* cell = HostData<uint16_t>(cache) + to;
    for (int32_t i = 0; i < n; ++i) cell[i] = FloatToBf16(from[i]);
  } else {
    std::copy_n(from, n, HostData<float>(cache) + to);
  }
}

}  // namespace

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
      StoreRow(layer.cache, GqaRow(segment, position, layer, g, false), key, d);
      StoreRow(layer.cache, GqaRow(segment, position, layer, g, true), value, d);
    }
  });
}

const float* CpuBackend::LoadF32(const Buffer& cache, int64_t from, int64_t numbers,
                                 float* scratch) const {
  if (cache.dtype == DType::kF32) return HostData<float>(cache) + from;
  kernels_.widen_bf16(HostData<uint16_t>(cache) + from, numbers, scratch);
  return scratch;
}

void CpuBackend::AttendGroup(const Segment& segment, int32_t kv_head, int32_t begin, int32_t end,
                             const float* q, const GqaLayer& layer, float* out,
                             AttendScratch* scratch) const {
  const int32_t d = layer.head_dim;
  const int32_t group = layer.heads / layer.kv_heads;
  // Query head `i` of the group, of a row: offset in q and out.
  const auto at = [&](int32_t row, int32_t i) {
    return ((int64_t{segment.first_row} + row) * layer.heads + kv_head * group + i) * d;
  };
  for (int32_t row = begin; row < end; ++row) {
    std::fill_n(out + at(row, 0), int64_t{group} * d, 0.0F);
    std::fill_n(scratch->state.begin() + int64_t{row - begin} * group, group, SoftmaxState{});
  }
  std::array<float, kBlockTokens> p;
  const int32_t length = segment.context + end;
  for (int32_t first = 0; first < length; first += kBlockTokens) {
    const int32_t keys = std::min(kBlockTokens, length - first);
    const float* k = LoadF32(layer.cache, GqaRow(segment, first, layer, kv_head, false),
                             int64_t{keys} * d, scratch->keys.data());
    const float* v = LoadF32(layer.cache, GqaRow(segment, first, layer, kv_head, true),
                             int64_t{keys} * d, scratch->values.data());
    for (int32_t row = std::max(begin, first - segment.context); row < end; ++row) {
      const int64_t n = std::min(keys, segment.context + row + 1 - first);
      for (int32_t i = 0; i < group; ++i) {
        SoftmaxState* state = &scratch->state[int64_t{row - begin} * group + i];
        kernels_.scores(q + at(row, i), k, d, n, d, layer.softmax_scale, p.data());
        const float correction = kernels_.softmax_tile(p.data(), n, state);
        kernels_.weighted_sum(p.data(), v, d, n, d, correction, out + at(row, i));
      }
    }
  }
  for (int32_t row = begin; row < end; ++row) {
    for (int32_t i = 0; i < group; ++i) {
      const float sum = scratch->state[int64_t{row - begin} * group + i].sum;
      for (int32_t c = 0; c < d; ++c) out[at(row, i) + c] /= sum;
    }
  }
}

void CpuBackend::GqaAttend(const Buffer& q, const GqaLayer& layer, const Buffer& out) {
  int64_t items = 0;
  int64_t multiply_adds = 0;
  for (const Segment& s : segments_) {
    items += int64_t{RowBlocks(s)} * layer.kv_heads;
    multiply_adds += int64_t{2} * (s.context + s.rows) * s.rows * layer.heads * layer.head_dim;
  }
  ForItems(items, multiply_adds, [&](int64_t item, int thread) {
    size_t s = 0;
    const auto items_of = [&](size_t i) {
      return int64_t{RowBlocks(segments_[i])} * layer.kv_heads;
    };
    for (; item >= items_of(s); ++s) item -= items_of(s);
    // Row blocks of one kv head follow each other: they share its tiles in the cache of the CPU.
    // The longest (last) rows come first, so that no thread ends on a long item alone.
    const int32_t blocks = RowBlocks(segments_[s]);
    const auto block = blocks - 1 - static_cast<int32_t>(item % blocks);
    const int32_t begin = block * kGqaRowsPerItem;
    AttendGroup(segments_[s], static_cast<int32_t>(item / blocks), begin,
                std::min(begin + kGqaRowsPerItem, segments_[s].rows), HostData<float>(q), layer,
                HostData<float>(out), &attend_[static_cast<size_t>(thread)]);
  });
}

}  // namespace deepseek::engine
