#pragma once
// What a model will take in memory, from its shapes and the headers of its files: nothing is loaded.

#include <cstdint>

#include "engine/arch/model_spec.h"
#include "engine/arch/options.h"
#include "engine/weights/checkpoint.h"

namespace deepseek::agent {

struct MemoryEstimate {
  int64_t weights_bytes = 0;       ///< of the files that are read, MTP layers left out
  int64_t packed_bytes = 0;        ///< the same weights in the layout of the CPU backend
  int64_t kv_bytes_per_token = 0;
  int64_t kv_bytes = 0;            ///< of max_batch sequences of max_context tokens
  int64_t activation_bytes = 0;    ///< step buffers
  int64_t weight_bytes_per_token = 0;  ///< packed bytes that one token alone reads: of the routed experts its top-k only
  int64_t total_bytes() const { return packed_bytes + kv_bytes + activation_bytes; }
};

/// `options` are resolved; max_context 0 means the model's limit.
MemoryEstimate EstimateMemory(const engine::ModelSpec& spec, const engine::ModelOptions& options,
                              const engine::Checkpoint& checkpoint);

}  // namespace deepseek::agent
