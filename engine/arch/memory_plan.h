#pragma once
// How much memory a model takes, before anything is allocated. Pure: shapes and options in, bytes
// out. A load follows the plan to the byte (tests compare it with what the backend holds), so the
// numbers that `inspect` prints, a refused load names and the operator asks of a node are the same.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "engine/arch/dtype.h"
#include "engine/arch/model_spec.h"
#include "engine/arch/options.h"

namespace deepseek::engine {

enum class WeightPart : uint8_t {
  kEmbedding,
  kHead,
  kAttention,
  kDense,    ///< feed-forward part of dense layers
  kShared,   ///< shared experts
  kExperts,  ///< routed experts
  kRouter,
  kNorms,  ///< norms and biases
  kMtp,    ///< all of the multi-token-prediction layers
};
inline constexpr size_t kWeightParts = 9;
/// "embedding", "head", ...
std::string_view Name(WeightPart part);

/// A tensor, or `count` slices of one that are kept apart.
struct PlannedTensor {
  enum class Keep : uint8_t {
    kTable,   ///< rows in the stored type
    kVector,  ///< F32
    kLinear,  ///< packed, quantised when the options say so
    kNative,  ///< packed in the stored type
  };
  WeightPart part = WeightPart::kNorms;
  Keep keep = Keep::kVector;
  DType stored = DType::kF32;
  int64_t rows = 0, cols = 1, count = 1;
  bool transposed = false;
  int64_t first_col = 0;  ///< place of the slices in the tensor (of its transpose)
};

/// The largest step of the serving loop, as LoadModel lays it out.
struct StepShape {
  int32_t rows = 512, logit_rows = 64;
  int32_t threads = 1;
  bool bf16_products = true;  ///< of the CPU
};

/// Rows of the largest step of a serving loop. With MLA every chunk of a prompt expands the keys
/// and values of its whole context, at the cost of some 400 rows (V2, V3): longer contexts get
/// longer chunks, half of them, at most 2,048 rows. Who watches the time of a step cuts shorter
/// ones (engine/schedule).
int32_t StepRowsFor(const ModelSpec& spec, int32_t max_context);

struct MemoryPlan {
  // What must fit.
  std::array<int64_t, kWeightParts> part_bytes{};  ///< as kept, by WeightPart
  int64_t table_bytes = 0;                         ///< rope angles of every position
  int64_t step_bytes = 0;                          ///< buffers between operations
  int64_t scratch_bytes = 0;                       ///< the backend's own
  int64_t overhead_bytes = 0;                      ///< program, threads, tokenizer
  int64_t kv_block_bytes = 0;                      ///< one block of 64 tokens in all layers
  int64_t kv_blocks = 0;
  // What it is made of.
  int64_t kv_bytes_per_token = 0;
  int64_t blocks_per_sequence = 0;     ///< of max_context tokens
  int64_t weight_bytes_per_token = 0;  ///< packed bytes that one token alone reads
  int32_t max_context = 0, max_batch = 0;

  int64_t packed_bytes() const;
  /// Everything between weights and cache: rope angles, step buffers, scratch.
  int64_t activation_bytes() const { return table_bytes + step_bytes + scratch_bytes; }
  int64_t kv_bytes() const { return kv_blocks * kv_block_bytes; }
  int64_t fixed_bytes() const { return packed_bytes() + activation_bytes() + overhead_bytes; }
  int64_t total_bytes() const { return fixed_bytes() + kv_bytes(); }
  /// The least that serves: the cache holds one sequence of max_context tokens.
  int64_t least_bytes() const { return fixed_bytes() + blocks_per_sequence * kv_block_bytes; }
};

/// Numbers of one token in one layer's cache, in bytes.
int64_t KvRowBytes(const ModelSpec& spec, KvType type);

/// `options` are resolved, with max_context set. The cache gets kv_memory_bytes when set; else
/// enough for max_batch sequences, of which at most half of what `available_bytes` leaves beside
/// the rest is taken, yet never less than one sequence. Whether it fits is CheckPlan's question.
MemoryPlan PlanMemory(const ModelSpec& spec, const ModelOptions& options, const StepShape& step,
                      absl::Span<const PlannedTensor> tensors, int64_t available_bytes);

/// What fits into `bytes` with everything but the cache unchanged; 0 when nothing does.
struct Fit {
  int64_t kv_blocks = 0;
  int32_t sequences = 0;  ///< of max_context tokens at once
  int32_t context = 0;    ///< tokens of one sequence alone, within the model's limit
};
Fit FitInto(const MemoryPlan& plan, const ModelSpec& spec, int64_t bytes);

/// OK, or kResourceExhausted with what is needed, what there is and what would fit. `where` names
/// the model, `limit` what sets `available_bytes` ("the cgroup").
absl::Status CheckPlan(const ModelSpec& spec, const ModelOptions& options, const StepShape& step,
                       absl::Span<const PlannedTensor> tensors, int64_t available_bytes,
                       std::string_view where, std::string_view limit);

/// What would make it fit, as flags: "--max-context 8192", "--weights int4". Empty: it fits, or
/// nothing helps.
std::vector<std::string> Remedies(const ModelSpec& spec, const ModelOptions& options,
                                  const StepShape& step, absl::Span<const PlannedTensor> tensors,
                                  int64_t available_bytes);

/// "1.50 GiB".
std::string BytesText(int64_t bytes);

}  // namespace deepseek::engine
