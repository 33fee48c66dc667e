#include "engine/arch/planned_tensors.h"

#include <string_view>

#include "engine/arch/expected_tensors.h"

namespace deepseek::engine {
namespace {

bool Contains(const std::string& name, std::string_view part) {
  return name.find(part) != std::string::npos;
}

WeightPart PartOf(const ExpectedTensor& tensor, const ModelSpec& spec) {
  const std::string& name = tensor.name;
  constexpr std::string_view kLayers = "model.layers.";
  if (name.starts_with(kLayers) && std::stoi(name.substr(kLayers.size())) >= spec.layers) {
    return WeightPart::kMtp;
  }
  if (Contains(name, "embed_tokens")) return WeightPart::kEmbedding;
  if (name.starts_with("lm_head")) return WeightPart::kHead;
  if (Contains(name, ".mlp.gate.")) return WeightPart::kRouter;
  if (tensor.shape.size() == 1) return WeightPart::kNorms;
  if (Contains(name, ".self_attn.")) return WeightPart::kAttention;
  if (Contains(name, ".mlp.experts.")) return WeightPart::kExperts;
  if (Contains(name, ".mlp.shared_experts.")) return WeightPart::kShared;
  return WeightPart::kDense;
}

// FP8 checkpoints keep the head and the router in their float type.
DType Announced(const ExpectedTensor& tensor, const ModelSpec& spec) {
  if (tensor.role == TensorRole::kLinear && spec.fp8_blocks) return DType::kF8E4M3;
  if (spec.torch_dtype == "float32") return DType::kF32;
  return spec.torch_dtype == "float16" ? DType::kF16 : DType::kBf16;
}

void Add(const ExpectedTensor& tensor, const ModelSpec& spec, PlannedTensor t,
         std::vector<PlannedTensor>* out) {
  using Keep = PlannedTensor::Keep;
  t.rows = tensor.shape[0];
  if (tensor.shape.size() == 1) {
    out->push_back(t);
    return;
  }
  t.cols = tensor.shape[1];
  t.keep = Keep::kLinear;
  if (Contains(tensor.name, "embed_tokens")) {
    t.keep = Keep::kTable;
  } else if (Contains(tensor.name, ".mlp.gate.")) {
    t.keep = Keep::kNative;
  } else if (Contains(tensor.name, ".kv_b_proj")) {
    // Per head, keys and values apart: both forms of MLA read the same numbers.
    t.keep = Keep::kNative;
    t.count = spec.heads;
    t.rows = spec.nope_dim;
    out->push_back(t);
    t.rows = spec.v_dim;
  } else if (Contains(tensor.name, ".eh_proj")) {
    t.cols = spec.hidden;
    out->push_back(t);
    t.first_col = spec.hidden;
  }
  out->push_back(t);
}

}  // namespace

std::vector<PlannedTensor> PlannedTensors(const ModelSpec& spec, bool mtp,
                                          const StoredTypeOf& stored) {
  std::vector<PlannedTensor> planned;
  for (const ExpectedTensor& tensor : ExpectedTensors(spec, mtp)) {
    if (tensor.optional) continue;
    PlannedTensor t;
    t.part = PartOf(tensor, spec);
    const auto known = stored ? stored(tensor.name) : std::nullopt;
    t.stored = known.value_or(Announced(tensor, spec));
    Add(tensor, spec, t, &planned);
    if (spec.tie_embeddings && t.part == WeightPart::kEmbedding) {
      PlannedTensor head = planned.back();
      head.part = WeightPart::kHead;
      head.keep = PlannedTensor::Keep::kLinear;
      planned.push_back(head);
    }
  }
  return planned;
}

}  // namespace deepseek::engine
