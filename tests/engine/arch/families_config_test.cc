// Each family's config.json as released, its sizes, and what is refused by name.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/json_full.h"
#include "engine/arch/model_spec.h"

namespace deepseek::engine {
namespace {

using testing::HasSubstr;

Json With(Json json, const char* patch) {
  json.update(Json::parse(patch));
  return json;
}

// DeepSeek-LLM 7B chat.
Json Llama() {
  return Json::parse(R"({
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "bos_token_id": 100000,
    "eos_token_id": 100001, "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02,
    "intermediate_size": 11008, "max_position_embeddings": 4096, "num_attention_heads": 32,
    "num_hidden_layers": 30, "num_key_value_heads": 32, "pretraining_tp": 1, "rms_norm_eps": 1e-06,
    "rope_scaling": null, "rope_theta": 10000.0, "tie_word_embeddings": false,
    "torch_dtype": "bfloat16", "use_cache": true, "vocab_size": 102400})");
}

// R1-Distill-Llama-8B.
Json Llama31() {
  return With(Llama(), R"({
    "attention_bias": false, "mlp_bias": false, "bos_token_id": 128000, "eos_token_id": 128001,
    "intermediate_size": 14336, "max_position_embeddings": 131072, "num_hidden_layers": 32,
    "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta": 500000.0, "vocab_size": 128256,
    "rope_scaling": {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
      "original_max_position_embeddings": 8192, "rope_type": "llama3"}})");
}

// Llama-3.2-1B: tied embeddings, a head_dim of its own.
Json Llama32() {
  return With(Llama31(), R"({
    "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "head_dim": 64,
    "tie_word_embeddings": true, "eos_token_id": [128001, 128008, 128009]})");
}

// R1-Distill-Qwen-7B.
Json Qwen2() {
  return Json::parse(R"({
    "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "attention_dropout": 0.0,
    "bos_token_id": 151643, "eos_token_id": 151643, "hidden_act": "silu", "hidden_size": 3584,
    "intermediate_size": 18944, "max_position_embeddings": 131072, "max_window_layers": 28,
    "num_attention_heads": 28, "num_hidden_layers": 28, "num_key_value_heads": 4,
    "rms_norm_eps": 1e-06, "rope_theta": 10000, "sliding_window": 4096,
    "tie_word_embeddings": false, "torch_dtype": "bfloat16", "use_cache": true, "use_mrope": false,
    "use_sliding_window": false, "vocab_size": 152064})");
}

// Qwen2.5 as its card says how to use it above 32K tokens.
Json Qwen2Yarn() {
  return With(Qwen2(), R"({"max_position_embeddings": 32768, "rope_theta": 1000000.0,
    "rope_scaling": {"factor": 4.0, "original_max_position_embeddings": 32768, "type": "yarn"}})");
}

// DeepSeekMoE 16B.
Json Moe() {
  return Json::parse(R"({
    "architectures": ["DeepseekForCausalLM"], "model_type": "deepseek", "attention_bias": false,
    "auto_map": {"AutoConfig": "configuration_deepseek.DeepseekConfig"}, "aux_loss_alpha": 0.001,
    "bos_token_id": 100000, "eos_token_id": 100001, "first_k_dense_replace": 1,
    "hidden_act": "silu", "hidden_size": 2048, "intermediate_size": 10944,
    "max_position_embeddings": 4096, "moe_intermediate_size": 1408, "moe_layer_freq": 1,
    "n_routed_experts": 64, "n_shared_experts": 2, "norm_topk_prob": false,
    "num_attention_heads": 16, "num_experts_per_tok": 6, "num_hidden_layers": 28,
    "num_key_value_heads": 16, "pretraining_tp": 1, "rms_norm_eps": 1e-06, "rope_scaling": null,
    "rope_theta": 10000, "scoring_func": "softmax", "seq_aux": true, "vocab_size": 102400})");
}

Json V2Lite() {
  return Json::parse(R"({
    "architectures": ["DeepseekV2ForCausalLM"], "model_type": "deepseek_v2",
    "attention_bias": false, "aux_loss_alpha": 0.001, "bos_token_id": 100000,
    "eos_token_id": 100001, "ep_size": 1, "first_k_dense_replace": 1, "hidden_act": "silu",
    "hidden_size": 2048, "intermediate_size": 10944, "kv_lora_rank": 512,
    "max_position_embeddings": 163840, "moe_intermediate_size": 1408, "moe_layer_freq": 1,
    "n_group": 1, "n_routed_experts": 64, "n_shared_experts": 2, "norm_topk_prob": false,
    "num_attention_heads": 16, "num_experts_per_tok": 6, "num_hidden_layers": 27,
    "num_key_value_heads": 16, "pretraining_tp": 1, "q_lora_rank": null, "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64, "rms_norm_eps": 1e-06, "rope_scaling": {"beta_fast": 32,
      "beta_slow": 1, "factor": 40, "mscale": 0.707, "mscale_all_dim": 0.707,
      "original_max_position_embeddings": 4096, "type": "yarn"}, "rope_theta": 10000,
    "routed_scaling_factor": 1.0, "scoring_func": "softmax", "seq_aux": true, "topk_group": 1,
    "topk_method": "greedy", "v_head_dim": 128, "vocab_size": 102400})");
}

Json V2() {
  return With(V2Lite(), R"({
    "hidden_size": 5120, "intermediate_size": 12288, "moe_intermediate_size": 1536, "n_group": 8,
    "n_routed_experts": 160, "num_attention_heads": 128, "num_key_value_heads": 128,
    "num_hidden_layers": 60, "q_lora_rank": 1536, "routed_scaling_factor": 16.0, "topk_group": 3,
    "topk_method": "group_limited_greedy"})");
}

ModelSpec Spec(const Json& json) {
  const auto spec = ParseModelConfig(json.dump());
  EXPECT_TRUE(spec.ok()) << spec.status();
  return spec.value_or(ModelSpec{});
}

TEST(Families, LlamaAsReleased) {
  const ModelSpec spec = Spec(Llama31());
  EXPECT_EQ(spec.attention, Attention::kGqa);
  EXPECT_EQ(spec.head_dim, 128);
  EXPECT_EQ(spec.kv_heads, 8);
  EXPECT_FALSE(spec.qkv_bias);
  EXPECT_EQ(spec.rope.layout, RopeLayout::kHalf);
  EXPECT_EQ(spec.rope.scaling, RopeScaling::kLlama3);
  EXPECT_EQ(spec.rope.high_freq_factor, 4);
  EXPECT_EQ(spec.experts, 0);
  EXPECT_EQ(spec.KvBytesPerToken(2), 131072);
}

// The sizes that are known of these models; no second program has counted them here.
TEST(Families, Parameters) {
  EXPECT_EQ(Spec(Llama()).Parameters(), 6910365696);
  EXPECT_EQ(Spec(Llama31()).Parameters(), 8030261248);
  EXPECT_EQ(Spec(Llama32()).Parameters(), 1235814400);
  EXPECT_EQ(Spec(Qwen2()).Parameters(), 7615616512);
  EXPECT_EQ(Spec(Moe()).Parameters(), 16375728128);
  EXPECT_EQ(Spec(V2Lite()).Parameters(), 15706484224);
  EXPECT_EQ(Spec(V2()).Parameters(), 235741434880);
}

// As counted for the benchmark models v2lite8 and qwen7b4 (the first layers of the real ones).
TEST(Families, ParametersOfShortenedModels) {
  const ModelSpec lite = Spec(With(V2Lite(), R"({"num_hidden_layers": 8})"));
  EXPECT_EQ(lite.Parameters(), 4594374656);
  EXPECT_EQ(lite.ActiveParameters(), 872456192);
  const ModelSpec qwen = Spec(With(Qwen2(), R"({"num_hidden_layers": 4})"));
  EXPECT_EQ(qwen.Parameters(), 2022229504);
  EXPECT_EQ(qwen.ActiveParameters(), 1477235712);
}

// One row of the embedding and the chosen experts: tied weights still serve as the head.
TEST(Families, ActiveParameters) {
  EXPECT_EQ(Spec(Llama32()).ActiveParameters(), 1235814400 + 2048);
  EXPECT_EQ(Spec(V2Lite()).ActiveParameters(), 2451437056);
  const double v2 = static_cast<double>(Spec(V2()).ActiveParameters());
  EXPECT_NEAR(v2, 21e9, 0.5e9);  // the report says 21 B
}

TEST(Families, Qwen2HasBiasesAndYarnStretchesItsContext) {
  EXPECT_TRUE(Spec(Qwen2()).qkv_bias);
  EXPECT_EQ(Spec(Qwen2()).max_positions, 131072);
  const ModelSpec yarn = Spec(Qwen2Yarn());
  EXPECT_EQ(yarn.rope.scaling, RopeScaling::kYarn);
  EXPECT_EQ(yarn.max_positions, 131072);
  EXPECT_EQ(yarn.rope.mscale, 1);
  EXPECT_EQ(yarn.rope.mscale_all_dim, 0);
  const ModelSpec unsaid =
      Spec(With(Qwen2(), R"({"max_position_embeddings": 32768, "rope_scaling": {"factor": 4.0,
                        "rope_type": "yarn", "original_max_position_embeddings": null}})"));
  EXPECT_EQ(unsaid.rope.original_max_positions, 32768);
  EXPECT_EQ(unsaid.max_positions, 131072);
}

TEST(Families, MixturesAsReleased) {
  const ModelSpec moe = Spec(Moe());
  EXPECT_EQ(moe.router, Router::kSoftmaxGreedy);
  EXPECT_EQ(moe.attention, Attention::kGqa);
  EXPECT_FALSE(moe.moe_layer(0));
  EXPECT_TRUE(moe.moe_layer(1));
  EXPECT_EQ(moe.routed_scale, 1);
  const ModelSpec lite = Spec(V2Lite());
  EXPECT_EQ(lite.router, Router::kSoftmaxGreedy);
  EXPECT_EQ(lite.q_lora_rank, 0);
  EXPECT_EQ(lite.rope.layout, RopeLayout::kInterleaved);
  EXPECT_DOUBLE_EQ(lite.rope.mscale_all_dim, 0.707);
  const ModelSpec v2 = Spec(V2());
  EXPECT_EQ(v2.router, Router::kSoftmaxGroupMax);
  EXPECT_EQ(v2.groups_kept, 3);
  EXPECT_EQ(v2.routed_scale, 16);
}

TEST(Families, V2GreedyHasNoGroupsInEitherSpelling) {
  for (const char* method : {"greedy", "gready"}) {
    Json json = With(V2(), R"({"n_group": 7, "topk_group": null})");
    json["topk_method"] = method;
    const ModelSpec spec = Spec(json);
    EXPECT_EQ(spec.router, Router::kSoftmaxGreedy);
    EXPECT_EQ(spec.expert_groups, 1);
  }
}

// The official code of V1 and V2 normalises or scales, and leaves a single expert's score alone.
TEST(Families, NormalisedWeightsAreNotScaled) {
  const ModelSpec v2 = Spec(With(V2(), R"({"norm_topk_prob": true})"));
  EXPECT_TRUE(v2.normalize_topk);
  EXPECT_EQ(v2.routed_scale, 1);
  const ModelSpec one = Spec(With(V2(), R"({"norm_topk_prob": true, "num_experts_per_tok": 1})"));
  EXPECT_FALSE(one.normalize_topk);
  EXPECT_EQ(one.routed_scale, 16);
  EXPECT_TRUE(Spec(With(Moe(), R"({"norm_topk_prob": true})")).normalize_topk);
}

TEST(Families, OddFieldsOfRealFilesPass) {
  const ModelSpec old = Spec(With(Llama(), R"({"rope_theta": null, "num_key_value_heads": null,
                                               "pretraining_tp": 2, "attention_bias": null})"));
  EXPECT_EQ(old.rope.theta, 10000);
  EXPECT_EQ(old.kv_heads, 32);
  Spec(With(Qwen2(), R"({"sliding_window": null, "layer_types": ["full_attention"],
                         "rope_scaling": {"rope_type": "default"}})"));
  Spec(With(Moe(), R"({"n_shared_experts": null, "ep_size": 4})"));
  // DeepSeek-Coder 6.7B.
  const ModelSpec coder =
      Spec(With(Llama(), R"({"rope_scaling": {"factor": 4.0, "type": "linear"}})"));
  EXPECT_EQ(coder.rope.scaling, RopeScaling::kLinear);
}

TEST(Families, ARopeWithoutATypeIsNotScaled) {
  for (const char* patch :
       {R"({"rope_scaling": {}})", R"({"rope_scaling": null, "rope_parameters": {}})",
        R"({"rope_parameters": {"rope_theta": 500.0, "partial_rotary_factor": 1.0}})"}) {
    for (const auto& base : {Llama, Moe, Qwen2, V2}) {
      const Json json = With(base(), R"({"rope_scaling": null})");
      EXPECT_EQ(Spec(With(json, patch)).rope.scaling, RopeScaling::kNone) << patch;
    }
  }
  const char* theta = R"({"rope_parameters": {"rope_theta": 500.0}})";
  EXPECT_EQ(Spec(With(Llama(), theta)).rope.theta, 500);
}

struct Bad {
  const char* name;
  Json (*base)();
  const char* patch;
  absl::StatusCode code;
  const char* message;
};
class BadFamily : public testing::TestWithParam<Bad> {};

TEST_P(BadFamily, IsRefusedByName) {
  const auto spec = ParseModelConfig(With(GetParam().base(), GetParam().patch).dump());
  ASSERT_FALSE(spec.ok());
  EXPECT_EQ(spec.status().code(), GetParam().code) << spec.status();
  EXPECT_THAT(std::string(spec.status().message()), HasSubstr(GetParam().message));
}

constexpr auto kBad = absl::StatusCode::kDataLoss;
constexpr auto kUnserved = absl::StatusCode::kUnimplemented;

INSTANTIATE_TEST_SUITE_P(
    Table, BadFamily,
    testing::Values(
        Bad{"kv_heads", &Llama, R"({"num_key_value_heads": 5})", kBad,
            "num_key_value_heads is 5, expected a divisor of num_attention_heads (32)"},
        Bad{"hidden", &Llama, R"({"hidden_size": 4100})", kBad,
            "hidden_size is 4100, expected an even multiple of num_attention_heads (32)"},
        Bad{"odd_head", &Llama32, R"({"head_dim": 63})", kBad, "head_dim is 63"},
        Bad{"wide_heads", &Llama32, R"({"head_dim": 65536})", kBad,
            "num_attention_heads is 32, expected at most 16 (heads of 65536 channels)"},
        Bad{"experts_of_all_layers", &Moe,
            R"({"num_hidden_layers": 1024, "n_routed_experts": 127})", kBad,
            "num_hidden_layers x n_routed_experts is 132096 with shared experts"},
        Bad{"bias", &Llama, R"({"attention_bias": true})", kUnserved, "attention_bias is true"},
        Bad{"mlp_bias", &Llama, R"({"mlp_bias": true})", kUnserved, "mlp_bias is true"},
        Bad{"partial", &Llama, R"({"partial_rotary_factor": 0.5})", kUnserved,
            "partial_rotary_factor is 0.5"},
        Bad{"partial_inside", &Llama,
            R"({"rope_parameters": {"rope_theta": 10000.0, "partial_rotary_factor": 0.5}})",
            kUnserved, "rope_parameters.partial_rotary_factor is 0.5"},
        Bad{"partial_scaling", &Qwen2,
            R"({"rope_scaling": {"type": "default", "partial_rotary_factor": 0.25}})", kUnserved,
            "rope_scaling.partial_rotary_factor is 0.25"},
        Bad{"factor_alone", &Llama, R"({"rope_scaling": {"factor": 2}})", kBad,
            "rope_scaling.type is missing"},
        Bad{"dynamic", &Llama, R"({"rope_scaling": {"type": "dynamic", "factor": 2}})", kUnserved,
            "rope scaling \"dynamic\" is not served (served: llama3, linear, default)"},
        Bad{"low_high", &Llama,
            R"({"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 4,
                "high_freq_factor": 4, "original_max_position_embeddings": 8192}})",
            kBad, "rope_scaling.high_freq_factor is 4, expected more than low_freq_factor (4)"},
        Bad{"no_low", &Llama,
            R"({"rope_scaling": {"rope_type": "llama3", "factor": 8, "high_freq_factor": 4,
                "original_max_position_embeddings": 8192}})",
            kBad, "rope_scaling.low_freq_factor is missing"},
        Bad{"linear_factor", &Llama, R"({"rope_scaling": {"type": "linear"}})", kBad,
            "rope_scaling.factor is missing"},
        Bad{"window", &Qwen2, R"({"use_sliding_window": true})", kUnserved,
            "use_sliding_window is true"},
        Bad{"mrope", &Qwen2, R"({"rope_scaling": {"type": "mrope"}})", kUnserved, "\"mrope\""},
        Bad{"layer_types", &Qwen2, R"({"layer_types": ["sliding_attention"]})", kUnserved,
            "layer_types"},
        Bad{"attention_factor", &Qwen2,
            R"({"rope_scaling": {"type": "yarn", "factor": 4, "attention_factor": 0,
                "original_max_position_embeddings": 32768}})",
            kBad, "rope_scaling.attention_factor is 0"},
        Bad{"truncate", &Qwen2,
            R"({"rope_scaling": {"type": "yarn", "factor": 4, "truncate": false,
                "original_max_position_embeddings": 32768}})",
            kUnserved, "rope_scaling.truncate is false"},
        Bad{"sigmoid", &Moe, R"({"scoring_func": "sigmoid"})", kUnserved, "scoring_func"},
        Bad{"freq", &Moe, R"({"moe_layer_freq": 2})", kUnserved, "moe_layer_freq is 2"},
        Bad{"too_many", &Moe, R"({"num_experts_per_tok": 65})", kBad,
            "num_experts_per_tok is 65, expected at most 64 (n_routed_experts)"},
        Bad{"no_experts", &Moe, R"({"n_routed_experts": null})", kBad,
            "n_routed_experts is missing"},
        Bad{"method", &V2, R"({"topk_method": "noaux_tc"})", kUnserved,
            "topk_method \"noaux_tc\" is not served (served: greedy, gready, "},
        Bad{"groups", &V2, R"({"n_group": 7})", kBad, "n_group is 7, expected a divisor"},
        Bad{"kept", &V2, R"({"topk_group": 9})", kBad, "topk_group is 9"},
        Bad{"moe_mlp_bias", &Moe, R"({"mlp_bias": true})", kUnserved, "mlp_bias is true"},
        Bad{"v2_mlp_bias", &V2, R"({"mlp_bias": true})", kUnserved, "mlp_bias is true"},
        Bad{"v2_partial", &V2, R"({"partial_rotary_factor": 0.5})", kUnserved,
            "partial_rotary_factor is 0.5"},
        Bad{"v2_halves", &V2, R"({"rope_interleave": false})", kUnserved,
            "rope_interleave is false"},
        Bad{"v2_bias", &V2, R"({"attention_bias": true})", kUnserved, "attention_bias"},
        Bad{"class", &V2, R"({"architectures": ["DeepseekV3ForCausalLM"]})", kBad,
            "architectures is [\"DeepseekV3ForCausalLM\"], expected [\"DeepseekV2ForCausalLM\"]"}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace deepseek::engine
