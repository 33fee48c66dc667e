#include "engine/model/mtp_layer.h"

#include "base/status.h"
#include "base/strings.h"

namespace deepseek::engine {

absl::StatusOr<MtpLayer> MtpLayer::Load(const ModelSpec& spec, const LayerParts& parts,
                                        const StepLimits& limits, WeightLoader* loader) {
  if (spec.mtp_layers < 1) {
    return absl::InvalidArgumentError(
        "config.json has num_nextn_predict_layers 0: no MTP layer to load");
  }
  const std::string prefix = StrCat("model.layers.", spec.layers, ".");
  MtpLayer out;
  out.eps_ = static_cast<float>(spec.rms_norm_eps);
  ASSIGN_OR_RETURN(out.embedding_norm_, loader->Vector(prefix + "enorm.weight"));
  ASSIGN_OR_RETURN(out.hidden_norm_, loader->Vector(prefix + "hnorm.weight"));
  ASSIGN_OR_RETURN(HostMatrix eh, loader->Matrix(prefix + "eh_proj"));
  eh.store = loader->store();
  // eh_proj([e ; h]) = left e + right h: the embedding half comes first in released weights.
  ASSIGN_OR_RETURN(out.project_embedding_, loader->Pack(eh.Slice(0, eh.rows, 0, spec.hidden)));
  ASSIGN_OR_RETURN(out.project_hidden_,
                   loader->Pack(eh.Slice(0, eh.rows, spec.hidden, spec.hidden)));
  ASSIGN_OR_RETURN(out.layer_, DecoderLayer::Load(spec, parts, spec.layers, loader));
  ASSIGN_OR_RETURN(out.norm_, loader->Vector(prefix + "shared_head.norm.weight"));
  ASSIGN_OR_RETURN(out.hidden_, loader->backend()->Allocate({limits.max_rows, spec.hidden, 0},
                                                            DType::kF32, false));
  return out;
}

void MtpLayer::TakeState(Backend* backend, const Buffer& state, int64_t rows) const {
  backend->RmsNorm(state, hidden_norm_, eps_, rows, hidden_);
}

void MtpLayer::Forward(const LayerStep& step, const Buffer& cache) const {
  const StepBuffers& s = *step.buffers;
  step.backend->RmsNorm(s.x, embedding_norm_, eps_, step.rows, s.normed);
  step.backend->Linear(s.normed, project_embedding_, step.rows, false, s.x);
  step.backend->Linear(hidden_, project_hidden_, step.rows, true, s.x);
  layer_.Forward(step, cache, s.x);
  step.backend->RmsNorm(s.x, norm_, eps_, step.rows, s.normed);
}

}  // namespace deepseek::engine
