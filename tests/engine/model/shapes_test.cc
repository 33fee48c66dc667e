// Whole random checkpoints of odd shapes and stored types: the CPU backend against the reference,
// end to end.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>

#include "base/json_full.h"
#include "engine/weights/expected_tensors.h"
#include "tests/engine/model/model_harness.h"

namespace deepseek::engine {
namespace {

Json SmallConfig() {
  return Json::parse(R"({
    "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3", "hidden_size": 72,
    "num_hidden_layers": 2, "vocab_size": 97, "max_position_embeddings": 256,
    "num_attention_heads": 3, "intermediate_size": 50, "rms_norm_eps": 1e-5, "rope_theta": 10000,
    "q_lora_rank": 20, "kv_lora_rank": 34, "qk_nope_head_dim": 10, "qk_rope_head_dim": 6,
    "v_head_dim": 7, "first_k_dense_replace": 1, "n_routed_experts": 6, "num_experts_per_tok": 3,
    "moe_intermediate_size": 18, "n_shared_experts": 2, "n_group": 3, "topk_group": 2,
    "norm_topk_prob": true, "routed_scaling_factor": 1.5, "num_nextn_predict_layers": 1})");
}

// A folder with random weights of `dtype` for `config`; removed at the end.
class RandomCheckpoint {
 public:
  RandomCheckpoint(const Json& config, const std::string& dtype, uint32_t seed) : random_(seed) {
    std::string pattern = (std::filesystem::temp_directory_path() / "shapes_test_XXXXXX").string();
    dir = ::mkdtemp(pattern.data());
    std::ofstream(dir + "/config.json") << config.dump();
    const ModelSpec spec = *ParseModelConfig(config.dump());
    for (const ExpectedTensor& tensor : ExpectedTensors(spec, true)) {
      if (tensor.role == TensorRole::kLinear && spec.fp8_blocks) {
        AddFp8(tensor, spec);
      } else {
        AddFloat(tensor, dtype);
      }
    }
    const std::string header = header_.dump();
    const uint64_t length = header.size();
    std::ofstream file(dir + "/model.safetensors", std::ios::binary);
    file.write(reinterpret_cast<const char*>(&length), 8);
    file << header << data_;
  }
  ~RandomCheckpoint() { std::filesystem::remove_all(dir); }
  std::string dir;

 private:
  void Add(const std::string& name, const std::string& dtype, const std::vector<int64_t>& shape,
           const std::string& bytes) {
    header_[name] = {{"dtype", dtype},
                     {"shape", shape},
                     {"data_offsets", {data_.size(), data_.size() + bytes.size()}}};
    data_ += bytes;
  }
  void AddFloat(const ExpectedTensor& tensor, const std::string& dtype) {
    std::string bytes;
    int64_t n = 1;
    for (const int64_t d : tensor.shape) n *= d;
    const bool matrix = tensor.shape.size() == 2;
    const float sigma = matrix ? 1.5F / std::sqrt(static_cast<float>(tensor.shape[1])) : 0.3F;
    std::normal_distribution<float> normal(matrix ? 0.0F : 1.0F, sigma);
    for (int64_t i = 0; i < n; ++i) {
      const float v = normal(random_);
      if (dtype == "F32") {
        bytes.append(reinterpret_cast<const char*>(&v), 4);
      } else if (dtype == "BF16") {
        const uint16_t b = FloatToBf16(v);
        bytes.append(reinterpret_cast<const char*>(&b), 2);
      } else {  // F16 by way of F32's bits: truncated, within F16's normal range
        const uint32_t u = std::bit_cast<uint32_t>(v);
        const int32_t exponent = static_cast<int32_t>((u >> 23) & 0xff) - 112;
        const auto h = static_cast<uint16_t>(
            (u >> 16 & 0x8000U) |
            (exponent <= 0 ? 0U : (static_cast<uint32_t>(exponent) << 10) | (u >> 13 & 0x3ffU)));
        bytes.append(reinterpret_cast<const char*>(&h), 2);
      }
    }
    Add(tensor.name, dtype, tensor.shape, bytes);
  }
  void AddFp8(const ExpectedTensor& tensor, const ModelSpec& spec) {
    std::string codes(static_cast<size_t>(tensor.shape[0] * tensor.shape[1]), 0);
    for (char& c : codes) {
      do {
        c = static_cast<char>(random_());
      } while ((c & 0x7f) == 0x7f);
    }
    Add(tensor.name, "F8_E4M3", tensor.shape, codes);
    const int64_t rows = (tensor.shape[0] + spec.fp8_block_rows - 1) / spec.fp8_block_rows;
    const int64_t cols = (tensor.shape[1] + spec.fp8_block_cols - 1) / spec.fp8_block_cols;
    std::uniform_real_distribution<float> uniform(0.0005F, 0.0015F);
    std::string scales;
    for (int64_t i = 0; i < rows * cols; ++i) {
      const float v = uniform(random_);
      scales.append(reinterpret_cast<const char*>(&v), 4);
    }
    Add(tensor.name + "_scale_inv", "F32", {rows, cols}, scales);
  }

  std::mt19937 random_;
  Json header_;
  std::string data_;
};

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
