#include "engine/arch/planned_tensors.h"

#include <numeric>
#include <string_view>

#include "engine/arch/expected_tensors.h"

namespace deepseek::engine {
namespace {

bool Contains(const std::string& name, std::string_view part) {
  return name.find(part) != std::string::npos;
}

WeightPart PartOf(const ExpectedTensor& tensor, const ModelSpec& spec) {
  const std::string& name = tensor.name;
  if (OfMtpLayer(spec, name)) return WeightPart::kMtp;
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

// A head's half of kv_b_proj that makes keys is transposed: its FP8 blocks fit the tiles where the
// head's first row begins one.
void AddKeyHalf(const ModelSpec& spec, PlannedTensor t, std::vector<PlannedTensor>* out) {
  const int64_t step = spec.nope_dim + spec.v_dim;
  const int64_t period = spec.fp8_block_rows / std::gcd(step, int64_t{spec.fp8_block_rows});
  t.transposed = true;
  t.rows = spec.kv_lora_rank;
  t.cols = spec.nope_dim;
  t.count = (spec.heads + period - 1) / period;
  out->push_back(t);
  t.count = spec.heads - t.count;
  t.first_col = step;
  if (t.count > 0) out->push_back(t);
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
    t.rows = spec.v_dim;
    out->push_back(t);
    AddKeyHalf(spec, t, out);
    return;
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
