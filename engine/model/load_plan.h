#pragma once
// What a load will do with memory, from config.json and the headers of the weight files alone.

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/arch/memory_plan.h"
#include "engine/cache/available_memory.h"
#include "engine/model/model.h"
#include "engine/weights/checkpoint.h"

namespace deepseek::engine {

struct LoadPlan {
  ModelSpec spec;
  ModelOptions options;  ///< resolved, max_context set
  StepShape step;
  std::vector<PlannedTensor> tensors;
  int64_t stored_bytes = 0;  ///< what is read of the files
  MemoryPlan memory;
  MemoryRoom room;

  /// kResourceExhausted with the numbers and what would fit.
  absl::Status Fits() const;
  /// Every tensor is there, with the shape and type that config.json asks for. Names the folder.
  absl::Status Check(const Checkpoint& checkpoint) const;
};

/// `room`: the memory to plan for; none: what this process may take now. Tensors were not checked:
/// those that are missing count as config.json announces them.
absl::StatusOr<LoadPlan> PlanLoad(const ModelOptions& options, const StepLimits& limits,
                                  const Checkpoint& checkpoint,
                                  const std::optional<MemoryRoom>& room);

}  // namespace deepseek::engine
