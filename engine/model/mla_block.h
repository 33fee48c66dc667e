#pragma once
// One decoder layer of the MLA families: latent attention, then a dense or a mixture-of-experts
// feed-forward part.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/arch/model_spec.h"
#include "engine/kernels/backend.h"
#include "engine/model/weight_loader.h"

namespace deepseek::engine {

struct MlaBlockWeights {
  Buffer input_norm;                     // [hidden]
  PackedWeight q_a;                      // [q_lora, hidden]; none: q_b reads hidden
  Buffer q_a_norm;                       // [q_lora]
  PackedWeight q_b;                      // [heads * (nope + rope), q_lora or hidden]
  PackedWeight kv_a;                     // [kv_lora + rope, hidden]
  Buffer kv_a_norm;                      // [kv_lora]
  std::vector<PackedWeight> k_up, v_up;  // per head [nope or v, kv_lora]
  PackedWeight o;                        // [hidden, heads * v]
  Buffer post_norm;                      // [hidden]
  FfnWeights dense;                      // dense layers
  PackedWeight router;                   // [experts, hidden]
  Buffer router_bias;                    // [experts]
  std::vector<FfnWeights> experts;
  FfnWeights shared;  // all shared experts as one unit; may be none
};

absl::StatusOr<MlaBlockWeights> LoadMlaBlock(const ModelSpec& spec, int32_t layer,
                                             WeightLoader* loader);

/// Step buffers, planned once. F32 [max_rows, n] unless said otherwise.
struct MlaScratch {
  Buffer normed;          // [rows, hidden]
  Buffer q_a;             // [rows, q_lora]
  Buffer q;               // [rows, heads, nope + rope]
  Buffer kv;              // [rows, kv_lora + rope]
  Buffer attended;        // [rows, heads * v]
  Buffer scores;          // [rows, experts]
  Buffer expert_ids;      // I32 [rows, top-k]
  Buffer expert_weights;  // [rows, top-k]
};
absl::StatusOr<MlaScratch> PlanMlaScratch(const ModelSpec& spec, int32_t max_rows,
                                          Backend* backend);

/// x += attention(norm(x)); x += ffn(norm(x)), over the rows of the current step. `cache`: this
/// layer's.
void ForwardMlaBlock(const ModelSpec& spec, const MlaBlockWeights& weights,
                     const MlaScratch& scratch, const Buffer& cache, const RopeTable& rope,
                     int64_t rows, const Buffer& x, Backend* backend);

}  // namespace deepseek::engine
