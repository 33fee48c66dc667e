#include <utility>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "engine/model/layer.h"
#include "engine/model/rope.h"

namespace deepseek::engine {
namespace {

// The norms inside MLA use 1e-6 whatever rms_norm_eps says (DeepSeek-V3, inference/model.py).
constexpr float kLatentEps = 1e-6F;

class MlaAttention : public AttentionPart {
 public:
  explicit MlaAttention(const ModelSpec& spec) : spec_(spec) {}
  absl::Status Load(const std::string& prefix, WeightLoader* loader);
  void Forward(const LayerStep& step, const Buffer& cache, const Buffer& normed,
               const Buffer& x) const override;

 private:
  const ModelSpec& spec_;
  PackedWeight q_a_;                // [q_lora, hidden]; none: q_b reads hidden
  Buffer q_a_norm_;                 // [q_lora]
  PackedWeight q_b_;                // [heads * (nope + rope), q_lora or hidden]
  PackedWeight kv_a_;               // [kv_lora + rope, hidden]
  Buffer kv_a_norm_;                // [kv_lora]
  std::vector<PackedWeight> k_up_;  // per head [kv_lora, nope]
  std::vector<PackedWeight> v_up_;  // per head [v, kv_lora]
  PackedWeight o_;                  // [hidden, heads * v]
};

absl::Status MlaAttention::Load(const std::string& prefix, WeightLoader* loader) {
  if (spec_.q_lora_rank > 0) {
    ASSIGN_OR_RETURN(q_a_, loader->Linear(prefix + "q_a_proj"));
    ASSIGN_OR_RETURN(q_a_norm_, loader->Vector(prefix + "q_a_layernorm.weight"));
    ASSIGN_OR_RETURN(q_b_, loader->Linear(prefix + "q_b_proj"));
  } else {
    ASSIGN_OR_RETURN(q_b_, loader->Linear(prefix + "q_proj"));
  }
  ASSIGN_OR_RETURN(kv_a_, loader->Linear(prefix + "kv_a_proj_with_mqa"));
  ASSIGN_OR_RETURN(kv_a_norm_, loader->Vector(prefix + "kv_a_layernorm.weight"));
  // Rows of kv_b_proj are grouped per head, [nope | v].
  ASSIGN_OR_RETURN(const HostMatrix kv_b, loader->Matrix(prefix + "kv_b_proj"));
  const int64_t step = spec_.nope_dim + spec_.v_dim;
  // All of a kind beside each other: a product with all heads reads one stream.
  for (int64_t row = 0; row < spec_.heads * step; row += step) {
    const HostMatrix up = kv_b.Slice(row, spec_.nope_dim, 0, spec_.kv_lora_rank);
    ASSIGN_OR_RETURN(k_up_.emplace_back(), loader->Pack(up.Transposed()));
  }
  for (int64_t row = spec_.nope_dim; row < spec_.heads * step; row += step) {
    const HostMatrix up = kv_b.Slice(row, spec_.v_dim, 0, spec_.kv_lora_rank);
    ASSIGN_OR_RETURN(v_up_.emplace_back(), loader->Pack(up));
  }
  ASSIGN_OR_RETURN(o_, loader->Linear(prefix + "o_proj"));
  return absl::OkStatus();
}

void MlaAttention::Forward(const LayerStep& step, const Buffer& cache, const Buffer& normed,
                           const Buffer& x) const {
  Backend* backend = step.backend;
  const StepBuffers& s = *step.buffers;
  if (q_a_) {
    backend->Linear(normed, q_a_, step.rows, false, s.q_a);
    backend->RmsNorm(s.q_a, q_a_norm_, kLatentEps, step.rows, s.q_a);
    backend->Linear(s.q_a, q_b_, step.rows, false, s.q);
  } else {
    backend->Linear(normed, q_b_, step.rows, false, s.q);
  }
  backend->Rope(s.q, spec_.heads, spec_.nope_dim + spec_.rope_dim, spec_.rope_dim, *step.rope);
  backend->Linear(normed, kv_a_, step.rows, false, s.kv);
  MlaLayer layer;
  layer.cache = cache;
  layer.latent_norm = kv_a_norm_;
  layer.k_up = k_up_;
  layer.v_up = v_up_;
  layer.heads = spec_.heads;
  layer.kv_lora_rank = spec_.kv_lora_rank;
  layer.nope_dim = spec_.nope_dim;
  layer.rope_dim = spec_.rope_dim;
  layer.v_dim = spec_.v_dim;
  layer.latent_eps = kLatentEps;
  layer.softmax_scale = static_cast<float>(MlaSoftmaxScale(spec_));
  // Written before anyone reads: a row attends to itself through the cache, in the cache's type.
  backend->MlaAppend(s.kv, layer, *step.rope);
  backend->MlaAttend(s.q, layer, s.attended);
  backend->Linear(s.attended, o_, step.rows, true, x);
}

}  // namespace

absl::StatusOr<std::unique_ptr<AttentionPart>> MakeMlaAttention(const ModelSpec& spec,
                                                                int32_t layer,
                                                                WeightLoader* loader) {
  auto attention = std::make_unique<MlaAttention>(spec);
  RETURN_IF_ERROR(attention->Load(StrCat("model.layers.", layer, ".self_attn."), loader));
  return attention;
}

}  // namespace deepseek::engine
