#include <utility>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "engine/model/layer.h"

namespace deepseek::engine {
namespace {

class DenseFeedForward : public FeedForwardPart {
 public:
  explicit DenseFeedForward(const FfnWeights& weights) : weights_(weights) {}
  void Forward(const LayerStep& step, const Buffer& normed, const Buffer& x) const override {
    step.backend->Ffn(normed, weights_, x);
  }

 private:
  FfnWeights weights_;
};

// Routed experts (every family's router is a RouteSpec), and the shared ones as one wide unit.
class MoeFeedForward : public FeedForwardPart {
 public:
  absl::Status Load(const ModelSpec& spec, const std::string& prefix, WeightLoader* loader);
  void Forward(const LayerStep& step, const Buffer& normed, const Buffer& x) const override;

 private:
  RouteSpec route_;
  PackedWeight router_;  // [experts, hidden]
  Buffer router_bias_;   // [experts]; or none
  std::vector<FfnWeights> experts_;
  FfnWeights shared_;  // may be none
};

absl::Status MoeFeedForward::Load(const ModelSpec& spec, const std::string& prefix,
                                  WeightLoader* loader) {
  route_.router = spec.router;
  route_.experts = spec.experts;
  route_.experts_per_token = spec.experts_per_token;
  route_.groups = spec.expert_groups;
  route_.groups_kept = spec.groups_kept;
  route_.normalize = spec.normalize_topk;
  route_.scale = static_cast<float>(spec.routed_scale);
  ASSIGN_OR_RETURN(router_, loader->ExactLinear(prefix + "gate"));
  if (spec.router == Router::kSigmoidNoauxTc) {
    ASSIGN_OR_RETURN(router_bias_, loader->Vector(prefix + "gate.e_score_correction_bias"));
  }
  for (int32_t e = 0; e < spec.experts; ++e) {
    ASSIGN_OR_RETURN(const FfnWeights expert, loader->Ffn(StrCat(prefix, "experts.", e, ".")));
    experts_.push_back(expert);
  }
  if (spec.shared_experts > 0) {
    ASSIGN_OR_RETURN(shared_, loader->Ffn(prefix + "shared_experts."));
  }
  return absl::OkStatus();
}

void MoeFeedForward::Forward(const LayerStep& step, const Buffer& normed, const Buffer& x) const {
  const StepBuffers& s = *step.buffers;
  step.backend->Linear(normed, router_, step.rows, false, s.scores);
  step.backend->Route(s.scores, router_bias_, route_, s.expert_ids, s.expert_weights);
  const MoeLayer layer{experts_, route_.experts_per_token, shared_.gate ? &shared_ : nullptr};
  step.backend->Moe(normed, s.expert_ids, s.expert_weights, layer, x);
}

}  // namespace

absl::StatusOr<std::unique_ptr<FeedForwardPart>> MakeFeedForward(const ModelSpec& spec,
                                                                 int32_t layer,
                                                                 WeightLoader* loader) {
  const std::string prefix = StrCat("model.layers.", layer, ".mlp.");
  if (!spec.moe_layer(layer)) {
    ASSIGN_OR_RETURN(const FfnWeights weights, loader->Ffn(prefix));
    return std::make_unique<DenseFeedForward>(weights);
  }
  auto experts = std::make_unique<MoeFeedForward>();
  RETURN_IF_ERROR(experts->Load(spec, prefix, loader));
  return experts;
}

}  // namespace deepseek::engine
