// Whole random checkpoints of odd shapes and stored types: the CPU backend against the reference,
// end to end.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "base/json_full.h"
#include "tests/engine/model/model_harness.h"
#include "tests/engine/model/random_checkpoint.h"

namespace deepseek::engine {
namespace {

Json V2() {
  Json json = SmallConfig();
  json.update(Json::parse(R"({
    "architectures": ["DeepseekV2ForCausalLM"], "model_type": "deepseek_v2",
    "topk_method": "group_limited_greedy", "norm_topk_prob": false,
    "routed_scaling_factor": 4.0, "num_nextn_predict_layers": null,
    "rope_scaling": {"type": "yarn", "factor": 40, "original_max_position_embeddings": 64,
                     "mscale": 0.707, "mscale_all_dim": 1.0}})"));
  return json;
}

// Grouped-query attention: 6 heads on 2 kv heads.
Json Moe() {
  return Json::parse(R"({
    "architectures": ["DeepseekForCausalLM"], "model_type": "deepseek", "hidden_size": 72,
    "num_hidden_layers": 2, "vocab_size": 97, "max_position_embeddings": 256,
    "num_attention_heads": 6, "num_key_value_heads": 2, "intermediate_size": 50,
    "rms_norm_eps": 1e-5, "rope_theta": 10000, "first_k_dense_replace": 1, "n_routed_experts": 6,
    "num_experts_per_tok": 3, "moe_intermediate_size": 18, "n_shared_experts": 2,
    "norm_topk_prob": false})");
}
Json Llama() {
  Json json = Moe();
  json["architectures"] = {"LlamaForCausalLM"};
  json["model_type"] = "llama";
  return json;
}
Json Qwen2() {
  Json json = Moe();
  json["architectures"] = {"Qwen2ForCausalLM"};
  json["model_type"] = "qwen2";
  json["rope_scaling"] = {
      {"type", "yarn"}, {"factor", 4}, {"original_max_position_embeddings", 16}};
  return json;
}

struct Case {
  const char* name;
  Json (*base)();
  const char* dtype;
  std::function<void(Json&)> edit;
};

class Shapes : public testing::TestWithParam<Case> {};

TEST_P(Shapes, CpuAgreesWithTheReference) {
  Json config = GetParam().base();
  GetParam().edit(config);
  const RandomCheckpoint checkpoint(config, GetParam().dtype, 11);
  LoadSpec spec;
  spec.dir = checkpoint.dir;
  spec.mtp = config.contains("num_nextn_predict_layers") && config["num_nextn_predict_layers"] == 1;
  spec.max_rows = 128;
  const auto cpu = MustLoad(spec);
  spec.kernels = Kernels::kReference;
  const auto reference = MustLoad(spec);
  std::vector<int32_t> tokens;
  tokens.reserve(100);
  for (int32_t i = 0; i < 100; ++i) tokens.push_back(i * 31 % 97);
  RunSpec run;
  run.prompt = 80;
  run.mtp = spec.mtp;
  const RunResult expected = RunModel(reference.get(), tokens, run);
  const RunResult actual = RunModel(cpu.get(), tokens, run);
  // A router's choice may tip on a rounding error in one row; most rows must agree closely.
  const auto close_rows = [&](const std::vector<float>& a, const std::vector<float>& b) {
    const size_t vocab = static_cast<size_t>(cpu->spec().vocab);
    size_t close = 0;
    for (size_t row = 0; row < b.size() / vocab; ++row) {
      double worst = 0;
      for (size_t i = row * vocab; i < (row + 1) * vocab; ++i) {
        worst = std::max(worst, std::fabs(double{a[i]} - b[i]) / (1 + std::fabs(b[i])));
      }
      close += worst < 1e-3 ? 1 : 0;
    }
    return close;
  };
  EXPECT_GE(close_rows(actual.logits, expected.logits), 95U);
  if (spec.mtp) {
    EXPECT_GE(close_rows(actual.mtp, expected.mtp), 94U);
  }
  run.chunk = 9;
  EXPECT_EQ(RunModel(cpu.get(), tokens, run).logits, actual.logits);
}

std::function<void(Json&)> Set(const char* field, const Json& value) {
  return [field, value](Json& json) { json[field] = value; };
}
void Fp8(Json& json, int64_t rows, int64_t cols) {
  json["quantization_config"] = {
      {"quant_method", "fp8"}, {"fmt", "e4m3"}, {"weight_block_size", {rows, cols}}};
}

TEST(Fp8Scales, AreTheSameInEveryType) {
  Json config = SmallConfig();
  Fp8(config, 8, 16);
  const std::vector<int32_t> tokens = {3, 1, 4, 15, 92, 65};
  RunSpec run;
  run.prompt = 4;
  std::vector<float> expected;
  for (const char* type : {"F32", "BF16", "F16"}) {
    const RandomCheckpoint checkpoint(config, "BF16", 12, type);
    LoadSpec spec;
    spec.dir = checkpoint.dir;
    const std::vector<float> logits = RunModel(MustLoad(spec).get(), tokens, run).logits;
    if (expected.empty()) expected = logits;
    EXPECT_EQ(logits, expected) << type;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Table, Shapes,
    testing::Values(Case{"bf16", &SmallConfig, "BF16", [](Json&) {}},
                    Case{"f32", &SmallConfig, "F32", [](Json&) {}},
                    Case{"f16", &SmallConfig, "F16", [](Json&) {}},
                    Case{"no_q_lora", &SmallConfig, "BF16", Set("q_lora_rank", nullptr)},
                    Case{"all_dense", &SmallConfig, "BF16", Set("first_k_dense_replace", 2)},
                    Case{"no_dense", &SmallConfig, "BF16", Set("first_k_dense_replace", 0)},
                    Case{"no_shared", &SmallConfig, "BF16", Set("n_shared_experts", 0)},
                    Case{"no_mtp", &SmallConfig, "F32", Set("num_nextn_predict_layers", 0)},
                    Case{"tied", &SmallConfig, "BF16", Set("tie_word_embeddings", true)},
                    Case{"one_group", &SmallConfig, "BF16",
                         [](Json& j) {
                           j["n_group"] = 1;
                           j["topk_group"] = 1;
                         }},
                    Case{"odd_widths", &SmallConfig, "BF16",
                         [](Json& j) {
                           j["hidden_size"] = 75;
                           j["kv_lora_rank"] = 33;
                           j["q_lora_rank"] = 19;
                           j["moe_intermediate_size"] = 13;
                           j["intermediate_size"] = 51;
                         }},
                    Case{"v2", &V2, "BF16", [](Json&) {}},
                    Case{"v2_no_q_lora_f16", &V2, "F16", Set("q_lora_rank", nullptr)},
                    Case{"v2_greedy", &V2, "BF16", Set("topk_method", "gready")},
                    Case{"v2_normalised", &V2, "F32", Set("norm_topk_prob", true)},
                    Case{"v2_fp8", &V2, "BF16", [](Json& j) { Fp8(j, 128, 128); }},
                    Case{"moe", &Moe, "BF16", [](Json&) {}},
                    Case{"moe_f16_no_shared", &Moe, "F16", Set("n_shared_experts", nullptr)},
                    Case{"moe_normalised_no_dense", &Moe, "F32",
                         [](Json& j) {
                           j["norm_topk_prob"] = true;
                           j["first_k_dense_replace"] = 0;
                         }},
                    Case{"moe_all_dense", &Moe, "BF16", Set("first_k_dense_replace", 2)},
                    Case{"llama", &Llama, "BF16", [](Json&) {}},
                    Case{"llama_f32_mha", &Llama, "F32", Set("num_key_value_heads", 6)},
                    Case{"llama_one_kv_head_wide", &Llama, "F16",
                         [](Json& j) {
                           j["num_key_value_heads"] = 1;
                           j["head_dim"] = 38;
                         }},
                    Case{"llama_odd_widths_tied", &Llama, "BF16",
                         [](Json& j) {
                           j["hidden_size"] = 75;
                           j["head_dim"] = 10;
                           j["intermediate_size"] = 51;
                           j["tie_word_embeddings"] = true;
                         }},
                    Case{"llama_fp8", &Llama, "BF16", [](Json& j) { Fp8(j, 128, 128); }},
                    Case{"qwen2", &Qwen2, "BF16", [](Json&) {}},
                    Case{"qwen2_f16_narrow_heads", &Qwen2, "F16", Set("head_dim", 2)},
                    Case{"qwen2_tied_f32", &Qwen2, "F32", Set("tie_word_embeddings", true)},
                    Case{"fp8", &SmallConfig, "BF16", [](Json& j) { Fp8(j, 128, 128); }},
                    Case{"fp8_small_blocks", &SmallConfig, "BF16", [](Json& j) { Fp8(j, 8, 16); }},
                    Case{"fp8_odd_widths", &SmallConfig, "BF16",
                         [](Json& j) {
                           Fp8(j, 128, 128);
                           j["hidden_size"] = 139;
                           j["kv_lora_rank"] = 131;
                           j["num_attention_heads"] = 17;
                         }}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace deepseek::engine
