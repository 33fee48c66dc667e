// LoadModelWeights: from a folder to a model that can run.

#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "engine/cache/available_memory.h"
#include "engine/model/family.h"
#include "engine/weights/expected_tensors.h"

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

absl::StatusOr<std::unique_ptr<Model>> LoadModelWeights(const ModelOptions& options,
                                                        const StepLimits& limits,
                                                        const LoadCallbacks& callbacks,
                                                        std::unique_ptr<Backend> backend) {
  if (limits.max_rows < 1 || limits.max_logit_rows < 1) {
    return absl::InvalidArgumentError(
        "a step needs room for at least one row and one row of logits");
  }
  ASSIGN_OR_RETURN(ModelOptions resolved, Resolve(options));
  ASSIGN_OR_RETURN(const ModelSpec spec, ReadModelSpec(resolved.model_dir));
  RETURN_IF_ERROR(ResolveContext(spec, &resolved));
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Open(resolved.model_dir));
  const int64_t needed = ExpectedBytes(checkpoint, spec, resolved.load_mtp);
  if (const int64_t free = AvailableMemoryBytes(); needed > free) {
    return absl::ResourceExhaustedError(
        StrCat(resolved.model_dir, ": the weights need ", needed, " bytes, memory leaves ", free));
  }
  auto checked = CheckTensors(checkpoint, spec, resolved.load_mtp);
  if (!checked.ok()) {
    return absl::Status(checked.code(),
                        ToAbsl(StrCat(resolved.model_dir, ": ", ToStd(checked.message()))));
  }
  ASSIGN_OR_RETURN(const FamilyLoader load, FindFamily(spec.family));
  return load({spec, resolved, limits, callbacks, checkpoint}, std::move(backend));
}

}  // namespace deepseek::engine
