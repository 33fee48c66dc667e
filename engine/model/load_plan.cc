#include "engine/model/load_plan.h"

#include <algorithm>

#include "base/status.h"
#include "base/strings.h"
#include "engine/arch/planned_tensors.h"
#include "engine/weights/check_tensors.h"

namespace deepseek::engine {
namespace {

absl::Status ResolveContext(const ModelSpec& spec, ModelOptions* options) {
  if (options->max_context == 0) options->max_context = spec.max_positions;
  if (options->max_context > spec.max_positions && !options->beyond_positions) {
    return absl::InvalidArgumentError(StrCat("--max-context ", options->max_context,
                                             " is above the model's max_position_embeddings ",
                                             spec.max_positions));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status LoadPlan::Fits() const {
  return CheckPlan(spec, options, step, tensors, room.bytes, options.model_dir, room.limit);
}

absl::StatusOr<LoadPlan> PlanLoad(const ModelOptions& options, const StepLimits& limits,
                                  const Checkpoint& checkpoint,
                                  const std::optional<MemoryRoom>& room) {
  LoadPlan plan;
  ASSIGN_OR_RETURN(plan.options, Resolve(options));
  ASSIGN_OR_RETURN(plan.spec, ReadModelSpec(plan.options.model_dir));
  RETURN_IF_ERROR(ResolveContext(plan.spec, &plan.options));
  // Before tensors are listed: how many there are is bounded by the files from here on.
  auto checked = CheckTensors(checkpoint, plan.spec, plan.options.load_mtp);
  if (!checked.ok()) {
    return absl::Status(checked.code(),
                        ToAbsl(StrCat(plan.options.model_dir, ": ", ToStd(checked.message()))));
  }
  plan.step = {limits.max_rows, limits.max_logit_rows, std::max(plan.options.threads, 1),
               plan.options.bf16_products};
  plan.tensors = PlannedTensors(plan.spec, plan.options.load_mtp, [&](const std::string& name) {
    return StoredType(checkpoint, name);
  });
  plan.stored_bytes = ExpectedBytes(checkpoint, plan.spec, plan.options.load_mtp);
  plan.room = room.has_value() ? *room : AvailableMemory();
  plan.memory = PlanMemory(plan.spec, plan.options, plan.step, plan.tensors, plan.room.bytes);
  return plan;
}

}  // namespace deepseek::engine
