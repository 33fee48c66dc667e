// Whole random checkpoints of odd shapes and stored types: the CPU backend against the reference,
// end to end.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "tests/engine/model/model_harness.h"
#include "tests/engine/model/random_checkpoint.h"

namespace deepseek::engine {
namespace {

struct Case {
  const char* name;
  const char* dtype;
  std::function<void(Json&)> edit;
};

class Shapes : public testing::TestWithParam<Case> {};

TEST_P(Shapes, CpuAgreesWithTheReference) {
  Json config = SmallConfig();
  GetParam().edit(config);
  const RandomCheckpoint checkpoint(config, GetParam().dtype, 11);
  LoadSpec spec;
  spec.dir = checkpoint.dir;
  spec.mtp = config.value("num_nextn_predict_layers", 0) > 0;
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

INSTANTIATE_TEST_SUITE_P(
    Table, Shapes,
    testing::Values(Case{"bf16", "BF16", [](Json&) {}}, Case{"f32", "F32", [](Json&) {}},
                    Case{"f16", "F16", [](Json&) {}},
                    Case{"no_q_lora", "BF16", Set("q_lora_rank", nullptr)},
                    Case{"all_dense", "BF16", Set("first_k_dense_replace", 2)},
                    Case{"no_dense", "BF16", Set("first_k_dense_replace", 0)},
                    Case{"no_shared", "BF16", Set("n_shared_experts", 0)},
                    Case{"no_mtp", "F32", Set("num_nextn_predict_layers", 0)},
                    Case{"tied", "BF16", Set("tie_word_embeddings", true)},
                    Case{"one_group", "BF16",
                         [](Json& j) {
                           j["n_group"] = 1;
                           j["topk_group"] = 1;
                         }},
                    Case{"odd_widths", "BF16",
                         [](Json& j) {
                           j["hidden_size"] = 75;
                           j["kv_lora_rank"] = 33;
                           j["q_lora_rank"] = 19;
                           j["moe_intermediate_size"] = 13;
                           j["intermediate_size"] = 51;
                         }},
                    Case{"fp8", "BF16", [](Json& j) { Fp8(j, 128, 128); }},
                    Case{"fp8_small_blocks", "BF16", [](Json& j) { Fp8(j, 8, 16); }},
                    Case{"fp8_odd_widths", "BF16",
                         [](Json& j) {
                           Fp8(j, 128, 128);
                           j["hidden_size"] = 139;
                           j["kv_lora_rank"] = 131;
                           j["num_attention_heads"] = 17;
                         }}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace deepseek::engine
