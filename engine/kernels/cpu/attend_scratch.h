#pragma once
// What one thread needs to attend: operands of a tile, queries and running sums of a work item.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "engine/kernels/backend.h"
#include "engine/kernels/cpu/attend_kernels.h"
#include "engine/kernels/reference/host_memory.h"

namespace deepseek::engine {

/// Left operands: 64 rows of a tile.
struct TileRows {
  const uint8_t* data = nullptr;
  int64_t stride_bytes = 0;
};

/// One layer's cache as a kernel sees it.
struct TileSource {
  DType type = DType::kF32;
  KvShape shape;
};

class AttendScratch {
 public:
  /// Once, for the largest step. kResourceExhausted with the size.
  absl::Status Plan(const StepPlan& plan, const AttendKernels* kernels);
  int64_t bytes() const;

  /// The first `keys` rows of a cached tile as left operands: in place where the cache has their
  /// type.
  TileRows Load(const TileSource& source, const uint8_t* tile, int32_t keys);

  /// Starts an item: no queries.
  void Clear();
  /// Adds a query of n numbers that sees the keys [0, end), in ascending order of `end`. Its sums
  /// go to Sums(i).
  void AddQuery(const float* q, int64_t n, int32_t end, int64_t v);
  /// The same with an operand made before, and sums [Panels(v) * 64] elsewhere.
  void AddQuery(const float* operand, int32_t end, float* sums, int64_t v);
  int64_t queries() const { return static_cast<int64_t>(ends_.size()); }
  /// Keys that the last query sees: what the item has to read.
  int32_t length() const { return ends_.back(); }
  /// The weighted sum of query i over all keys, not yet divided by Weight(i).
  float* Sums(int64_t i) { return sums_[static_cast<size_t>(i)]; }
  float Weight(int64_t i) const { return state_[static_cast<size_t>(i)].sum; }

  /// Meets every query with every tile that it sees. make(begin, keys, tile) fills keys() and
  /// values() with the tile's right operands, and may set tile->next.
  template <typename Make>
  void Attend(int64_t words, int64_t v, float softmax_scale, Make make) {
    AttendTile tile;
    tile.keys = keys();
    tile.values = values();
    tile.words = words;
    tile.v = v;
    tile.scale_log2 = softmax_scale * kLog2E;
    size_t first = 0;
    for (tile.begin = 0; tile.begin < length(); tile.begin += kBlockTokens) {
      while (ends_[first] <= tile.begin) ++first;
      tile.count = std::min(kBlockTokens, length() - tile.begin);
      make(tile.begin, tile.count, &tile);
      tile.q = &queries_[first];
      tile.out = &sums_[first];
      tile.ends = &ends_[first];
      tile.state = &state_[first];
      tile.rows = static_cast<int64_t>(ends_.size() - first);
      kernels_->attend(tile);
    }
  }

  float* keys() const { return keys_; }            // [words][64]
  float* values() const { return values_; }        // [Panels(v)][64 / per_word][64]
  float* rows() const { return rows_; }            // [64][words]: operands that are being made
  float* tile_rows() const { return tile_rows_; }  // [64][words(lora, whole tiles)]: the same
  float* expanded() const { return expanded_; }    // F32 [64][ExpandedStride]
  float* k_weight() const { return k_weight_; }    // [Panels(nope)][words(lora)][64]
  float* v_weight() const { return v_weight_; }    // [Panels(v)][words(lora)][64]
  float* columns() const { return columns_; }      // F32 [lora or nope][16]
  float* absorbed() const { return absorbed_; }    // F32 [kWaveRows][lora + rope]

 private:
  static constexpr float kLog2E = 1.44269504088896341F;

  const AttendKernels* kernels_ = nullptr;
  HostMemory memory_;
  float *tile_rows_ = nullptr, *rows_ = nullptr, *keys_ = nullptr, *values_ = nullptr;
  float *expanded_ = nullptr, *k_weight_ = nullptr, *v_weight_ = nullptr, *columns_ = nullptr;
  float *absorbed_ = nullptr, *query_words_ = nullptr, *query_sums_ = nullptr;
  std::vector<const float*> queries_;
  std::vector<float*> sums_;
  std::vector<int32_t> ends_;
  std::vector<SoftmaxState> state_;
};

/// Generated rows of a step that are moved into the latent space and out of it together.
inline constexpr int32_t kWaveRows = 32;
/// Queries of a work item beyond which sharing a tile gains nothing.
inline constexpr int32_t kItemQueries = 96;

/// Heads of an item, when `rows` rows of `heads` heads each are cut into items for `threads`
/// threads: fewer heads balance better, more share the making of a tile's operands, which costs as
/// much as kTileCost queries. No row's bits depend on it.
int32_t HeadsPerItem(int32_t heads, int64_t rows, int threads);

/// Floats between rows of expanded keys: [nope | rope], the first part written in vectors of 16.
constexpr int64_t ExpandedStride(int64_t nope, int64_t rope) {
  return (nope + 15) / 16 * 16 + (rope + 15) / 16 * 16;
}

}  // namespace deepseek::engine
