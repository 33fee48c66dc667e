#include <cmath>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "engine/model/layer.h"

namespace deepseek::engine {
namespace {

class GqaAttention : public AttentionPart {
 public:
  explicit GqaAttention(const ModelSpec& spec) : spec_(spec) {}
  absl::Status Load(const std::string& prefix, WeightLoader* loader);
  void Forward(const LayerStep& step, const Buffer& cache, const Buffer& normed,
               const Buffer& x) const override;

 private:
  const ModelSpec& spec_;
  PackedWeight q_;                   // [heads * head_dim, hidden]
  PackedWeight k_, v_;               // [kv_heads * head_dim, hidden]
  Buffer q_bias_, k_bias_, v_bias_;  // as the rows of their weights; or none
  PackedWeight o_;                   // [hidden, heads * head_dim]
};

absl::Status GqaAttention::Load(const std::string& prefix, WeightLoader* loader) {
  ASSIGN_OR_RETURN(q_, loader->Linear(prefix + "q_proj"));
  ASSIGN_OR_RETURN(k_, loader->Linear(prefix + "k_proj"));
  ASSIGN_OR_RETURN(v_, loader->Linear(prefix + "v_proj"));
  if (spec_.qkv_bias) {
    ASSIGN_OR_RETURN(q_bias_, loader->Vector(prefix + "q_proj.bias"));
    ASSIGN_OR_RETURN(k_bias_, loader->Vector(prefix + "k_proj.bias"));
    ASSIGN_OR_RETURN(v_bias_, loader->Vector(prefix + "v_proj.bias"));
  }
  ASSIGN_OR_RETURN(o_, loader->Linear(prefix + "o_proj"));
  return absl::OkStatus();
}

void GqaAttention::Forward(const LayerStep& step, const Buffer& cache, const Buffer& normed,
                           const Buffer& x) const {
  Backend* backend = step.backend;
  const StepBuffers& s = *step.buffers;
  backend->Linear(normed, q_, step.rows, false, s.q);
  backend->Linear(normed, k_, step.rows, false, s.k);
  backend->Linear(normed, v_, step.rows, false, s.v);
  if (spec_.qkv_bias) {
    backend->AddBias(q_bias_, step.rows, s.q);
    backend->AddBias(k_bias_, step.rows, s.k);
    backend->AddBias(v_bias_, step.rows, s.v);
  }
  backend->Rope(s.q, spec_.heads, spec_.head_dim, spec_.head_dim, *step.rope);
  GqaLayer layer;
  layer.cache = cache;
  layer.heads = spec_.heads;
  layer.kv_heads = spec_.kv_heads;
  layer.head_dim = spec_.head_dim;
  // Yarn's temperature is in the table's cos and sin here, not in the scale.
  layer.softmax_scale = static_cast<float>(1 / std::sqrt(static_cast<double>(spec_.head_dim)));
  // Written before anyone reads: a row attends to itself through the cache, in the cache's type.
  backend->GqaAppend(s.k, s.v, layer, *step.rope);
  backend->GqaAttend(s.q, layer, s.attended);
  backend->Linear(s.attended, o_, step.rows, true, x);
}

}  // namespace

absl::StatusOr<std::unique_ptr<AttentionPart>> MakeGqaAttention(const ModelSpec& spec,
                                                                int32_t layer,
                                                                WeightLoader* loader) {
  auto attention = std::make_unique<GqaAttention>(spec);
  RETURN_IF_ERROR(attention->Load(StrCat("model.layers.", layer, ".self_attn."), loader));
  return attention;
}

}  // namespace deepseek::engine
