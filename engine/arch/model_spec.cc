#include "engine/arch/model_spec.h"

namespace deepseek::engine {
namespace {

// Linear weights and norms of one attention block.
int64_t AttentionParameters(const ModelSpec& s) {
  const int64_t hidden = s.hidden;
  if (s.attention == Attention::kMla) {
    const int64_t q_width = int64_t{s.heads} * (s.nope_dim + s.rope_dim);
    const int64_t q = s.q_lora_rank > 0
                          ? hidden * s.q_lora_rank + s.q_lora_rank + s.q_lora_rank * q_width
                          : hidden * q_width;
    const int64_t kv_a = hidden * (s.kv_lora_rank + s.rope_dim) + s.kv_lora_rank;
    const int64_t kv_b = int64_t{s.heads} * (s.nope_dim + s.v_dim) * s.kv_lora_rank;
    return q + kv_a + kv_b + int64_t{s.heads} * s.v_dim * hidden;
  }
  const int64_t qkv_width = (int64_t{s.heads} + 2 * s.kv_heads) * s.head_dim;
  return hidden * qkv_width + (s.qkv_bias ? qkv_width : 0) + int64_t{s.heads} * s.head_dim * hidden;
}

int64_t LayerParameters(const ModelSpec& s, int32_t layer, int64_t experts_used) {
  const int64_t hidden = s.hidden;
  int64_t n = AttentionParameters(s) + 2 * hidden;
  if (!s.moe_layer(layer)) return n + 3 * hidden * s.dense_intermediate;
  n += hidden * s.experts;
  if (s.router == Router::kSigmoidNoauxTc) n += s.experts;
  return n + 3 * hidden * s.expert_intermediate * (experts_used + s.shared_experts);
}

int64_t Total(const ModelSpec& s, int64_t embedding_rows, int64_t experts_used) {
  int64_t n = embedding_rows * s.hidden + s.hidden;
  if (!s.tie_embeddings || embedding_rows < s.vocab) n += int64_t{s.vocab} * s.hidden;
  for (int32_t i = 0; i < s.layers; ++i) n += LayerParameters(s, i, experts_used);
  return n;
}

}  // namespace

int64_t ModelSpec::Parameters() const {
  return Total(*this, vocab, experts);
}
int64_t ModelSpec::ActiveParameters() const {
  return Total(*this, 1, experts_per_token);
}
int64_t ModelSpec::RoutedParameters() const {
  return Total(*this, 1, experts) - Total(*this, 1, 0);
}

}  // namespace deepseek::engine
