#pragma once
// The multi-token-prediction layer (DeepSeek-V3 report, arXiv 2412.19437, section 2.2): from the
// state of a row and the token that follows it, logits for the token after that.

#include "absl/status/statusor.h"
#include "engine/model/layer.h"

namespace deepseek::engine {

class MtpLayer {
 public:
  /// The first MTP layer, of index spec.layers. kInvalidArgument when the model has none.
  static absl::StatusOr<MtpLayer> Load(const ModelSpec& spec, const LayerParts& parts,
                                       const StepLimits& limits, WeightLoader* loader);

  /// Takes the first `rows` rows of the main model's state (after its final norm).
  void TakeState(Backend* backend, const Buffer& state, int64_t rows) const;
  /// Over a step whose tokens are the next ones, their embeddings in buffers->x: leaves in
  /// buffers->normed what the head reads.
  void Forward(const LayerStep& step, const Buffer& cache) const;

 private:
  float eps_ = 0;
  Buffer embedding_norm_, hidden_norm_;  // [hidden]
  PackedWeight project_embedding_;       // [hidden, hidden]: left half of eh_proj
  PackedWeight project_hidden_;          // [hidden, hidden]: right half
  DecoderLayer layer_;
  Buffer norm_;    // shared_head.norm [hidden]
  Buffer hidden_;  // [max_rows, hidden]
};

}  // namespace deepseek::engine
