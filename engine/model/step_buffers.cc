#include "engine/model/step_buffers.h"

#include <algorithm>

#include "base/status.h"

namespace deepseek::engine {

StepLimits StepLimitsFor(const ModelSpec& spec, int32_t max_context) {
  StepLimits limits;
  limits.max_rows = StepRowsFor(spec, max_context);
  return limits;
}

StepPlan StepPlanOf(const ModelSpec& spec, const StepLimits& limits) {
  StepPlan plan;
  plan.max_rows = limits.max_rows;
  plan.max_logit_rows = limits.max_logit_rows;
  plan.hidden = spec.hidden;
  const bool dense = spec.experts == 0 || spec.first_dense_layers > 0;
  plan.ffn_intermediate =
      std::max(dense ? spec.dense_intermediate : 0, spec.shared_experts * spec.expert_intermediate);
  plan.experts = spec.experts;
  plan.experts_per_token = spec.experts_per_token;
  plan.expert_intermediate = spec.expert_intermediate;
  plan.heads = spec.heads;
  if (spec.attention == Attention::kMla) {
    plan.kv_lora_rank = spec.kv_lora_rank;
    plan.nope_dim = spec.nope_dim;
    plan.rope_dim = spec.rope_dim;
    plan.v_dim = spec.v_dim;
  } else {
    plan.kv_heads = spec.kv_heads;
    plan.head_dim = spec.head_dim;
  }
  return plan;
}

absl::StatusOr<StepBuffers> AllocateStepBuffers(const ModelSpec& spec, const StepLimits& limits,
                                                Backend* backend) {
  const auto rows = [&](int64_t width, DType dtype = DType::kF32) {
    return backend->Allocate({limits.max_rows, width, 0}, dtype, false);
  };
  StepBuffers b;
  ASSIGN_OR_RETURN(b.x, rows(spec.hidden));
  ASSIGN_OR_RETURN(b.normed, rows(spec.hidden));
  ASSIGN_OR_RETURN(b.q, rows(int64_t{spec.heads} * spec.head_dim));
  if (spec.attention == Attention::kMla) {
    if (spec.q_lora_rank > 0) {
      ASSIGN_OR_RETURN(b.q_a, rows(spec.q_lora_rank));
    }
    ASSIGN_OR_RETURN(b.kv, rows(spec.kv_width()));
    ASSIGN_OR_RETURN(b.attended, rows(int64_t{spec.heads} * spec.v_dim));
  } else {
    ASSIGN_OR_RETURN(b.k, rows(spec.kv_width() / 2));
    ASSIGN_OR_RETURN(b.v, rows(spec.kv_width() / 2));
    ASSIGN_OR_RETURN(b.attended, rows(int64_t{spec.heads} * spec.head_dim));
  }
  if (spec.experts > 0) {
    ASSIGN_OR_RETURN(b.scores, rows(spec.experts));
    ASSIGN_OR_RETURN(b.expert_ids, rows(spec.experts_per_token, DType::kI32));
    ASSIGN_OR_RETURN(b.expert_weights, rows(spec.experts_per_token));
  }
  const int64_t wanted = limits.max_logit_rows;
  ASSIGN_OR_RETURN(b.last, backend->Allocate({wanted, spec.hidden, 0}, DType::kF32, false));
  ASSIGN_OR_RETURN(b.logits, backend->Allocate({wanted, spec.vocab, 0}, DType::kF32, false));
  return b;
}

}  // namespace deepseek::engine
