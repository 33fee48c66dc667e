// DeepSeek-V2 and V2-Lite (arXiv 2405.04434): MLA, softmax router, optionally limited to the best
// groups of experts.

#include "base/json_full.h"
#include "base/strings.h"
#include "engine/arch/family_config.h"

namespace deepseek::engine {

absl::StatusOr<ModelSpec> ParseDeepseekV2Config(const Json& json) {
  ModelSpec spec;
  ConfigReader r(json, "");
  ReadCommon(&r, &spec);
  ReadRope(&r, {RopeScaling::kYarn, RopeScaling::kNone}, &spec.rope);
  ReadMla(&r, &spec);
  r.Only("rope_interleave", true);
  r.Only("scoring_func", "softmax");
  std::string method = "gready";  // the official code's default, and its spelling
  r.OptionalString("topk_method", &method);
  const bool grouped = method == "group_limited_greedy";
  if (r.ok() && !grouped && method != "greedy" && method != "gready") {
    r.Fail(absl::UnimplementedError(
        StrCat("config.json: topk_method \"", method.substr(0, 60),
               "\" is not served (served: greedy, gready, group_limited_greedy)")));
  }
  spec.router = grouped ? Router::kSoftmaxGroupMax : Router::kSoftmaxGreedy;
  ReadExperts(&r, grouped, 1, &spec);
  r.OptionalNumber("routed_scaling_factor", 0, 1e6, &spec.routed_scale);
  if (!r.ok()) return r.status();
  // modeling_deepseek.py: weights are either normalised or scaled, and one expert keeps its score.
  if (spec.experts_per_token == 1) spec.normalize_topk = false;
  if (spec.normalize_topk) spec.routed_scale = 1;
  return spec;
}

}  // namespace deepseek::engine
