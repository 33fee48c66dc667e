// DeepSeek-V3, R1 and V3.1 (arXiv 2412.19437): MLA, sigmoid router with a correction bias, one
// multi-token-prediction layer.

#include "base/json_full.h"
#include "engine/arch/family_config.h"

namespace deepseek::engine {

absl::StatusOr<ModelSpec> ParseDeepseekV3Config(const Json& json) {
  ModelSpec spec;
  spec.router = Router::kSigmoidNoauxTc;
  ConfigReader r(json, "");
  ReadCommon(&r, &spec);
  ReadRope(&r, {RopeScaling::kYarn, RopeScaling::kNone}, &spec.rope);
  ReadMla(&r, &spec);
  // A field of transformers' class; checkpoints by DeepSeek do not have it.
  bool interleaved = true;
  r.OptionalBool("rope_interleave", &interleaved);
  if (!interleaved) spec.rope.layout = RopeLayout::kHalf;
  r.Only("scoring_func", "sigmoid");
  r.Only("topk_method", "noaux_tc");
  r.OptionalInt("num_nextn_predict_layers", 0, 16, &spec.mtp_layers);
  // A group's score is the sum of its best two experts.
  ReadExperts(&r, true, 2, &spec);
  r.Number("routed_scaling_factor", 0, 1e6, &spec.routed_scale);
  if (!r.ok()) return r.status();
  return spec;
}

}  // namespace deepseek::engine
