// LoadModelWeights: from a folder to a model that can run, and the registry of families.

#include <array>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "engine/model/family.h"
#include "engine/model/load_plan.h"
#include "engine/weights/expected_tensors.h"

namespace deepseek::engine {
namespace {

struct Family {
  std::string_view name;
  decltype(&LoadDeepseekV3) load;
};
constexpr std::array<Family, 1> kFamilies{{{"deepseek_v3", &LoadDeepseekV3}}};

}  // namespace

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
  auto checked = CheckTensors(checkpoint, spec, resolved.load_mtp);
  if (!checked.ok()) {
    return absl::Status(checked.code(),
                        ToAbsl(StrCat(resolved.model_dir, ": ", ToStd(checked.message()))));
  }
  RETURN_IF_ERROR(plan.Fits());
  resolved.kv_memory_bytes = plan.memory.kv_bytes();  // as planned, whatever is free by then
  for (const Family& family : kFamilies) {
    if (family.name != spec.family) continue;
    ASSIGN_OR_RETURN(
        auto model, family.load(spec, resolved, limits, callbacks, checkpoint, std::move(backend)));
    model->set_planned_bytes(plan.memory.total_bytes());
    return model;
  }
  return absl::UnimplementedError(StrCat("family ", spec.family, " has no forward pass"));
}

}  // namespace deepseek::engine
