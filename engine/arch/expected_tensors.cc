#include "engine/arch/expected_tensors.h"

#include <functional>
#include <string_view>
#include <utility>

#include "base/strings.h"

namespace deepseek::engine {
namespace {

class Lister {
 public:
  Lister(const ModelSpec& spec, const std::function<bool(const ExpectedTensor&)>& on)
      : s_(spec), on_(on) {}

  void Float(const std::string& name, std::vector<int64_t> shape, bool optional = false) {
    Put({name, std::move(shape), TensorRole::kFloat, optional});
  }
  void Linear(const std::string& name, int64_t rows, int64_t cols) {
    Put({name + ".weight", {rows, cols}, TensorRole::kLinear, false});
  }
  /// The receiver wants no more: loops may end.
  bool stopped() const { return stopped_; }

  void Mla(const std::string& prefix) {
    const int64_t q_width = int64_t{s_.heads} * (s_.nope_dim + s_.rope_dim);
    if (s_.q_lora_rank > 0) {
      Linear(prefix + "q_a_proj", s_.q_lora_rank, s_.hidden);
      Float(prefix + "q_a_layernorm.weight", {s_.q_lora_rank});
      Linear(prefix + "q_b_proj", q_width, s_.q_lora_rank);
    } else {
      Linear(prefix + "q_proj", q_width, s_.hidden);
    }
    Linear(prefix + "kv_a_proj_with_mqa", s_.kv_lora_rank + s_.rope_dim, s_.hidden);
    Float(prefix + "kv_a_layernorm.weight", {s_.kv_lora_rank});
    Linear(prefix + "kv_b_proj", int64_t{s_.heads} * (s_.nope_dim + s_.v_dim), s_.kv_lora_rank);
    Linear(prefix + "o_proj", s_.hidden, int64_t{s_.heads} * s_.v_dim);
  }

  void Gqa(const std::string& prefix) {
    const int64_t q_width = int64_t{s_.heads} * s_.head_dim;
    const int64_t kv_width = int64_t{s_.kv_heads} * s_.head_dim;
    Linear(prefix + "q_proj", q_width, s_.hidden);
    Linear(prefix + "k_proj", kv_width, s_.hidden);
    Linear(prefix + "v_proj", kv_width, s_.hidden);
    if (s_.qkv_bias) {
      Float(prefix + "q_proj.bias", {q_width});
      Float(prefix + "k_proj.bias", {kv_width});
      Float(prefix + "v_proj.bias", {kv_width});
    }
    Linear(prefix + "o_proj", s_.hidden, q_width);
  }

  void Ffn(const std::string& prefix, int64_t intermediate) {
    Linear(prefix + "gate_proj", intermediate, s_.hidden);
    Linear(prefix + "up_proj", intermediate, s_.hidden);
    Linear(prefix + "down_proj", s_.hidden, intermediate);
  }

  void Layer(int32_t layer) {
    const std::string prefix = StrCat("model.layers.", layer, ".");
    Float(prefix + "input_layernorm.weight", {s_.hidden});
    if (s_.attention == Attention::kMla) {
      Mla(prefix + "self_attn.");
    } else {
      Gqa(prefix + "self_attn.");
    }
    Float(prefix + "post_attention_layernorm.weight", {s_.hidden});
    const std::string mlp = prefix + "mlp.";
    if (!s_.moe_layer(layer)) return Ffn(mlp, s_.dense_intermediate);
    Float(mlp + "gate.weight", {s_.experts, s_.hidden});
    if (s_.router == Router::kSigmoidNoauxTc)
      Float(mlp + "gate.e_score_correction_bias", {s_.experts});
    for (int32_t e = 0; e < s_.experts && !stopped_; ++e) {
      Ffn(StrCat(mlp, "experts.", e, "."), s_.expert_intermediate);
    }
    if (s_.shared_experts > 0) {
      Ffn(mlp + "shared_experts.", int64_t{s_.shared_experts} * s_.expert_intermediate);
    }
  }

  // The embedding and the head of an MTP layer repeat the main tensors: files may leave them out.
  void MtpLayer(int32_t layer) {
    const std::string prefix = StrCat("model.layers.", layer, ".");
    Float(prefix + "embed_tokens.weight", {s_.vocab, s_.hidden}, true);
    Float(prefix + "enorm.weight", {s_.hidden});
    Float(prefix + "hnorm.weight", {s_.hidden});
    Linear(prefix + "eh_proj", s_.hidden, int64_t{2} * s_.hidden);
    Layer(layer);
    Float(prefix + "shared_head.norm.weight", {s_.hidden});
    Float(prefix + "shared_head.head.weight", {s_.vocab, s_.hidden}, true);
  }

 private:
  void Put(const ExpectedTensor& tensor) { stopped_ = stopped_ || !on_(tensor); }

  const ModelSpec& s_;
  const std::function<bool(const ExpectedTensor&)>& on_;
  bool stopped_ = false;
};

}  // namespace

bool OfMtpLayer(const ModelSpec& spec, const std::string& name) {
  constexpr std::string_view kLayers = "model.layers.";
  return name.starts_with(kLayers) && std::stoi(name.substr(kLayers.size())) >= spec.layers;
}

void ForEachExpectedTensor(const ModelSpec& spec, bool mtp,
                           const std::function<bool(const ExpectedTensor&)>& on) {
  Lister lister(spec, on);
  lister.Float("model.embed_tokens.weight", {spec.vocab, spec.hidden});
  for (int32_t i = 0; i < spec.layers && !lister.stopped(); ++i) lister.Layer(i);
  lister.Float("model.norm.weight", {spec.hidden});
  if (!spec.tie_embeddings) lister.Float("lm_head.weight", {spec.vocab, spec.hidden});
  for (int32_t i = 0; mtp && i < spec.mtp_layers; ++i) lister.MtpLayer(spec.layers + i);
}

std::vector<ExpectedTensor> ExpectedTensors(const ModelSpec& spec, bool mtp) {
  std::vector<ExpectedTensor> list;
  ForEachExpectedTensor(spec, mtp, [&](const ExpectedTensor& tensor) {
    list.push_back(tensor);
    return true;
  });
  return list;
}

}  // namespace deepseek::engine
