#pragma once
// ModelSpec: config.json as shapes, bytes and FLOPs. Pure: no I/O. Also used by the operator's
// planner.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace deepseek::engine {

enum class Attention : uint8_t { kMla, kGqa };
enum class Router : uint8_t { kNone, kSoftmaxGreedy, kSoftmaxGroupMax, kSigmoidNoauxTc };
enum class RopeScaling : uint8_t { kNone, kLinear, kYarn, kLlama3 };
enum class RopeLayout : uint8_t { kInterleaved, kHalf };

struct RopeSpec {
  double theta = 10000;
  RopeLayout layout = RopeLayout::kHalf;
  RopeScaling scaling = RopeScaling::kNone;
  double factor = 1;
  int32_t original_max_positions = 0;
  double beta_fast = 32, beta_slow = 1;
  double mscale = 0, mscale_all_dim = 0;             ///< yarn in DeepSeek models
  double attention_factor = 0;                       ///< yarn; 0: from factor and the mscales
  double low_freq_factor = 1, high_freq_factor = 4;  ///< llama3
};

/// Everything the engine needs to know of a checkpoint, checked: all sizes are positive and
/// consistent.
struct ModelSpec {
  std::string family;        ///< "deepseek_v3", as config.json's model_type
  std::string architecture;  ///< "DeepseekV3ForCausalLM"
  int32_t layers = 0, hidden = 0, vocab = 0;
  int32_t max_positions = 0;
  double rms_norm_eps = 1e-6;
  bool tie_embeddings = false;

  Attention attention = Attention::kGqa;
  int32_t heads = 0, kv_heads = 0, head_dim = 0;                    ///< GQA
  int32_t q_lora_rank = 0;                                          ///< MLA; 0: plain q_proj
  int32_t kv_lora_rank = 0, nope_dim = 0, rope_dim = 0, v_dim = 0;  ///< MLA
  bool qkv_bias = false;
  RopeSpec rope;

  int32_t dense_intermediate = 0;
  Router router = Router::kNone;
  int32_t first_dense_layers = 0;  ///< layers before this index are dense
  int32_t experts = 0, experts_per_token = 0, shared_experts = 0, expert_intermediate = 0;
  int32_t expert_groups = 1, groups_kept = 1;
  bool normalize_topk = false;
  double routed_scale = 1;
  int32_t mtp_layers = 0;

  bool fp8_blocks = false;  ///< weights are E4M3 with F32 scales per block
  int32_t fp8_block_rows = 128, fp8_block_cols = 128;
  std::string torch_dtype;  ///< "bfloat16", "float16", "float32"
  int32_t bos_id = -1;
  std::vector<int32_t> eos_ids;

  bool moe_layer(int32_t layer) const { return experts > 0 && layer >= first_dense_layers; }
  /// Numbers cached per token and layer: the latent and the rope key for MLA, keys and values for
  /// GQA.
  int64_t kv_width() const {
    return attention == Attention::kMla ? kv_lora_rank + rope_dim
                                        : int64_t{2} * kv_heads * head_dim;
  }
  /// Channels of a head that positions rotate.
  int32_t rotary_dim() const { return attention == Attention::kMla ? rope_dim : head_dim; }
  int64_t Parameters() const;        ///< without MTP layers
  int64_t ActiveParameters() const;  ///< used per token (one embedding row)
  int64_t RoutedParameters() const;  ///< of all routed experts
  int64_t KvBytesPerToken(int64_t element_bytes) const {
    return layers * kv_width() * element_bytes;
  }
};

/// Reads the text of config.json. kUnimplemented: a family or feature we do not serve (names it and
/// lists what is served); kDataLoss: missing, ill-typed or inconsistent fields (names the field,
/// its value and what is expected).
absl::StatusOr<ModelSpec> ParseModelConfig(std::string_view config_json);

}  // namespace deepseek::engine
