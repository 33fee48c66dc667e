#include "tests/engine/model/random_checkpoint.h"

#include <bit>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "engine/arch/dtype.h"

namespace deepseek::engine {

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

namespace {

void AppendAs(const std::string& dtype, float v, std::string* bytes) {
  if (dtype == "F32") {
    bytes->append(reinterpret_cast<const char*>(&v), 4);
  } else if (dtype == "BF16") {
    const uint16_t b = FloatToBf16(v);
    bytes->append(reinterpret_cast<const char*>(&b), 2);
  } else {  // F16 by way of F32's bits: truncated, within F16's normal range
    const uint32_t u = std::bit_cast<uint32_t>(v);
    const int32_t exponent = static_cast<int32_t>((u >> 23) & 0xff) - 112;
    const auto h = static_cast<uint16_t>(
        (u >> 16 & 0x8000U) |
        (exponent <= 0 ? 0U : (static_cast<uint32_t>(exponent) << 10) | (u >> 13 & 0x3ffU)));
    bytes->append(reinterpret_cast<const char*>(&h), 2);
  }
}

}  // namespace

RandomCheckpoint::RandomCheckpoint(const Json& config, const std::string& dtype, uint32_t seed,
                                   std::string scales)
    : scales_(std::move(scales)), random_(seed) {
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
void RandomCheckpoint::Add(const std::string& name, const std::string& dtype,
                           const std::vector<int64_t>& shape, const std::string& bytes) {
  header_[name] = {{"dtype", dtype},
                   {"shape", shape},
                   {"data_offsets", {data_.size(), data_.size() + bytes.size()}}};
  data_ += bytes;
}
void RandomCheckpoint::AddFloat(const ExpectedTensor& tensor, const std::string& dtype) {
  std::string bytes;
  int64_t n = 1;
  for (const int64_t d : tensor.shape) n *= d;
  const bool matrix = tensor.shape.size() == 2;
  const float sigma = matrix ? 1.5F / std::sqrt(static_cast<float>(tensor.shape[1])) : 0.3F;
  std::normal_distribution<float> normal(matrix ? 0.0F : 1.0F, sigma);
  for (int64_t i = 0; i < n; ++i) {
    const float v = normal(random_);
    AppendAs(dtype, v, &bytes);
  }
  Add(tensor.name, dtype, tensor.shape, bytes);
}
void RandomCheckpoint::AddFp8(const ExpectedTensor& tensor, const ModelSpec& spec) {
  std::string codes(static_cast<size_t>(tensor.shape[0] * tensor.shape[1]), 0);
  for (char& c : codes) {
    do {
      c = static_cast<char>(random_());
    } while ((c & 0x7f) == 0x7f);
  }
  Add(tensor.name, "F8_E4M3", tensor.shape, codes);
  const int64_t rows = (tensor.shape[0] + spec.fp8_block_rows - 1) / spec.fp8_block_rows;
  const int64_t cols = (tensor.shape[1] + spec.fp8_block_cols - 1) / spec.fp8_block_cols;
  // Exact in every type.
  std::uniform_int_distribution<int> steps(128, 384);
  std::string scales;
  for (int64_t i = 0; i < rows * cols; ++i)
    AppendAs(scales_, static_cast<float>(steps(random_) / 2 * 2) * 0x1p-18F, &scales);
  Add(tensor.name + "_scale_inv", scales_, {rows, cols}, scales);
}

}  // namespace deepseek::engine
