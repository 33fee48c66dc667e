#pragma once
// Which tensors a ModelSpec asks for, under the names of the released checkpoints.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/arch/model_spec.h"

namespace deepseek::engine {

enum class TensorRole : uint8_t {
  kFloat,   ///< BF16, F16 or F32
  kLinear,  ///< as kFloat, or F8_E4M3 with NAME_scale_inv (as kFloat) of [ceil(rows / block),
            ///< ceil(cols / block)]
};

struct ExpectedTensor {
  std::string name;
  std::vector<int64_t> shape;
  TensorRole role = TensorRole::kFloat;
  bool optional = false;  ///< may be left out; checked when it is there
};

/// Whether an expected tensor of that name belongs to a multi-token-prediction layer.
bool OfMtpLayer(const ModelSpec& spec, const std::string& name);
/// `mtp`: also the tensors of the multi-token-prediction layers.
std::vector<ExpectedTensor> ExpectedTensors(const ModelSpec& spec, bool mtp);
/// The same one by one, until `on` returns false. A config.json of a few bytes can ask for millions
/// of tensors: what is not checked against a checkpoint yet is not listed.
void ForEachExpectedTensor(const ModelSpec& spec, bool mtp,
                           const std::function<bool(const ExpectedTensor&)>& on);

}  // namespace deepseek::engine
