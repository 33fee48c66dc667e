#include "engine/engine.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "engine/kernels/cpu/cpu_backend.h"
#include "engine/kernels/cpu/cpu_quota.h"
#include "engine/kernels/reference/host_memory.h"
#include "engine/model/load_plan.h"
#include "engine/model/model.h"
#include "engine/model/step_buffers.h"
#include "engine/profiling_backend.h"
#include "engine/serving_engine.h"

namespace deepseek::engine {
namespace {

constexpr int32_t kLargestBatch = 4096;

absl::Status CheckOptions(const EngineOptions& options) {
  const auto bad = [](std::string_view flag, auto value, std::string_view expected) {
    return absl::InvalidArgumentError(StrCat(flag, ": ", value, ": must be ", expected));
  };
  const ModelOptions& model = options.model;
  if (model.max_batch < 1 || model.max_batch > kLargestBatch) {
    return bad("--max-batch", model.max_batch, StrCat("between 1 and ", kLargestBatch));
  }
  if (model.max_context < 0)
    return bad("--max-context", model.max_context, "0 (the model's limit) or more");
  if (model.kv_memory_bytes < 0)
    return bad("--kv-memory", model.kv_memory_bytes, "0 (automatic) or more");
  if (options.max_queue < 0) return bad("--max-queue", options.max_queue, "0 or more");
  if (options.max_queue_delay.value_or(absl::ZeroDuration()) < absl::ZeroDuration()) {
    return bad("--max-queue-delay", absl::FormatDuration(*options.max_queue_delay), "0 or more");
  }
  if (options.max_batch_delay < absl::ZeroDuration()) {
    return bad("--max-batch-delay", absl::FormatDuration(options.max_batch_delay), "0 or more");
  }
  if (options.step_target <= absl::ZeroDuration()) {
    return bad("--step-target", absl::FormatDuration(options.step_target), "above 0");
  }
  return absl::OkStatus();
}

StepLimits LimitsFor(const EngineOptions& options, const ModelSpec& spec) {
  const int32_t context = options.model.max_context;
  StepLimits limits = StepLimitsFor(spec, context > 0 ? context : spec.max_positions);
  limits.max_rows =
      std::max({limits.max_rows, options.model.max_batch + kLeastPromptRows, options.tool_rows});
  limits.max_logit_rows =
      std::max({limits.max_logit_rows, options.model.max_batch, options.tool_rows});
  return limits;
}

// Resolve, and what this machine decides.
absl::StatusOr<ModelOptions> ResolveHere(const ModelOptions& options) {
  ASSIGN_OR_RETURN(ModelOptions resolved, Resolve(options));
  resolved.threads = ThreadsFor(resolved.threads, AvailableCpus());
  ASSIGN_OR_RETURN(const CpuKernels kernels, FindCpuKernels(resolved.isa));
  resolved.isa = std::string(kernels.isa);
  resolved.bf16_products = kernels.bf16_products;
  return resolved;
}

}  // namespace

std::string_view Name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
    case FinishReason::kDeadline:
      return "deadline";
    case FinishReason::kError:
      return "error";
  }
  return "unknown";
}

absl::StatusOr<ModelPlan> PlanModel(const EngineOptions& options, int64_t memory_bytes) {
  RETURN_IF_ERROR(CheckOptions(options));
  ASSIGN_OR_RETURN(const ModelOptions resolved, ResolveHere(options.model));
  ASSIGN_OR_RETURN(const ModelSpec spec, ReadModelSpec(resolved.model_dir));
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Open(resolved.model_dir));
  std::optional<MemoryRoom> room;
  if (memory_bytes > 0) room = MemoryRoom{memory_bytes, "--memory"};
  ASSIGN_OR_RETURN(LoadPlan plan, PlanLoad(resolved, LimitsFor(options, spec), checkpoint, room));
  ModelPlan out;
  out.fits = plan.Fits();
  out.remedies = Remedies(plan.spec, plan.options, plan.step, plan.tensors, plan.room.bytes);
  out.fit = FitInto(plan.memory, plan.spec, plan.room.bytes);
  out.spec = std::move(plan.spec);
  out.options = std::move(plan.options);
  out.memory = plan.memory;
  out.stored_bytes = plan.stored_bytes;
  out.available_bytes = plan.room.bytes;
  out.limit = std::move(plan.room.limit);
  out.huge_pages = HugePagePolicy();
  return out;
}

absl::StatusOr<std::unique_ptr<Engine>> LoadModel(const EngineOptions& options) {
  RETURN_IF_ERROR(CheckOptions(options));
  ASSIGN_OR_RETURN(const ModelOptions resolved, ResolveHere(options.model));
  ASSIGN_OR_RETURN(const ModelSpec spec, ReadModelSpec(resolved.model_dir));
  LoadCallbacks callbacks;
  callbacks.cancel = options.cancel_load;
  if (options.on_progress) {
    callbacks.on_progress = [&](int64_t loaded, int64_t total) {
      options.on_progress({loaded, total});
    };
  }
  ASSIGN_OR_RETURN(auto backend,
                   CreateCpuBackend({resolved.compute, resolved.threads}, resolved.isa));
  if (options.profile != nullptr) backend = ProfileBackend(std::move(backend), options.profile);
  ASSIGN_OR_RETURN(auto model, LoadModelWeights(resolved, LimitsFor(options, spec), callbacks,
                                                std::move(backend)));
  return std::make_unique<ServingEngine>(std::move(model), options);
}

}  // namespace deepseek::engine
