// LoadModelWeights: from a folder to a model that can run.

#include <utility>

#include "base/status.h"
#include "engine/model/family.h"
#include "engine/model/load_plan.h"

namespace deepseek::engine {

absl::StatusOr<std::unique_ptr<Model>> LoadModelWeights(const ModelOptions& options,
                                                        const StepLimits& limits,
                                                        const LoadCallbacks& callbacks,
                                                        std::unique_ptr<Backend> backend) {
  if (limits.max_rows < 1 || limits.max_logit_rows < 1) {
    return absl::InvalidArgumentError(
        "a step needs room for at least one row and one row of logits");
  }
  // Of the two readers of the folder, the one for config.json says first what is wrong with it.
  RETURN_IF_ERROR(ReadModelSpec(options.model_dir).status());
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Open(options.model_dir));
  ASSIGN_OR_RETURN(const LoadPlan plan, PlanLoad(options, limits, checkpoint, std::nullopt));
  const ModelSpec& spec = plan.spec;
  ModelOptions resolved = plan.options;
  RETURN_IF_ERROR(plan.Check(checkpoint));
  RETURN_IF_ERROR(plan.Fits());
  resolved.kv_memory_bytes = plan.memory.kv_bytes();  // as planned, whatever is free by then
  ASSIGN_OR_RETURN(const FamilyLoader load, FindFamily(spec.family));
  ASSIGN_OR_RETURN(auto model,
                   load({spec, resolved, limits, callbacks, checkpoint}, std::move(backend)));
  model->set_planned_bytes(plan.memory.total_bytes());
  return model;
}

}  // namespace deepseek::engine
