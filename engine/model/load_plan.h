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
};

/// `room`: the memory to plan for; none: what this process may take now. Errors of
/// config.json and of missing or misshapen tensors, as a load's.
absl::StatusOr<LoadPlan> PlanLoad(const ModelOptions& options, const StepLimits& limits,
                                  const Checkpoint& checkpoint,
                                  const std::optional<MemoryRoom>& room);

}  // namespace deepseek::engine
