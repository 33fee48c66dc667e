#include "agent/cli/memory_estimate.h"

#include <algorithm>
#include <string>

#include "engine/weights/expected_tensors.h"

namespace deepseek::agent {
namespace {

using engine::ModelSpec;

constexpr int64_t kTileRows = 16;      // engine/kernels/cpu/packed_matrix.h
constexpr int64_t kStepRows = 512;     // StepLimits of engine/model/model.h
constexpr int64_t kStepLogitRows = 64;

int64_t RoundUp(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

// Linears in tiles of 16 rows: FP8 codes with a scale per row and group, bf16 as it is, other types as F32.
int64_t PackedBytes(const engine::ExpectedTensor& expected, const engine::TensorView& view, const ModelSpec& spec) {
  if (expected.role != engine::TensorRole::kLinear || view.shape.size() != 2) {
    return view.shape.size() == 2 ? static_cast<int64_t>(view.data.size()) : view.elements() * 4;
  }
  const int64_t rows = RoundUp(view.shape[0], kTileRows), cols = RoundUp(view.shape[1], 2);
  if (view.dtype == "F8_E4M3") {
    return rows * cols + rows * (RoundUp(view.shape[1], spec.fp8_block_cols) / spec.fp8_block_cols) * 4;
  }
  return rows * cols * (view.dtype == "BF16" ? 2 : 4);
}

// F32 buffers of one step, per row: hidden states, queries, latents, attention output, FFN of the widest layer.
int64_t ActivationBytes(const ModelSpec& s, int64_t rows, int64_t logit_rows) {
  const int64_t query = s.attention == engine::Attention::kMla
                            ? s.q_lora_rank + int64_t{s.heads} * (s.nope_dim + s.rope_dim + s.v_dim) + s.kv_width()
                            : int64_t{s.heads + 2 * s.kv_heads} * s.head_dim + int64_t{s.heads} * s.head_dim;
  const int64_t ffn = 2 * std::max<int64_t>(s.dense_intermediate,
                                            int64_t{s.experts_per_token + s.shared_experts} * s.expert_intermediate);
  return 4 * (rows * (3 * s.hidden + query + ffn + s.experts) + logit_rows * (int64_t{s.vocab} + s.hidden));
}

}  // namespace

MemoryEstimate EstimateMemory(const ModelSpec& spec, const engine::ModelOptions& options,
                              const engine::Checkpoint& checkpoint) {
  MemoryEstimate e;
  int64_t routed = 0;
  for (const engine::ExpectedTensor& expected : engine::ExpectedTensors(spec, /*mtp=*/false)) {
    const engine::TensorView* view = checkpoint.Find(expected.name);
    if (view == nullptr) continue;
    e.weights_bytes += static_cast<int64_t>(view->data.size());
    if (const auto* scales = checkpoint.Find(expected.name + "_scale_inv")) {
      e.weights_bytes += static_cast<int64_t>(scales->data.size());
    }
    const int64_t packed = PackedBytes(expected, *view, spec);
    e.packed_bytes += packed;
    if (expected.name.find(".mlp.experts.") != std::string::npos) {
      routed += packed;
    } else if (expected.name != "model.embed_tokens.weight" || spec.tie_embeddings) {
      e.weight_bytes_per_token += packed;
    }
  }
  if (spec.experts > 0) e.weight_bytes_per_token += routed / spec.experts * spec.experts_per_token;
  const int64_t context = options.max_context > 0 ? options.max_context : spec.max_positions;
  e.kv_bytes_per_token = spec.KvBytesPerToken(options.kv == engine::KvType::kFp32 ? 4 : 2);
  e.kv_bytes = options.kv_memory_bytes > 0 ? options.kv_memory_bytes
                                           : e.kv_bytes_per_token * RoundUp(context, 64) * options.max_batch;
  e.activation_bytes = ActivationBytes(spec, std::max<int64_t>(kStepRows, options.max_batch + 16),
                                       std::max<int64_t>(kStepLogitRows, options.max_batch));
  return e;
}

}  // namespace deepseek::agent
