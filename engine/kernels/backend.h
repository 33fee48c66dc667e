#pragma once
// The seam between model code and hardware: coarse operations over opaque buffers.
//
// Operations *enqueue*: they may return before the work is done, run in the order of the calls, and
// their inputs and outputs are Buffers, never host pointers. Everything is allocated at load
// (weights, cache, step buffers); a step allocates nothing. Failures of the device surface in
// Synchronize().
//
// The bits of a row. Each operation computes a row from that row's inputs alone, in an order of
// arithmetic that does not depend on how many rows there are, on the other rows, or on the number
// of threads.

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/arch/model_spec.h"
#include "engine/arch/options.h"
#include "engine/kernels/buffer.h"
#include "engine/kernels/kv_tile.h"
#include "engine/kernels/sampling.h"
#include "engine/kernels/step.h"
#include "engine/kernels/weight.h"

namespace deepseek::engine {

/// cos and sin of every position, already times the family's factor. F32 [max_positions, rope_dim /
/// 2] each.
struct RopeTable {
  Buffer cos, sin;
  RopeLayout layout = RopeLayout::kInterleaved;
};

/// One layer's paged latent cache, F32, bf16 or I8: [blocks, kBlockTokens, KvRowElements], each
/// block a tile of kv_shape() (kv_tile.h).
struct MlaLayer {
  Buffer cache;
  Buffer latent_norm;  ///< F32 [kv_lora_rank]
  /// Per head [kv_lora_rank, nope_dim]: slices of kv_b_proj, transposed, so that moving queries
  /// into the latent space is a product like any other.
  absl::Span<const PackedWeight> k_up;
  absl::Span<const PackedWeight> v_up;  ///< per head [v_dim, kv_lora_rank]
  int32_t heads = 0, kv_lora_rank = 0, nope_dim = 0, rope_dim = 0, v_dim = 0;
  float latent_eps = 1e-6F;
  float softmax_scale = 1;

  KvShape kv_shape() const { return {kv_lora_rank + rope_dim, kv_lora_rank}; }
};

/// One layer's experts.
struct MoeLayer {
  absl::Span<const FfnWeights> experts;  ///< routed
  int32_t experts_per_token = 0;
  const FfnWeights* shared = nullptr;  ///< the shared ones as one wide unit; null: none
};

/// One layer's paged keys and values, F32, bf16 or I8: shape [blocks, kBlockTokens, 2 * kv_heads *
/// KvRowElements], and within a block [kv_heads][K, V] tiles of kv_shape() (kv_tile.h). A tile of
/// one kv head is thus one contiguous run, and so is what one work item streams (K and V of a
/// head).
struct GqaLayer {
  Buffer cache;
  int32_t heads = 0, kv_heads = 0, head_dim = 0;  ///< kv_heads divides heads
  float softmax_scale = 1;

  KvShape kv_shape() const { return {head_dim, head_dim}; }
  /// Offset within the cache of the tile of `head` in `block`, in bytes; V follows K.
  int64_t TileBytesOffset(int32_t block, int32_t head, bool value) const {
    return ((int64_t{block} * kv_heads + head) * 2 + (value ? 1 : 0)) *
           KvTileBytes(cache.dtype, kv_shape());
  }
};

struct RouteSpec {
  Router router = Router::kSigmoidNoauxTc;
  int32_t experts = 0, experts_per_token = 0, groups = 1, groups_kept = 1;
  bool normalize = false;
  float scale = 1;
};

/// The largest step, and the widest operands in it.
struct StepPlan {
  int32_t max_rows = 0, max_logit_rows = 0;
  int32_t hidden = 0;
  int32_t ffn_intermediate = 0;  ///< widest Ffn (dense layers, shared experts)
  int32_t experts = 0, experts_per_token = 0, expert_intermediate = 0;         ///< 0: no Moe
  int32_t heads = 0, kv_lora_rank = 0, nope_dim = 0, rope_dim = 0, v_dim = 0;  ///< MLA
  int32_t kv_heads = 0, head_dim = 0;  ///< GQA (heads as above); 0: no GqaAttend
};

/// Rows that are packed together.
inline constexpr int64_t kPackRows = 16;

/// Not thread-safe: one caller. Each operation works on the rows of the current step (BeginStep)
/// unless it says else.
class Backend {
 public:
  virtual ~Backend() = default;
  /// "reference", "cpu (avx512)", ...
  virtual std::string_view name() const = 0;
  /// Counts finished pieces of work; a hung device does not move it. Any thread.
  virtual int64_t progress() const = 0;

  // Memory, at load time. kResourceExhausted names the bytes. Zero-filled, and
  // taken at once: what a load holds afterwards is what it will ever hold. `bulk`: large and
  // streamed (huge pages).
  virtual absl::StatusOr<Buffer> Allocate(const std::array<int64_t, 3>& shape, DType dtype,
                                          bool bulk) = 0;
  /// Packs a linear's weight into the backend's layout. kUnimplemented: an element type that it
  /// does not take.
  virtual absl::StatusOr<PackedWeight> Pack(const HostMatrix& matrix) = 0;
  /// The two halves of Pack, for a loader that has threads of its own. Place makes room (reads no
  /// values: `data` and `scales` may be null; one caller, as all the rest); Fill writes the rows
  /// [row_begin, row_end), both multiples of kPackRows or the matrix's end, from any thread.
  virtual absl::StatusOr<PackedWeight> Place(const HostMatrix& matrix) = 0;
  virtual void Fill(const PackedWeight& weight, const HostMatrix& matrix, int64_t row_begin,
                    int64_t row_end) = 0;
  /// Bytes held by packed weights; by all buffers of Allocate; by scratch (after Plan).
  virtual int64_t weight_bytes() const = 0;
  virtual int64_t buffer_bytes() const = 0;
  virtual int64_t scratch_bytes() const = 0;
  /// Bytes of this process in huge pages (0: unknown).
  virtual int64_t huge_page_bytes() const = 0;

  // Tools and load: these two wait for the work before them.
  virtual absl::Status Upload(const Buffer& to, absl::Span<const uint8_t> bytes) = 0;
  virtual absl::Status Download(const Buffer& from, absl::Span<uint8_t> bytes) = 0;

  /// Plans scratch for the largest step. Once, after the weights are packed and before the first
  /// BeginStep.
  virtual absl::Status Plan(const StepPlan& plan) = 0;
  /// Starts a step; copies what it needs of `input`.
  virtual void BeginStep(const StepInput& input) = 0;

  /// out F32 [rows, hidden] = table[token]; table is F32, bf16 or F16 [vocab, hidden].
  virtual void Embed(const Buffer& table, const Buffer& out) = 0;
  /// out[r] = x[r] / sqrt(mean(x[r]^2) + eps) * weight; F32 [rows, n]; `rows` rows of x. In place
  /// is allowed.
  virtual void RmsNorm(const Buffer& x, const Buffer& weight, float eps, int64_t rows,
                       const Buffer& out) = 0;
  /// out[r] = x[r] W^T (accumulate: added to out). F32 [rows, cols] -> [rows, W.rows].
  virtual void Linear(const Buffer& x, const PackedWeight& weight, int64_t rows, bool accumulate,
                      const Buffer& out) = 0;
  /// Rotates, in place, the last rope_dim channels of each head of q F32 [rows, heads, head_dim].
  virtual void Rope(const Buffer& q, int32_t heads, int32_t head_dim, int32_t rope_dim,
                    const RopeTable& table) = 0;
  /// Writes the step's rows into the cache, in its type: [rms_norm(latent) | rope(key)] of kv F32
  /// [rows, lora + rope].
  virtual void MlaAppend(const Buffer& kv, const MlaLayer& layer, const RopeTable& table) = 0;
  /// Causal attention of q F32 [rows, heads, nope + rope] over the cache -> out F32 [rows, heads,
  /// v_dim]. The form follows Segment::path. Both read K and V from the cached latent only.
  virtual void MlaAttend(const Buffer& q, const MlaLayer& layer, const Buffer& out) = 0;
  /// Writes the step's rows into the cache, in its type: rope(k) and v, F32 [rows, kv_heads *
  /// head_dim] each. May rotate k in place.
  virtual void GqaAppend(const Buffer& k, const Buffer& v, const GqaLayer& layer,
                         const RopeTable& table) = 0;
  /// Causal attention of q F32 [rows, heads, head_dim] (rotated) over the cache -> out, of the same
  /// shape. Query head h reads kv head h / (heads / kv_heads). One form for both paths.
  virtual void GqaAttend(const Buffer& q, const GqaLayer& layer, const Buffer& out) = 0;
  /// x[r] += bias; x F32 [rows, n], bias F32 [n].
  virtual void AddBias(const Buffer& bias, int64_t rows, const Buffer& x) = 0;
  /// scores F32 [rows, experts] (raw, W x), bias F32 [experts] or none -> ids I32, weights F32
  /// [rows, top-k], best first.
  virtual void Route(const Buffer& scores, const Buffer& bias, const RouteSpec& spec,
                     const Buffer& ids, const Buffer& weights) = 0;
  /// out[r] += sum over k (in top-k order) weights[r][k] * expert[ids[r][k]](x[r]), then
  /// shared(x[r]) where there is one.
  virtual void Moe(const Buffer& x, const Buffer& ids, const Buffer& weights, const MoeLayer& layer,
                   const Buffer& out) = 0;
  /// out[r] += ffn(x[r]).
  virtual void Ffn(const Buffer& x, const FfnWeights& ffn, const Buffer& out) = 0;
  /// out F32 [logit rows, n] = the step's logit rows of x.
  virtual void GatherLogitRows(const Buffer& x, const Buffer& out) = 0;

  /// One result per spec, in order; written when Synchronize() has returned. The specs' pointers
  /// and `results` must live until then.
  virtual void Sample(const Buffer& logits, absl::Span<const SampleSpec> specs,
                      std::vector<SampleResult>* results) = 0;
  /// Waits for everything enqueued. Errors: kInternal / kUnavailable of the device.
  virtual absl::Status Synchronize() = 0;
};

/// Options are resolved. engine/kernels/cpu/cpu_backend.h and
/// engine/kernels/reference/reference_backend.h make them.
struct BackendOptions {
  Compute compute = Compute::kFp32;
  int threads = 0;  ///< 0: the CPUs that the cgroup gives
};

}  // namespace deepseek::engine
