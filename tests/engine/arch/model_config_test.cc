#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/json_full.h"
#include "engine/arch/memory_plan.h"
#include "engine/arch/model_spec.h"
#include "engine/arch/planned_tensors.h"

namespace deepseek::engine {
namespace {

using testing::HasSubstr;

// DeepSeek-V3 as released.
Json V3() {
  return Json::parse(R"({
    "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3",
    "attention_bias": false, "bos_token_id": 0, "eos_token_id": 1, "hidden_act": "silu",
    "first_k_dense_replace": 3, "hidden_size": 7168, "intermediate_size": 18432,
    "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
    "v_head_dim": 128, "max_position_embeddings": 163840, "moe_intermediate_size": 2048,
    "moe_layer_freq": 1, "n_group": 8, "n_routed_experts": 256, "n_shared_experts": 1,
    "norm_topk_prob": true, "num_attention_heads": 128, "num_experts_per_tok": 8,
    "num_hidden_layers": 61, "num_key_value_heads": 128, "num_nextn_predict_layers": 1,
    "rms_norm_eps": 1e-06, "rope_theta": 10000, "routed_scaling_factor": 2.5,
    "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 1.0,
      "mscale_all_dim": 1.0, "original_max_position_embeddings": 4096, "type": "yarn"},
    "quantization_config": {"activation_scheme": "dynamic", "fmt": "e4m3",
      "quant_method": "fp8", "weight_block_size": [128, 128]},
    "scoring_func": "sigmoid", "tie_word_embeddings": false, "topk_group": 4,
    "topk_method": "noaux_tc", "torch_dtype": "bfloat16", "vocab_size": 129280})");
}

absl::StatusOr<ModelSpec> Parse(const Json& json) {
  return ParseModelConfig(json.dump());
}

TEST(ModelConfig, DeepseekV3AsReleased) {
  const auto spec = Parse(V3());
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->family, "deepseek_v3");
  EXPECT_EQ(spec->attention, Attention::kMla);
  EXPECT_EQ(spec->router, Router::kSigmoidNoauxTc);
  EXPECT_EQ(spec->rope.scaling, RopeScaling::kYarn);
  EXPECT_EQ(spec->rope.original_max_positions, 4096);
  EXPECT_TRUE(spec->fp8_blocks);
  EXPECT_EQ(spec->mtp_layers, 1);
  EXPECT_EQ(spec->eos_ids, std::vector<int32_t>{1});
  EXPECT_FALSE(spec->moe_layer(2));
  EXPECT_TRUE(spec->moe_layer(3));
}

// The report (arXiv 2412.19437) says 671 B in all and 37 B active; KV is 70.3 KB a token in bf16.
TEST(ModelConfig, SizesOfDeepseekV3) {
  const ModelSpec spec = *Parse(V3());
  EXPECT_EQ(spec.Parameters(), 671026419200);
  EXPECT_NEAR(static_cast<double>(spec.ActiveParameters()), 37e9, 0.7e9);
  EXPECT_EQ(spec.KvBytesPerToken(2), 576 * 2 * 61);
}

// All sizes at their limits at once: what is counted stays inside int64.
TEST(ModelConfig, TheLargestModelCanBeCounted) {
  constexpr int64_t kWide = int64_t{1} << 20;
  Json json = V3();
  json.update({{"num_hidden_layers", 1024},
               {"num_nextn_predict_layers", 0},
               {"hidden_size", kWide},
               {"vocab_size", 1 << 24},
               {"max_position_embeddings", 1 << 26},
               {"intermediate_size", kWide},
               {"moe_intermediate_size", kWide},
               {"n_routed_experts", 64},
               {"n_shared_experts", 64},
               {"q_lora_rank", kWide},
               {"kv_lora_rank", kWide},
               {"qk_nope_head_dim", 32768},
               {"qk_rope_head_dim", 32768},
               {"v_head_dim", 65536},
               {"num_attention_heads", 16},
               {"num_key_value_heads", 16},
               {"n_group", 1},
               {"topk_group", 1},
               {"quantization_config", nullptr},
               {"torch_dtype", "float32"}});
  const auto spec = Parse(json);
  ASSERT_TRUE(spec.ok()) << spec.status();
  const double experts = 1021.0 * 128 * 3 * 0x1p40;
  EXPECT_NEAR(static_cast<double>(spec->Parameters()) / experts, 1, 0.05);
  ModelOptions options;
  options.compute = Compute::kFp32;
  options.kv = KvType::kFp32;
  options.max_context = spec->max_positions;
  const MemoryPlan plan = PlanMemory(*spec, options, {}, PlannedTensors(*spec, false), 0);
  EXPECT_NEAR(static_cast<double>(plan.packed_bytes()) / 4 / experts, 1, 0.05);
  EXPECT_NEAR(static_cast<double>(plan.kv_bytes()), (0x1p20 + 32768) * 1024 * 4 * 0x1p26, 0x1p40);
  EXPECT_GT(plan.total_bytes(), plan.packed_bytes());
}

TEST(ModelConfig, BlocksOfFp8AreTransformersWhereNothingIsSaid) {
  Json json = V3();
  json["quantization_config"].erase("weight_block_size");
  const auto spec = Parse(json);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_TRUE(spec->fp8_blocks);
  EXPECT_EQ(spec->fp8_block_rows, 128);
  EXPECT_EQ(spec->fp8_block_cols, 128);
  json["quantization_config"]["weight_block_size"] = {64, 256};
  EXPECT_EQ(Parse(json)->fp8_block_rows, 64);
  EXPECT_EQ(Parse(json)->fp8_block_cols, 256);
}

TEST(ModelConfig, YarnStretchesTheModelsOwnLengthWhereNothingIsSaid) {
  Json json = V3();
  json["rope_scaling"].erase("original_max_position_embeddings");
  const auto spec = Parse(json);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->rope.original_max_positions, 163840);
  EXPECT_EQ(spec->max_positions, 163840);
}

TEST(ModelConfig, OptionalFieldsMayBeNull) {
  Json json = V3();
  for (const char* field : {"q_lora_rank", "rope_scaling", "quantization_config", "bos_token_id",
                            "eos_token_id", "n_shared_experts", "num_nextn_predict_layers"}) {
    json[field] = nullptr;
  }
  const auto spec = Parse(json);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->q_lora_rank, 0);
  EXPECT_EQ(spec->rope.scaling, RopeScaling::kNone);
  EXPECT_FALSE(spec->fp8_blocks);
  EXPECT_EQ(spec->shared_experts, 0);
}

TEST(ModelConfig, NewSpellings) {
  Json json = V3();
  json["rope_scaling"]["rope_type"] = "yarn";
  json["rope_scaling"].erase("type");
  json["eos_token_id"] = {1, 5};
  EXPECT_EQ(Parse(json)->eos_ids, (std::vector<int32_t>{1, 5}));
  json["eos_token_id"] = {nullptr, 5, -1};  // null and -1: none
  json["bos_token_id"] = -1;
  EXPECT_EQ(Parse(json)->eos_ids, (std::vector<int32_t>{5}));
  EXPECT_EQ(Parse(json)->bos_id, -1);
  json["rope_parameters"] = json["rope_scaling"];
  json["rope_parameters"]["rope_theta"] = 5000;
  json.erase("rope_scaling");
  json.erase("rope_theta");
  const auto spec = Parse(json);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->rope.theta, 5000);
  EXPECT_EQ(spec->rope.factor, 40);
}

TEST(ModelConfig, RopeInterleaveFalseIsTheLayoutOfHalves) {
  Json json = V3();
  EXPECT_EQ(Parse(json)->rope.layout, RopeLayout::kInterleaved);
  json["rope_interleave"] = true;
  EXPECT_EQ(Parse(json)->rope.layout, RopeLayout::kInterleaved);
  json["rope_interleave"] = false;
  EXPECT_EQ(Parse(json)->rope.layout, RopeLayout::kHalf);
}

struct Bad {
  const char* name;
  std::function<void(Json&)> edit;
  absl::StatusCode code;
  const char* message;
};

class BadConfig : public testing::TestWithParam<Bad> {};

TEST_P(BadConfig, IsRefusedByName) {
  Json json = V3();
  GetParam().edit(json);
  const auto spec = Parse(json);
  ASSERT_FALSE(spec.ok());
  EXPECT_EQ(spec.status().code(), GetParam().code) << spec.status();
  EXPECT_THAT(std::string(spec.status().message()), HasSubstr(GetParam().message));
}

std::function<void(Json&)> Set(const char* field, Json value) {
  return [field, value](Json& json) { json[field] = value; };
}
std::function<void(Json&)> Rope(const char* field, Json value) {
  return [field, value](Json& json) { json["rope_scaling"][field] = value; };
}
std::function<void(Json&)> Quant(const char* field, Json value) {
  return [field, value](Json& json) { json["quantization_config"][field] = value; };
}

constexpr auto kBad = absl::StatusCode::kDataLoss;
constexpr auto kUnserved = absl::StatusCode::kUnimplemented;

INSTANTIATE_TEST_SUITE_P(
    Table, BadConfig,
    testing::Values(
        Bad{"no_family", Set("model_type", nullptr), kBad, "model_type is missing"},
        Bad{"mamba", Set("model_type", "mamba"), kUnserved,
            "\"mamba\" is not served (served: llama, qwen2, deepseek, deepseek_v2, deepseek_v3)"},
        Bad{"llama", Set("model_type", "llama"), kBad, "architectures"},
        Bad{"v32", Set("model_type", "deepseek_v32"), kUnserved, "\"deepseek_v32\" is not served"},
        Bad{"other_class", Set("architectures", {"LlamaForCausalLM"}), kBad, "architectures"},
        Bad{"layers_zero", Set("num_hidden_layers", 0), kBad,
            "num_hidden_layers is 0, expected an integer from 1"},
        Bad{"hidden_missing", [](Json& j) { j.erase("hidden_size"); }, kBad,
            "hidden_size is missing"},
        Bad{"hidden_text", Set("hidden_size", "7168"), kBad, "hidden_size is \"7168\""},
        Bad{"hidden_fraction", Set("hidden_size", 128.5), kBad, "hidden_size is 128.5"},
        Bad{"hidden_huge", Set("hidden_size", uint64_t{1} << 63), kBad,
            "hidden_size is 9223372036854775808"},
        Bad{"vocab_negative", Set("vocab_size", -5), kBad, "vocab_size is -5"},
        Bad{"eps_zero", Set("rms_norm_eps", 0), kBad, "rms_norm_eps is 0"},
        Bad{"gelu", Set("hidden_act", "gelu"), kUnserved,
            "hidden_act is \"gelu\", served: \"silu\""},
        Bad{"bias", Set("attention_bias", true), kUnserved, "attention_bias is true"},
        Bad{"softmax", Set("scoring_func", "softmax"), kUnserved, "scoring_func"},
        Bad{"greedy", Set("topk_method", "greedy"), kUnserved, "topk_method"},
        Bad{"freq", Set("moe_layer_freq", 2), kUnserved, "moe_layer_freq"},
        Bad{"odd_rope", Set("qk_rope_head_dim", 63), kBad,
            "qk_rope_head_dim is 63, expected an even number"},
        Bad{"kv_heads", Set("num_key_value_heads", 8), kBad,
            "num_key_value_heads is 8, expected 128"},
        Bad{"groups", Set("n_group", 7), kBad,
            "n_group is 7, expected a divisor of n_routed_experts (256)"},
        Bad{"tiny_groups", Set("n_group", 256), kBad, "n_group is 256, expected at most 128"},
        Bad{"kept", Set("topk_group", 9), kBad, "topk_group is 9, expected at most n_group (8)"},
        Bad{"top_k", Set("num_experts_per_tok", 129), kBad,
            "num_experts_per_tok is 129, expected at most 128"},
        Bad{"norm", Set("norm_topk_prob", 1), kBad, "norm_topk_prob is 1, expected true or false"},
        Bad{"eos", Set("eos_token_id", 129280), kBad, "eos_token_id"},
        Bad{"eos_list", Set("eos_token_id", {1, "x"}), kBad, "eos_token_id"},
        Bad{"eos_negative", Set("eos_token_id", -2), kBad, "eos_token_id"},
        Bad{"bos", Set("bos_token_id", 129280), kBad, "bos_token_id"},
        Bad{"theta", Set("rope_theta", 0), kBad, "rope_theta is 0"},
        Bad{"interleave", Set("rope_interleave", "no"), kBad, "rope_interleave is \"no\""},
        Bad{"mlp_bias", Set("mlp_bias", true), kUnserved, "mlp_bias is true"},
        Bad{"partial", Set("partial_rotary_factor", 0.5), kUnserved,
            "partial_rotary_factor is 0.5"},
        Bad{"rope_list", Set("rope_scaling", Json::array()), kBad, "rope_scaling is []"},
        Bad{"rope_type", Rope("type", "linear"), kUnserved,
            "rope scaling \"linear\" is not served"},
        Bad{"rope_factor", Rope("factor", 0.5), kBad, "rope_scaling.factor is 0.5"},
        Bad{"rope_original", Rope("original_max_position_embeddings", 0), kBad,
            "rope_scaling.original_max_position_embeddings is 0"},
        Bad{"awq", Quant("quant_method", "awq"), kUnserved, "\"awq\" is not served (served: fp8)"},
        Bad{"e5m2", Quant("fmt", "e5m2"), kUnserved, "quantization_config.fmt"},
        Bad{"block", Quant("weight_block_size", {128}), kBad,
            "quantization_config.weight_block_size is [128]"},
        Bad{"block_odd", Quant("weight_block_size", {128, 127}), kBad, "weight_block_size"},
        Bad{"block_null", Quant("weight_block_size", nullptr), kUnserved,
            "quantization_config.weight_block_size is null"},
        Bad{"experts_of_all_layers",
            [](Json& j) {
              j["num_hidden_layers"] = 43;
              j["n_routed_experts"] = 65536;
            },
            kBad, "num_hidden_layers x n_routed_experts is 2883628 with shared experts"},
        Bad{"experts_of_mtp_layers",
            [](Json& j) {
              j["num_hidden_layers"] = 1;
              j["n_routed_experts"] = 65536;
              j["num_nextn_predict_layers"] = 16;
            },
            kBad, "is 1114129 with shared experts and MTP layers, at most 131072"},
        Bad{"shared_experts_of_all_layers",
            [](Json& j) {
              j["num_hidden_layers"] = 1024;
              j["n_shared_experts"] = 1024;
            },
            kBad, "num_hidden_layers x n_routed_experts"},
        Bad{"wide_heads",
            [](Json& j) {
              j["v_head_dim"] = 65536;
              j["num_attention_heads"] = 17;
            },
            kBad, "num_attention_heads is 17, expected at most 16 (heads of 65536 channels)"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(ModelConfig, NotJson) {
  for (const char* text : {"", "{", "[]", "7", "{\"model_type\": \"deepseek_v3\",}"}) {
    const auto spec = ParseModelConfig(text);
    ASSERT_FALSE(spec.ok()) << text;
    EXPECT_EQ(spec.status().code(), kBad);
    EXPECT_THAT(std::string(spec.status().message()), HasSubstr("config.json"));
  }
  EXPECT_FALSE(ParseModelConfig(std::string(100000, '[')).ok());
}

}  // namespace
}  // namespace deepseek::engine
