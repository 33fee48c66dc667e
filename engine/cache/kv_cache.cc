#include "engine/cache/kv_cache.h"

#include <algorithm>

#include "base/status.h"
#include "base/strings.h"

namespace deepseek::engine {
namespace {

// Elements of a token's row in one layer, INT8 scales included (kv_tile.h).
int64_t RowElements(const ModelSpec& spec, DType type) {
  if (spec.attention == Attention::kMla) {
    return KvRowElements(type, {spec.kv_lora_rank + spec.rope_dim, spec.kv_lora_rank});
  }
  return 2 * spec.kv_heads * KvRowElements(type, {spec.head_dim, spec.head_dim});
}

}  // namespace

int64_t KvBlockBytes(const ModelSpec& spec, KvType type, int32_t layers) {
  const DType element = KvDType(type);
  return int64_t{layers} * kBlockTokens * RowElements(spec, element) * SizeOf(element);
}

absl::StatusOr<int32_t> PlanKvBlocks(const ModelSpec& spec, const ModelOptions& options,
                                     int32_t layers, int32_t max_context, int64_t available_bytes) {
  const int64_t block_bytes = KvBlockBytes(spec, options.kv, layers);
  const int64_t per_sequence = (int64_t{max_context} + kBlockTokens - 1) / kBlockTokens;
  const bool asked = options.kv_memory_bytes > 0;
  const int64_t room = asked ? options.kv_memory_bytes : available_bytes / 2;
  const int64_t wanted =
      asked ? INT32_MAX : std::min<int64_t>(per_sequence * options.max_batch, INT32_MAX);
  const int64_t blocks = std::min(wanted, room / block_bytes);
  if (blocks < per_sequence) {
    return absl::ResourceExhaustedError(StrCat(
        "the KV cache does not fit: one sequence of ", max_context, " tokens needs ",
        per_sequence * block_bytes, " bytes, ", asked ? "--kv-memory gives " : "memory leaves ",
        room, " (lower --max-context, use --kv bf16, or give more memory)"));
  }
  return static_cast<int32_t>(blocks);
}

absl::StatusOr<KvCache> KvCache::Create(Backend* backend, const ModelSpec& spec, KvType type,
                                        int32_t layers, int32_t blocks) {
  KvCache cache;
  cache.blocks_ = blocks;
  for (int32_t i = 0; i < layers; ++i) {
    const DType element = KvDType(type);
    ASSIGN_OR_RETURN(
        const Buffer buffer,
        backend->Allocate({blocks, kBlockTokens, RowElements(spec, element)}, element, true));
    cache.layers_.push_back(buffer);
  }
  return cache;
}

}  // namespace deepseek::engine
