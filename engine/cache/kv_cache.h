#pragma once
// The paged cache of all layers, in backend memory.

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/arch/model_spec.h"
#include "engine/arch/options.h"
#include "engine/kernels/backend.h"

namespace deepseek::engine {

/// Bytes that one block takes over `layers` layers.
int64_t KvBlockBytes(const ModelSpec& spec, KvType type, int32_t layers);

/// Blocks for `options` (resolved): kv_memory_bytes as asked, else enough for max_batch sequences
/// of `max_context` tokens within half of `available_bytes`. kResourceExhausted, with the numbers,
/// when not even one sequence fits.
absl::StatusOr<int32_t> PlanKvBlocks(const ModelSpec& spec, const ModelOptions& options,
                                     int32_t layers, int32_t max_context, int64_t available_bytes);

class KvCache {
 public:
  static absl::StatusOr<KvCache> Create(Backend* backend, const ModelSpec& spec, KvType type,
                                        int32_t layers, int32_t blocks);
  /// [blocks, kBlockTokens, elements of a row] in the cache's type; layout: kernels/kv_tile.h.
  const Buffer& layer(int32_t index) const { return layers_[static_cast<size_t>(index)]; }
  int32_t blocks() const { return blocks_; }

 private:
  std::vector<Buffer> layers_;
  int32_t blocks_ = 0;
};

}  // namespace deepseek::engine
