#pragma once
// The buffers of a step, planned once for the largest one: no allocation while serving.

#include "absl/status/statusor.h"
#include "engine/arch/memory_plan.h"
#include "engine/arch/model_spec.h"
#include "engine/kernels/backend.h"
#include "engine/model/model.h"

namespace deepseek::engine {

/// F32 [max_rows, n] unless said otherwise. Only those that the model's kind of attention and
/// feed-forward part use are there.
struct StepBuffers {
  Buffer x;               // [rows, hidden]: the residual stream
  Buffer normed;          // [rows, hidden]
  Buffer q_a;             // MLA [rows, q_lora]
  Buffer q;               // [rows, heads, nope + rope or head_dim]
  Buffer kv;              // MLA [rows, kv_lora + rope]
  Buffer k, v;            // GQA [rows, kv_heads, head_dim]
  Buffer attended;        // [rows, heads * v_dim or head_dim]
  Buffer scores;          // MoE [rows, experts]
  Buffer expert_ids;      // MoE I32 [rows, top-k]
  Buffer expert_weights;  // MoE [rows, top-k]
  Buffer last;            // [logit rows, hidden]
  Buffer logits;          // [logit rows, vocab]
};

/// The largest step for sequences of up to `max_context` tokens (StepRowsFor).
StepLimits StepLimitsFor(const ModelSpec& spec, int32_t max_context);

/// The widest operands of a step of this model.
StepPlan StepPlanOf(const ModelSpec& spec, const StepLimits& limits);
absl::StatusOr<StepBuffers> AllocateStepBuffers(const ModelSpec& spec, const StepLimits& limits,
                                                Backend* backend);

}  // namespace deepseek::engine
