// Latent attention over paged tiles of 64 keys with an online softmax. A row meets the tiles in
// ascending order and in each exactly the keys up to its own position, whatever else is in the
// batch.
//
// Materialised: an item is a head of a segment. Per tile it expands keys and values
// once for all the segment's rows, 2 * 64 * lora * (nope + v) FLOPs, then spends 2 * 64 * (nope +
// rope + v) per row. Bound by arithmetic.
//
// Absorbed, in three passes over at most kWaveRows rows: queries into the latent
// space, attention, sums out of it. The first and the last read each head's k_up or v_up once, and
// are bound by memory; the second spends 2 * 64 * (2 lora + rope) FLOPs per tile, row and head on
// 64
// * (lora + rope) cached numbers, and with more than about 6 heads to an item is bound by
// arithmetic.

#include <algorithm>
#include <array>

#include "engine/kernels/cpu/cpu_internal.h"
#include "engine/kernels/reference/reference_internal.h"

namespace deepseek::engine {
namespace {

TileSource SourceOf(const MlaLayer& layer) {
  return {layer.cache.dtype, layer.kv_shape()};
}

}  // namespace

void CpuBackend::MlaAppend(const Buffer& kv, const MlaLayer& layer, const RopeTable& table) {
  const int32_t lora = layer.kv_lora_rank;
  const int64_t width = lora + layer.rope_dim;
  ForItems(rows(), rows() * width, [&](int64_t r, int) {
    float* row = HostData<float>(kv) + r * width;
    const int32_t position = positions_[static_cast<size_t>(r)];
    kernels_.rms_norm(row, HostData<float>(layer.latent_norm), layer.latent_eps, lora, row);
    RotateRow(row + lora, table, position, layer.rope_dim);
    StoreKvRow(layer.cache.dtype, layer.kv_shape(), row, position % kBlockTokens,
               MlaTile(segments_[row_segment_[r]], position, layer));
  });
}

void CpuBackend::PackValueUp(const PackedMatrix& w, AttendScratch* scratch) const {
  for (int64_t tile = 0; tile < w.tiles; ++tile) {
    kernels_.unpack_tile(w, tile, scratch->columns());
    attend_kernels_.pack_weight(scratch->columns(), w.cols, tile, scratch->v_weight());
  }
}

void CpuBackend::PackKeyUp(const PackedMatrix& w, AttendScratch* scratch) const {
  // What multiplies is made of left operands, one per channel of a key.
  const AttendKernels& a = attend_kernels_;
  const int64_t piece = a.Words(kTileRows);
  const int64_t stride = w.tiles * piece;
  for (int64_t panel = 0; panel < Panels(w.cols); ++panel) {
    const int64_t first = panel * kPanel;
    const int64_t channels = std::min(kPanel, w.cols - first);
    for (int64_t tile = 0; tile < w.tiles; ++tile) {
      kernels_.unpack_tile(w, tile, scratch->columns());
      for (int64_t c = 0; c < channels; ++c) {
        a.to_row(scratch->columns() + (first + c) * kTileRows, kTileRows,
                 scratch->tile_rows() + c * stride + tile * piece);
      }
    }
    a.pack_keys(reinterpret_cast<const uint8_t*>(scratch->tile_rows()), stride * 4, w.rows,
                static_cast<int32_t>(channels),
                scratch->k_weight() + panel * a.Words(w.rows) * kPanel);
  }
}

void CpuBackend::AttendPrompt(const Segment& segment, int32_t head, const float* q,
                              const MlaLayer& layer, float* out, AttendScratch* scratch) const {
  const AttendKernels& a = attend_kernels_;
  const int32_t lora = layer.kv_lora_rank;
  const int64_t q_dim = layer.nope_dim + layer.rope_dim;
  const int64_t words = a.Words(q_dim);
  const int64_t v_words = a.Words(layer.v_dim);
  const int64_t k_stride = ExpandedStride(layer.nope_dim, layer.rope_dim);
  const int64_t v_stride = Panels(layer.v_dim) * kPanel;
  PackKeyUp(Matrix(layer.k_up[static_cast<size_t>(head)]), scratch);
  PackValueUp(Matrix(layer.v_up[static_cast<size_t>(head)]), scratch);
  scratch->Clear();
  for (int32_t i = 0; i < segment.rows; ++i) {
    scratch->AddQuery(q + ((segment.first_row + i) * int64_t{layer.heads} + head) * q_dim, q_dim,
                      segment.context + i + 1, layer.v_dim);
  }
  const TileSource source = SourceOf(layer);
  scratch->Attend(words, layer.v_dim, layer.softmax_scale, [&](int32_t begin, int32_t keys, auto*) {
    const uint8_t* tile = MlaTile(segment, begin, layer);
    const TileRows latent = scratch->Load(source, tile, keys);
    float* expanded = scratch->expanded();
    a.multiply(latent.data, latent.stride_bytes, keys, scratch->k_weight(), a.Words(lora),
               layer.nope_dim, expanded, k_stride);
    for (int32_t j = 0; j < keys; ++j) {
      float* key = expanded + j * k_stride;
      LoadKvRow(source.type, source.shape, tile, j, lora, source.shape.width, key + layer.nope_dim);
      a.to_row(key, q_dim, scratch->rows() + j * words);
    }
    a.pack_keys(reinterpret_cast<const uint8_t*>(scratch->rows()), words * 4, q_dim, keys,
                scratch->keys());
    a.multiply(latent.data, latent.stride_bytes, keys, scratch->v_weight(), a.Words(lora),
               layer.v_dim, expanded, v_stride);
    for (int32_t j = 0; j < keys; ++j) {
      a.to_row(expanded + j * v_stride, layer.v_dim, scratch->rows() + j * v_words);
    }
    a.pack_values(reinterpret_cast<const uint8_t*>(scratch->rows()), v_words * 4, layer.v_dim, keys,
                  scratch->values());
  });
  for (int32_t i = 0; i < segment.rows; ++i) {
    float* to = out + ((segment.first_row + i) * int64_t{layer.heads} + head) * layer.v_dim;
    const float weight = scratch->Weight(i);
    for (int32_t d = 0; d < layer.v_dim; ++d) to[d] = scratch->Sums(i)[d] / weight;
  }
}

void CpuBackend::NarrowRow(const float* x, int64_t n, float* out) const {
  const AttendKernels& a = attend_kernels_;  // words of two where products of bf16 rows exist
  a.to_row(x, n, out);
  if (a.Words(n) % 2 != 0) out[a.Words(n)] = 0;
}

void CpuBackend::Absorb(int32_t head, const float* q, const MlaLayer& layer,
                        AttendScratch* scratch) {
  const int32_t lora = layer.kv_lora_rank;
  const int64_t width = lora + layer.rope_dim;
  const int64_t q_dim = layer.nope_dim + layer.rope_dim;
  const PackedMatrix& k_up = Matrix(layer.k_up[static_cast<size_t>(head)]);
  const RowForm form = FormFor(k_up);
  std::array<const uint8_t*, kWaveRows> from;
  std::array<float*, kWaveRows> to;
  for (size_t i = 0; i < wave_.size(); ++i) {
    const float* query = q + (int64_t{wave_[i].row} * layer.heads + head) * q_dim;
    from[i] = reinterpret_cast<const uint8_t*>(query);
    to[i] = scratch->absorbed() + static_cast<int64_t>(i) * width;
    std::copy_n(query + layer.nope_dim, layer.rope_dim, to[i] + lora);
    if (form == RowForm::kF32) continue;
    float* row = scratch->rows() + static_cast<int64_t>(i) * ((layer.nope_dim + 3) / 4 * 2);
    NarrowRow(query, layer.nope_dim, row);
    from[i] = reinterpret_cast<const uint8_t*>(row);
  }
  kernels_.gemm(k_up, form, {0, k_up.tiles}, from.data(), static_cast<int64_t>(wave_.size()),
                to.data(), 0, false);
  for (size_t i = 0; i < wave_.size(); ++i) {
    attend_kernels_.to_row(to[i], width, LatentQuery(static_cast<int64_t>(i), head, layer));
  }
}

void CpuBackend::AttendLatent(const LatentItem& item, const MlaLayer& layer,
                              AttendScratch* scratch) {
  const AttendKernels& a = attend_kernels_;
  const int32_t lora = layer.kv_lora_rank;
  scratch->Clear();
  for (int32_t i = item.begin; i < item.end; ++i) {
    for (int32_t h = item.head_begin; h < item.head_end; ++h) {
      scratch->AddQuery(LatentQuery(i, h, layer), wave_[static_cast<size_t>(i)].keys,
                        LatentSums(i, h, layer), lora);
    }
  }
  const Segment& segment =
      segments_[static_cast<size_t>(wave_[static_cast<size_t>(item.begin)].segment)];
  const TileSource source = SourceOf(layer);
  const int32_t length = scratch->length();
  scratch->Attend(
      a.Words(source.shape.width), lora, layer.softmax_scale,
      [&](int32_t begin, int32_t keys, AttendTile* tile) {
        const TileRows latent = scratch->Load(source, MlaTile(segment, begin, layer), keys);
        // Values first: they read the rows in the order of memory.
        a.pack_values(latent.data, latent.stride_bytes, lora, keys, scratch->values());
        a.pack_keys(latent.data, latent.stride_bytes, source.shape.width, keys, scratch->keys());
        const bool last = begin + kBlockTokens >= length;
        tile->next = last ? nullptr : MlaTile(segment, begin + kBlockTokens, layer);
        tile->next_bytes = last ? 0 : KvTileBytes(source.type, source.shape);
      });
  const bool narrow = LeavingForm(layer) == RowForm::kBf16;
  for (int64_t i = 0; i < scratch->queries(); ++i) {
    float* sums = scratch->Sums(i);
    const float weight = scratch->Weight(i);
    for (int32_t c = 0; c < lora; ++c) sums[c] /= weight;
    if (narrow) NarrowRow(sums, lora, sums);
  }
}

RowForm CpuBackend::LeavingForm(const MlaLayer& layer) const {
  return FormFor(Matrix(layer.v_up[0]));
}

void CpuBackend::LeaveLatent(int32_t head, const MlaLayer& layer, float* out) {
  std::array<const uint8_t*, kWaveRows> from;
  std::array<float*, kWaveRows> to;
  for (size_t i = 0; i < wave_.size(); ++i) {
    from[i] = reinterpret_cast<const uint8_t*>(LatentSums(static_cast<int64_t>(i), head, layer));
    to[i] = out + (int64_t{wave_[i].row} * layer.heads + head) * layer.v_dim;
  }
  const PackedMatrix& v_up = Matrix(layer.v_up[static_cast<size_t>(head)]);
  kernels_.gemm(v_up, LeavingForm(layer), {0, v_up.tiles}, from.data(),
                static_cast<int64_t>(wave_.size()), to.data(), 0, false);
}

void CpuBackend::AttendWave(const float* q, const MlaLayer& layer, float* out) {
  const auto wave = static_cast<int32_t>(wave_.size());
  const int64_t up = int64_t{wave} * layer.heads * layer.kv_lora_rank;
  const int32_t heads = HeadsPerItem(layer.heads, wave, pool_.threads());
  latent_items_.clear();
  int64_t keys = 0;
  for (int32_t i = 0; i < wave;) {
    // Rows of one sequence share its tiles.
    int32_t end = i + 1;
    while (end < wave && wave_[end].segment == wave_[i].segment &&
           (end - i + 1) * heads <= kItemQueries) {
      ++end;
    }
    for (int32_t h = 0; h < layer.heads; h += heads) {
      latent_items_.push_back({i, end, h, std::min(h + heads, layer.heads)});
    }
    for (; i < end; ++i) keys += wave_[i].keys;
  }
  const auto scratch = [&](int thread) { return &attend_[static_cast<size_t>(thread)]; };
  ForItems(layer.heads, up * layer.nope_dim, [&](int64_t head, int thread) {
    Absorb(static_cast<int32_t>(head), q, layer, scratch(thread));
  });
  ForItems(static_cast<int64_t>(latent_items_.size()), 2 * keys * layer.heads * layer.kv_lora_rank,
           [&](int64_t item, int thread) {
             AttendLatent(latent_items_[static_cast<size_t>(item)], layer, scratch(thread));
           });
  ForItems(layer.heads, up * layer.v_dim,
           [&](int64_t head, int) { LeaveLatent(static_cast<int32_t>(head), layer, out); });
}

void CpuBackend::MlaAttend(const Buffer& q, const MlaLayer& layer, const Buffer& out) {
  prompts_.clear();
  int64_t multiply_adds = 0;
  for (size_t s = 0; s < segments_.size(); ++s) {
    const Segment& segment = segments_[s];
    if (segment.path != RowPath::kMaterialised) continue;
    prompts_.push_back(static_cast<int32_t>(s));
    multiply_adds += int64_t{segment.context + segment.rows} * layer.heads *
                     (int64_t{layer.kv_lora_rank} * (layer.nope_dim + layer.v_dim) +
                      segment.rows * int64_t{layer.nope_dim + layer.v_dim});
  }
  ForItems(static_cast<int64_t>(prompts_.size()) * layer.heads, multiply_adds,
           [&](int64_t item, int thread) {
             AttendPrompt(segments_[prompts_[static_cast<size_t>(item / layer.heads)]],
                          static_cast<int32_t>(item % layer.heads), HostData<float>(q), layer,
                          HostData<float>(out), &attend_[static_cast<size_t>(thread)]);
           });
  wave_.clear();
  for (size_t s = 0; s < segments_.size(); ++s) {
    const Segment& segment = segments_[s];
    if (segment.path == RowPath::kMaterialised) continue;
    for (int32_t i = 0; i < segment.rows; ++i) {
      wave_.push_back({segment.first_row + i, static_cast<int32_t>(s), segment.context + i + 1});
      if (wave_.size() < static_cast<size_t>(kWaveRows)) continue;
      AttendWave(HostData<float>(q), layer, HostData<float>(out));
      wave_.clear();
    }
  }
  if (!wave_.empty()) AttendWave(HostData<float>(q), layer, HostData<float>(out));
}

}  // namespace deepseek::engine
