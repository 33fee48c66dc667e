#pragma once
// The tensors of a model as the memory plan sees them.

#include <vector>

#include "engine/arch/memory_plan.h"
#include "engine/weights/checkpoint.h"
#include "engine/weights/expected_tensors.h"

namespace deepseek::engine {

/// What a load makes of the expected tensors (those that are read), in the types that `checkpoint`
/// has; without one (null), in those that config.json announces.
std::vector<PlannedTensor> PlannedTensors(const Checkpoint* checkpoint, const ModelSpec& spec,
                                          bool mtp);

}  // namespace deepseek::engine
