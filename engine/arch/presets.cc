#include "engine/arch/presets.h"

#include <array>

#include "base/strings.h"

namespace deepseek::engine {
namespace {

// What a plan needs of each config.json. Facts of the releases; the totals of parameters that their
// model cards name are checked in tests/engine/arch/presets_test.cc.
constexpr std::string_view kV3 = R"({
  "model_type": "deepseek_v3", "hidden_size": 7168, "num_hidden_layers": 61, "vocab_size": 129280,
  "num_attention_heads": 128, "num_key_value_heads": 128, "q_lora_rank": 1536, "kv_lora_rank": 512,
  "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "intermediate_size": 18432,
  "moe_intermediate_size": 2048, "n_routed_experts": 256, "n_shared_experts": 1,
  "num_experts_per_tok": 8, "n_group": 8, "topk_group": 4, "first_k_dense_replace": 3,
  "norm_topk_prob": true, "routed_scaling_factor": 2.5, "scoring_func": "sigmoid",
  "topk_method": "noaux_tc", "num_nextn_predict_layers": 1, "max_position_embeddings": 163840,
  "rms_norm_eps": 1e-06, "rope_theta": 10000, "torch_dtype": "bfloat16",
  "rope_scaling": {"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096,
    "beta_fast": 32, "beta_slow": 1, "mscale": 1.0, "mscale_all_dim": 1.0},
  "quantization_config": {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic",
    "weight_block_size": [128, 128]}})";

constexpr std::string_view kV2 = R"({
  "model_type": "deepseek_v2", "hidden_size": 5120, "num_hidden_layers": 60, "vocab_size": 102400,
  "num_attention_heads": 128, "num_key_value_heads": 128, "q_lora_rank": 1536, "kv_lora_rank": 512,
  "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "intermediate_size": 12288,
  "moe_intermediate_size": 1536, "n_routed_experts": 160, "n_shared_experts": 2,
  "num_experts_per_tok": 6, "n_group": 8, "topk_group": 3, "first_k_dense_replace": 1,
  "norm_topk_prob": false, "routed_scaling_factor": 16.0, "scoring_func": "softmax",
  "topk_method": "group_limited_greedy", "max_position_embeddings": 163840, "rms_norm_eps": 1e-06,
  "rope_theta": 10000, "torch_dtype": "bfloat16",
  "rope_scaling": {"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096,
    "beta_fast": 32, "beta_slow": 1, "mscale": 0.707, "mscale_all_dim": 0.707}})";

constexpr std::string_view kV2Lite = R"({
  "model_type": "deepseek_v2", "hidden_size": 2048, "num_hidden_layers": 27, "vocab_size": 102400,
  "num_attention_heads": 16, "num_key_value_heads": 16, "q_lora_rank": null, "kv_lora_rank": 512,
  "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "intermediate_size": 10944,
  "moe_intermediate_size": 1408, "n_routed_experts": 64, "n_shared_experts": 2,
  "num_experts_per_tok": 6, "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1,
  "norm_topk_prob": false, "routed_scaling_factor": 1.0, "scoring_func": "softmax",
  "topk_method": "greedy", "max_position_embeddings": 163840, "rms_norm_eps": 1e-06,
  "rope_theta": 10000, "torch_dtype": "bfloat16",
  "rope_scaling": {"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096,
    "beta_fast": 32, "beta_slow": 1, "mscale": 0.707, "mscale_all_dim": 0.707}})";

constexpr std::string_view kMoe16b = R"({
  "model_type": "deepseek", "hidden_size": 2048, "num_hidden_layers": 28, "vocab_size": 102400,
  "num_attention_heads": 16, "num_key_value_heads": 16, "intermediate_size": 10944,
  "moe_intermediate_size": 1408, "n_routed_experts": 64, "n_shared_experts": 2,
  "num_experts_per_tok": 6, "first_k_dense_replace": 1, "norm_topk_prob": false,
  "scoring_func": "softmax", "max_position_embeddings": 4096, "rms_norm_eps": 1e-06,
  "rope_theta": 10000, "torch_dtype": "bfloat16"})";

constexpr std::string_view kLlm7b = R"({
  "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 30, "vocab_size": 102400,
  "num_attention_heads": 32, "num_key_value_heads": 32, "intermediate_size": 11008,
  "max_position_embeddings": 4096, "rms_norm_eps": 1e-06, "rope_theta": 10000,
  "torch_dtype": "bfloat16"})";

constexpr std::string_view kLlm67b = R"({
  "model_type": "llama", "hidden_size": 8192, "num_hidden_layers": 95, "vocab_size": 102400,
  "num_attention_heads": 64, "num_key_value_heads": 8, "intermediate_size": 22016,
  "max_position_embeddings": 4096, "rms_norm_eps": 1e-06, "rope_theta": 10000,
  "torch_dtype": "bfloat16"})";

constexpr std::string_view kQwen1_5b = R"({
  "model_type": "qwen2", "hidden_size": 1536, "num_hidden_layers": 28, "vocab_size": 151936,
  "num_attention_heads": 12, "num_key_value_heads": 2, "intermediate_size": 8960,
  "max_position_embeddings": 131072, "rms_norm_eps": 1e-06, "rope_theta": 10000,
  "tie_word_embeddings": false, "torch_dtype": "bfloat16"})";

constexpr std::string_view kQwen7b = R"({
  "model_type": "qwen2", "hidden_size": 3584, "num_hidden_layers": 28, "vocab_size": 152064,
  "num_attention_heads": 28, "num_key_value_heads": 4, "intermediate_size": 18944,
  "max_position_embeddings": 131072, "rms_norm_eps": 1e-06, "rope_theta": 10000,
  "tie_word_embeddings": false, "torch_dtype": "bfloat16"})";

constexpr std::string_view kQwen14b = R"({
  "model_type": "qwen2", "hidden_size": 5120, "num_hidden_layers": 48, "vocab_size": 152064,
  "num_attention_heads": 40, "num_key_value_heads": 8, "intermediate_size": 13824,
  "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "rope_theta": 1000000.0,
  "tie_word_embeddings": false, "torch_dtype": "bfloat16"})";

constexpr std::string_view kQwen32b = R"({
  "model_type": "qwen2", "hidden_size": 5120, "num_hidden_layers": 64, "vocab_size": 152064,
  "num_attention_heads": 40, "num_key_value_heads": 8, "intermediate_size": 27648,
  "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "rope_theta": 1000000.0,
  "tie_word_embeddings": false, "torch_dtype": "bfloat16"})";

constexpr std::string_view kLlama8b = R"({
  "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "vocab_size": 128256,
  "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
  "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "rope_theta": 500000.0,
  "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 8192},
  "tie_word_embeddings": false, "torch_dtype": "bfloat16"})";

constexpr std::string_view kLlama70b = R"({
  "model_type": "llama", "hidden_size": 8192, "num_hidden_layers": 80, "vocab_size": 128256,
  "num_attention_heads": 64, "num_key_value_heads": 8, "intermediate_size": 28672,
  "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "rope_theta": 500000.0,
  "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 8192},
  "tie_word_embeddings": false, "torch_dtype": "bfloat16"})";

// models/demo-v3.
constexpr std::string_view kDemo = R"({
  "model_type": "deepseek_v3", "hidden_size": 192, "num_hidden_layers": 4, "vocab_size": 2048,
  "num_attention_heads": 6, "num_key_value_heads": 6, "q_lora_rank": 96, "kv_lora_rank": 64,
  "qk_nope_head_dim": 48, "qk_rope_head_dim": 16, "v_head_dim": 32, "intermediate_size": 384,
  "moe_intermediate_size": 64, "n_routed_experts": 16, "n_shared_experts": 1,
  "num_experts_per_tok": 4, "n_group": 4, "topk_group": 2, "first_k_dense_replace": 1,
  "norm_topk_prob": true, "routed_scaling_factor": 2.5, "scoring_func": "sigmoid",
  "topk_method": "noaux_tc", "num_nextn_predict_layers": 1, "max_position_embeddings": 1024,
  "rms_norm_eps": 1e-06, "rope_theta": 10000, "torch_dtype": "bfloat16",
  "rope_scaling": {"type": "yarn", "factor": 4, "original_max_position_embeddings": 256,
    "beta_fast": 32, "beta_slow": 1, "mscale": 1.0, "mscale_all_dim": 1.0},
  "quantization_config": {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic",
    "weight_block_size": [128, 128]}})";

struct Entry {
  std::string_view name, config;
};
constexpr std::array kCatalogue{
    Entry{"deepseek-v3", kV3},
    Entry{"deepseek-v3.1", kV3},
    Entry{"deepseek-r1", kV3},
    Entry{"deepseek-v2", kV2},
    Entry{"deepseek-v2.5", kV2},
    Entry{"deepseek-v2-lite", kV2Lite},
    Entry{"deepseek-moe-16b", kMoe16b},
    Entry{"deepseek-llm-7b", kLlm7b},
    Entry{"deepseek-llm-67b", kLlm67b},
    Entry{"deepseek-r1-distill-qwen-1.5b", kQwen1_5b},
    Entry{"deepseek-r1-distill-qwen-7b", kQwen7b},
    Entry{"deepseek-r1-distill-qwen-14b", kQwen14b},
    Entry{"deepseek-r1-distill-qwen-32b", kQwen32b},
    Entry{"deepseek-r1-distill-llama-8b", kLlama8b},
    Entry{"deepseek-r1-distill-llama-70b", kLlama70b},
    Entry{"demo-v3", kDemo},
};

}  // namespace

const std::vector<std::string>& PresetNames() {
  static const auto* const names = [] {
    auto* list = new std::vector<std::string>;
    for (const Entry& entry : kCatalogue) list->emplace_back(entry.name);
    return list;
  }();
  return *names;
}

absl::StatusOr<ModelSpec> Preset(std::string_view name) {
  std::string known;
  for (const Entry& entry : kCatalogue) {
    if (entry.name == name) return ParseModelConfig(entry.config);
    StrAppend(&known, known.empty() ? "" : ", ", entry.name);
  }
  return absl::NotFoundError(StrCat("preset ", name, " is not known (known: ", known, ")"));
}

}  // namespace deepseek::engine
