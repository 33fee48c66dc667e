// Latent attention over paged tiles of 64 keys with an online softmax. A row meets the tiles in
// ascending order and in each exactly the keys up to its own position, whatever else is in the
// batch.
//
// Per tile and head the materialised form costs 2 * 64 * lora * (nope + v) FLOPs to expand plus 2 *
// 64 * (nope + rope + v) per row; the absorbed form 2 * 64 * (2 lora + rope) per row and moves 64 *
// (lora + rope) cached numbers for all heads of an item: it is bound by memory.

#include <algorithm>
#include <array>

#include "engine/kernels/cpu/cpu_internal.h"
#include "engine/kernels/reference/reference_internal.h"

namespace deepseek::engine {
namespace {

// Heads that share one pass over a tile of generated rows.
constexpr int32_t kHeadsPerItem = 8;

}  // namespace

void CpuBackend::MlaAppend(const Buffer& kv, const MlaLayer& layer, const RopeTable& table) {
  const int32_t lora = layer.kv_lora_rank;
  const int64_t width = lora + layer.rope_dim;
  ForItems(rows(), rows() * width, [&](int64_t r, int) {
    float* row = HostData<float>(kv) + r * width;
    const int32_t position = positions_[static_cast<size_t>(r)];
    kernels_.rms_norm(row, HostData<float>(layer.latent_norm), layer.latent_eps, lora, row);
    RotateRow(row + lora, table, position, layer.rope_dim);
    const int64_t to = CacheRow(segments_[row_segment_[r]], position) * width;
    if (layer.cache.dtype == DType::kBf16) {
      uint16_t* cell = HostData<uint16_t>(layer.cache) + to;
      for (int64_t i = 0; i < width; ++i) cell[i] = FloatToBf16(row[i]);
    } else {
      std::copy_n(row, width, HostData<float>(layer.cache) + to);
    }
  });
}

const float* CpuBackend::LoadTile(const Segment& segment, const MlaLayer& layer, int32_t tile,
                                  int32_t keys, AttendScratch* scratch) const {
  const int64_t width = layer.kv_lora_rank + layer.rope_dim;
  // A tile is a block: its rows are contiguous.
  const int64_t from = CacheRow(segment, tile * kBlockTokens) * width;
  if (layer.cache.dtype == DType::kF32) return HostData<float>(layer.cache) + from;
  kernels_.widen_bf16(HostData<uint16_t>(layer.cache) + from, keys * width, scratch->latent.data());
  return scratch->latent.data();
}

void CpuBackend::AttendPrompt(const Segment& segment, int32_t head, const float* q,
                              const MlaLayer& layer, float* out, AttendScratch* scratch) const {
  const int32_t lora = layer.kv_lora_rank;
  const int64_t width = lora + layer.rope_dim;
  const int64_t q_dim = layer.nope_dim + layer.rope_dim;
  const PackedMatrix& k_up = Matrix(layer.k_up[static_cast<size_t>(head)]);
  const PackedMatrix& v_up = Matrix(layer.v_up[static_cast<size_t>(head)]);
  const int32_t length = segment.context + segment.rows;
  const auto out_of = [&](int64_t i) {
    return out + ((segment.first_row + i) * layer.heads + head) * layer.v_dim;
  };
  for (int32_t i = 0; i < segment.rows; ++i) {
    scratch->state[i] = {};
    std::fill_n(out_of(i), layer.v_dim, 0.0F);
  }
  std::array<const uint8_t*, kBlockTokens> latent_rows;
  std::array<float*, kBlockTokens> key_rows;
  std::array<float*, kBlockTokens> value_rows;
  std::array<float, kBlockTokens> p;
  for (int32_t begin = 0; begin < length; begin += kBlockTokens) {
    const int32_t keys = std::min(kBlockTokens, length - begin);
    const float* latent = LoadTile(segment, layer, begin / kBlockTokens, keys, scratch);
    for (int32_t j = 0; j < keys; ++j) {
      latent_rows[j] = reinterpret_cast<const uint8_t*>(latent + j * width);
      key_rows[j] = scratch->keys.data() + j * q_dim;
      value_rows[j] = scratch->values.data() + int64_t{j} * layer.v_dim;
      std::copy_n(latent + j * width + lora, layer.rope_dim, key_rows[j] + layer.nope_dim);
    }
    kernels_.gemm(k_up, RowForm::kF32, 0, k_up.tiles, latent_rows.data(), keys, key_rows.data(), 0,
                  false);
    kernels_.gemm(v_up, RowForm::kF32, 0, v_up.tiles, latent_rows.data(), keys, value_rows.data(),
                  0, false);
    for (int32_t i = std::max(0, begin - segment.context); i < segment.rows; ++i) {
      const int64_t n = std::min(keys, segment.context + i + 1 - begin);
      const float* q_row = q + ((segment.first_row + i) * int64_t{layer.heads} + head) * q_dim;
      kernels_.scores(q_row, scratch->keys.data(), q_dim, n, q_dim, layer.softmax_scale, p.data());
      const float correction = kernels_.softmax_tile(p.data(), n, &scratch->state[i]);
      kernels_.weighted_sum(p.data(), scratch->values.data(), layer.v_dim, n, layer.v_dim,
                            correction, out_of(i));
    }
  }
  for (int32_t i = 0; i < segment.rows; ++i) {
    for (int32_t d = 0; d < layer.v_dim; ++d) out_of(i)[d] /= scratch->state[i].sum;
  }
}

void CpuBackend::AttendGenerated(const Segment& segment, int32_t row, int32_t head_begin,
                                 int32_t head_end, const float* q, const MlaLayer& layer,
                                 float* out, AttendScratch* scratch) const {
  const int32_t lora = layer.kv_lora_rank;
  const int64_t width = lora + layer.rope_dim;
  const int64_t q_dim = layer.nope_dim + layer.rope_dim;
  const int64_t absolute = segment.first_row + row;
  for (int32_t h = head_begin; h < head_end; ++h) {
    const float* q_head = q + (absolute * layer.heads + h) * q_dim;
    float* q_latent = scratch->q_latent.data() + (h - head_begin) * width;
    kernels_.absorb(Matrix(layer.k_up[static_cast<size_t>(h)]), q_head, q_latent);
    std::copy_n(q_head + layer.nope_dim, layer.rope_dim, q_latent + lora);
    scratch->state[h - head_begin] = {};
  }
  std::fill_n(scratch->o_latent.begin(), int64_t{head_end - head_begin} * lora, 0.0F);
  const int32_t length = segment.context + row + 1;
  std::array<float, kBlockTokens> p;
  for (int32_t begin = 0; begin < length; begin += kBlockTokens) {
    const int32_t n = std::min(kBlockTokens, length - begin);
    const float* latent = LoadTile(segment, layer, begin / kBlockTokens, n, scratch);
    for (int32_t i = 0; i < head_end - head_begin; ++i) {
      kernels_.scores(scratch->q_latent.data() + i * width, latent, width, n, width,
                      layer.softmax_scale, p.data());
      const float correction = kernels_.softmax_tile(p.data(), n, &scratch->state[i]);
      kernels_.weighted_sum(p.data(), latent, width, n, lora, correction,
                            scratch->o_latent.data() + int64_t{i} * lora);
    }
  }
  for (int32_t h = head_begin; h < head_end; ++h) {
    float* o_latent = scratch->o_latent.data() + int64_t{h - head_begin} * lora;
    for (int32_t c = 0; c < lora; ++c) o_latent[c] /= scratch->state[h - head_begin].sum;
    const PackedMatrix& v_up = Matrix(layer.v_up[static_cast<size_t>(h)]);
    float* to = out + (absolute * layer.heads + h) * layer.v_dim;
    const auto* row = reinterpret_cast<const uint8_t*>(o_latent);
    kernels_.gemm(v_up, RowForm::kF32, 0, v_up.tiles, &row, 1, &to, 0, false);
  }
}

void CpuBackend::MlaAttend(const Buffer& q, const MlaLayer& layer, const Buffer& out) {
  const int32_t head_items = (layer.heads + kHeadsPerItem - 1) / kHeadsPerItem;
  // Items of a segment: its heads for prompt rows, (row, group of heads) for generated ones.
  const auto items_of = [&](const Segment& s) {
    return s.path == RowPath::kPrompt ? int64_t{layer.heads} : int64_t{s.rows} * head_items;
  };
  int64_t items = 0;
  int64_t multiply_adds = 0;
  for (const Segment& s : segments_) {
    items += items_of(s);
    multiply_adds += int64_t{s.context + s.rows} * layer.heads * layer.kv_lora_rank * s.rows;
  }
  ForItems(items, multiply_adds, [&](int64_t item, int thread) {
    size_t s = 0;
    for (; item >= items_of(segments_[s]); ++s) item -= items_of(segments_[s]);
    const Segment& segment = segments_[s];
    AttendScratch* scratch = &attend_[static_cast<size_t>(thread)];
    if (segment.path == RowPath::kPrompt) {
      AttendPrompt(segment, static_cast<int32_t>(item), HostData<float>(q), layer,
                   HostData<float>(out), scratch);
    } else {
      const auto begin = static_cast<int32_t>(item % head_items) * kHeadsPerItem;
      AttendGenerated(segment, static_cast<int32_t>(item / head_items), begin,
                      std::min(begin + kHeadsPerItem, layer.heads), HostData<float>(q), layer,
                      HostData<float>(out), scratch);
    }
  });
}

}  // namespace deepseek::engine
