// DeepSeekMoE 16B (arXiv 2401.06066): multi-head attention, softmax router, shared experts.

#include "base/json_full.h"
#include "engine/arch/family_config.h"

namespace deepseek::engine {

absl::StatusOr<ModelSpec> ParseDeepseekMoeConfig(const Json& json) {
  ModelSpec spec;
  spec.router = Router::kSoftmaxGreedy;
  ConfigReader r(json, "");
  ReadCommon(&r, &spec);
  ReadRope(&r, {RopeScaling::kLinear, RopeScaling::kNone}, &spec.rope);
  ReadGqa(&r, &spec);
  r.Only("attention_bias", false);
  r.Only("scoring_func", "softmax");
  ReadExperts(&r, false, 1, &spec);
  if (!r.ok()) return r.status();
  // modeling_deepseek.py: one expert keeps its score.
  if (spec.experts_per_token == 1) spec.normalize_topk = false;
  return spec;
}

}  // namespace deepseek::engine
