#include "engine/model/layer.h"

#include "base/status.h"
#include "base/strings.h"

namespace deepseek::engine {

absl::StatusOr<DecoderLayer> DecoderLayer::Load(const ModelSpec& spec, const LayerParts& parts,
                                                int32_t layer, WeightLoader* loader) {
  const std::string prefix = StrCat("model.layers.", layer, ".");
  DecoderLayer out;
  out.eps_ = static_cast<float>(spec.rms_norm_eps);
  ASSIGN_OR_RETURN(out.input_norm_, loader->Vector(prefix + "input_layernorm.weight"));
  ASSIGN_OR_RETURN(out.attention_, parts.attention(spec, layer, loader));
  ASSIGN_OR_RETURN(out.post_norm_, loader->Vector(prefix + "post_attention_layernorm.weight"));
  ASSIGN_OR_RETURN(out.feed_forward_, parts.feed_forward(spec, layer, loader));
  return out;
}

void DecoderLayer::Forward(const LayerStep& step, const Buffer& cache, const Buffer& x) const {
  const Buffer& normed = step.buffers->normed;
  step.backend->RmsNorm(x, input_norm_, eps_, step.rows, normed);
  attention_->Forward(step, cache, normed, x);
  step.backend->RmsNorm(x, post_norm_, eps_, step.rows, normed);
  feed_forward_->Forward(step, normed, x);
}

}  // namespace deepseek::engine
