#pragma once
// A pre-norm decoder layer: x += attention(norm(x)); x += feed_forward(norm(x)). Which attention
// and which feed-forward part is the family's choice.
//
// DeepSeek-V4's layers mix several residual streams around each part and V3.2's attend to the keys
// that an indexer chose: both fit as other implementations behind DecoderLayer and AttentionPart,
// with more StepBuffers and more than one cache buffer per layer.

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "engine/arch/model_spec.h"
#include "engine/kernels/backend.h"
#include "engine/model/step_buffers.h"
#include "engine/model/weight_loader.h"

namespace deepseek::engine {

/// What the parts of a layer share in a step. Nothing is owned.
struct LayerStep {
  Backend* backend = nullptr;
  const StepBuffers* buffers = nullptr;
  const RopeTable* rope = nullptr;
  int64_t rows = 0;
};

/// One layer's attention weights and their form.
class AttentionPart {
 public:
  virtual ~AttentionPart() = default;
  /// x += attention(normed); both F32 [rows, hidden]. `cache`: this layer's, [blocks, 64,
  /// kv_width].
  virtual void Forward(const LayerStep& step, const Buffer& cache, const Buffer& normed,
                       const Buffer& x) const = 0;
};

/// One layer's feed-forward weights: dense, or a mixture of experts.
class FeedForwardPart {
 public:
  virtual ~FeedForwardPart() = default;
  /// x += feed_forward(normed); both F32 [rows, hidden].
  virtual void Forward(const LayerStep& step, const Buffer& normed, const Buffer& x) const = 0;
};

/// Loads one layer's part. `spec` must outlive what is made.
using AttentionMaker = absl::StatusOr<std::unique_ptr<AttentionPart>> (*)(const ModelSpec& spec,
                                                                          int32_t layer,
                                                                          WeightLoader* loader);
using FeedForwardMaker = absl::StatusOr<std::unique_ptr<FeedForwardPart>> (*)(const ModelSpec& spec,
                                                                              int32_t layer,
                                                                              WeightLoader* loader);

/// Multi-head latent attention (arXiv 2405.04434, section 2.1), with or without q_lora.
absl::StatusOr<std::unique_ptr<AttentionPart>> MakeMlaAttention(const ModelSpec& spec,
                                                                int32_t layer,
                                                                WeightLoader* loader);
/// Grouped-query attention, with biases on q, k and v where the spec has them.
absl::StatusOr<std::unique_ptr<AttentionPart>> MakeGqaAttention(const ModelSpec& spec,
                                                                int32_t layer,
                                                                WeightLoader* loader);
/// SwiGLU, or routed and shared experts where the spec has them in this layer.
absl::StatusOr<std::unique_ptr<FeedForwardPart>> MakeFeedForward(const ModelSpec& spec,
                                                                 int32_t layer,
                                                                 WeightLoader* loader);

/// A family's choice of parts.
struct LayerParts {
  AttentionMaker attention = nullptr;
  FeedForwardMaker feed_forward = nullptr;
};

class DecoderLayer {
 public:
  static absl::StatusOr<DecoderLayer> Load(const ModelSpec& spec, const LayerParts& parts,
                                           int32_t layer, WeightLoader* loader);
  /// Over the rows of the current step; x F32 [rows, hidden] is the residual stream.
  void Forward(const LayerStep& step, const Buffer& cache, const Buffer& x) const;

 private:
  float eps_ = 0;
  Buffer input_norm_, post_norm_;  // [hidden]
  std::unique_ptr<AttentionPart> attention_;
  std::unique_ptr<FeedForwardPart> feed_forward_;
};

}  // namespace deepseek::engine
