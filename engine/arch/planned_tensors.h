#pragma once
// The tensors of a model as the memory plan sees them.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/arch/memory_plan.h"

namespace deepseek::engine {

/// The type that a tensor of this name is stored in; nullopt: not known.
using StoredTypeOf = std::function<std::optional<DType>(const std::string& name)>;

/// What a load makes of the expected tensors (those that are read), in the types that `stored`
/// tells; where it tells none, or without it, in those that config.json announces.
std::vector<PlannedTensor> PlannedTensors(const ModelSpec& spec, bool mtp,
                                          const StoredTypeOf& stored = nullptr);

}  // namespace deepseek::engine
