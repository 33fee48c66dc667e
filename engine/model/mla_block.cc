#include "engine/model/mla_block.h"

#include "base/status.h"
#include "base/strings.h"
#include "engine/model/rope.h"

namespace deepseek::engine {
namespace {

// The norms inside MLA use 1e-6 whatever rms_norm_eps says (DeepSeek-V3, inference/model.py).
constexpr float kLatentEps = 1e-6F;

absl::Status LoadAttention(const ModelSpec& spec, const std::string& prefix, WeightLoader* loader,
                           MlaBlockWeights* w) {
  if (spec.q_lora_rank > 0) {
    ASSIGN_OR_RETURN(w->q_a, loader->Linear(prefix + "q_a_proj"));
    ASSIGN_OR_RETURN(w->q_a_norm, loader->Vector(prefix + "q_a_layernorm.weight"));
    ASSIGN_OR_RETURN(w->q_b, loader->Linear(prefix + "q_b_proj"));
  } else {
    ASSIGN_OR_RETURN(w->q_b, loader->Linear(prefix + "q_proj"));
  }
  ASSIGN_OR_RETURN(w->kv_a, loader->Linear(prefix + "kv_a_proj_with_mqa"));
  ASSIGN_OR_RETURN(w->kv_a_norm, loader->Vector(prefix + "kv_a_layernorm.weight"));
  // Rows of kv_b_proj are grouped per head, [nope | v].
  ASSIGN_OR_RETURN(const HostMatrix kv_b, loader->Matrix(prefix + "kv_b_proj"));
  for (int64_t h = 0; h < spec.heads; ++h) {
    const int64_t row = h * (spec.nope_dim + spec.v_dim);
    ASSIGN_OR_RETURN(const PackedWeight k,
                     loader->Pack(kv_b.Slice(row, spec.nope_dim, 0, spec.kv_lora_rank)));
    ASSIGN_OR_RETURN(const PackedWeight v, loader->Pack(kv_b.Slice(row + spec.nope_dim, spec.v_dim,
                                                                   0, spec.kv_lora_rank)));
    w->k_up.push_back(k);
    w->v_up.push_back(v);
  }
  ASSIGN_OR_RETURN(w->o, loader->Linear(prefix + "o_proj"));
  return absl::OkStatus();
}

absl::Status LoadExperts(const ModelSpec& spec, const std::string& prefix, WeightLoader* loader,
                         MlaBlockWeights* w) {
  ASSIGN_OR_RETURN(w->router, loader->ExactLinear(prefix + "gate"));
  ASSIGN_OR_RETURN(w->router_bias, loader->Vector(prefix + "gate.e_score_correction_bias"));
  for (int32_t e = 0; e < spec.experts; ++e) {
    ASSIGN_OR_RETURN(const FfnWeights expert, loader->Ffn(StrCat(prefix, "experts.", e, ".")));
    w->experts.push_back(expert);
  }
  if (spec.shared_experts > 0) {
    ASSIGN_OR_RETURN(w->shared, loader->Ffn(prefix + "shared_experts."));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<MlaBlockWeights> LoadMlaBlock(const ModelSpec& spec, int32_t layer,
                                             WeightLoader* loader) {
  const std::string prefix = StrCat("model.layers.", layer, ".");
  MlaBlockWeights w;
  ASSIGN_OR_RETURN(w.input_norm, loader->Vector(prefix + "input_layernorm.weight"));
  RETURN_IF_ERROR(LoadAttention(spec, prefix + "self_attn.", loader, &w));
  ASSIGN_OR_RETURN(w.post_norm, loader->Vector(prefix + "post_attention_layernorm.weight"));
  if (spec.moe_layer(layer)) {
    RETURN_IF_ERROR(LoadExperts(spec, prefix + "mlp.", loader, &w));
  } else {
    ASSIGN_OR_RETURN(w.dense, loader->Ffn(prefix + "mlp."));
  }
  return w;
}

absl::StatusOr<MlaScratch> PlanMlaScratch(const ModelSpec& spec, int32_t max_rows,
                                          Backend* backend) {
  const auto plan = [&](int64_t width, DType dtype) {
    return backend->Allocate({max_rows, width, 0}, dtype, false);
  };
  const int64_t q_dim = spec.nope_dim + spec.rope_dim;
  MlaScratch s;
  ASSIGN_OR_RETURN(s.normed, plan(spec.hidden, DType::kF32));
  if (spec.q_lora_rank > 0) {
    ASSIGN_OR_RETURN(s.q_a, plan(spec.q_lora_rank, DType::kF32));
  }
  ASSIGN_OR_RETURN(s.q, plan(spec.heads * q_dim, DType::kF32));
  ASSIGN_OR_RETURN(s.kv, plan(spec.kv_lora_rank + spec.rope_dim, DType::kF32));
  ASSIGN_OR_RETURN(s.attended, plan(int64_t{spec.heads} * spec.v_dim, DType::kF32));
  ASSIGN_OR_RETURN(s.scores, plan(spec.experts, DType::kF32));
  ASSIGN_OR_RETURN(s.expert_ids, plan(spec.experts_per_token, DType::kI32));
  ASSIGN_OR_RETURN(s.expert_weights, plan(spec.experts_per_token, DType::kF32));
  return s;
}

void ForwardMlaBlock(const ModelSpec& spec, const MlaBlockWeights& w, const MlaScratch& s,
                     const Buffer& cache, const RopeTable& rope, int64_t rows, const Buffer& x,
                     Backend* backend) {
  const auto eps = static_cast<float>(spec.rms_norm_eps);
  backend->RmsNorm(x, w.input_norm, eps, rows, s.normed);
  if (w.q_a) {
    backend->Linear(s.normed, w.q_a, rows, false, s.q_a);
    backend->RmsNorm(s.q_a, w.q_a_norm, kLatentEps, rows, s.q_a);
    backend->Linear(s.q_a, w.q_b, rows, false, s.q);
  } else {
    backend->Linear(s.normed, w.q_b, rows, false, s.q);
  }
  backend->Rope(s.q, spec.heads, spec.nope_dim + spec.rope_dim, spec.rope_dim, rope);
  backend->Linear(s.normed, w.kv_a, rows, false, s.kv);
  MlaLayer layer;
  layer.cache = cache;
  layer.latent_norm = w.kv_a_norm;
  layer.k_up = w.k_up;
  layer.v_up = w.v_up;
  layer.heads = spec.heads;
  layer.kv_lora_rank = spec.kv_lora_rank;
  layer.nope_dim = spec.nope_dim;
  layer.rope_dim = spec.rope_dim;
  layer.v_dim = spec.v_dim;
  layer.latent_eps = kLatentEps;
  layer.softmax_scale = static_cast<float>(MlaSoftmaxScale(spec));
  // Written before anyone reads: a row attends to itself through the cache, in the cache's type.
  backend->MlaAppend(s.kv, layer, rope);
  backend->MlaAttend(s.q, layer, s.attended);
  backend->Linear(s.attended, w.o, rows, true, x);

  backend->RmsNorm(x, w.post_norm, eps, rows, s.normed);
  if (w.experts.empty()) {
    backend->Ffn(s.normed, w.dense, x);
    return;
  }
  RouteSpec route;
  route.router = spec.router;
  route.experts = spec.experts;
  route.experts_per_token = spec.experts_per_token;
  route.groups = spec.expert_groups;
  route.groups_kept = spec.groups_kept;
  route.normalize = spec.normalize_topk;
  route.scale = static_cast<float>(spec.routed_scale);
  backend->Linear(s.normed, w.router, rows, false, s.scores);
  backend->Route(s.scores, w.router_bias, route, s.expert_ids, s.expert_weights);
  backend->Moe(s.normed, s.expert_ids, s.expert_weights, spec.experts_per_token, w.experts, x);
  if (w.shared.gate) backend->Ffn(s.normed, w.shared, x);
}

}  // namespace deepseek::engine
