#pragma once
// The memory of a pod whose model is known by its shape (model.preset), before any weight can be
// read: by the engine's own plan, so that the numbers are those that the agent would refuse by.

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "engine/arch/memory_plan.h"
#include "operator/api/deepseek_deployment.h"

namespace deepseek::decide {

struct ModelPlan {
  std::string preset;
  engine::ModelSpec spec;
  engine::ModelOptions options;  ///< resolved
  engine::StepShape step;
  engine::MemoryPlan memory;
  /// What serves at all, and what is asked of a node where the user says nothing: everything beside
  /// the cache, and a cache of kvCacheMemory, else of one sequence of maxContextTokens.
  int64_t least_bytes = 0;

  /// "deepseek-v3 (671.0 billion parameters): at least 651.07 GiB: weights .., KV cache .."
  std::string Text() const;
};

/// nullopt without a preset. `cpus`: that the pod computes with. kInvalidArgument names the field
/// that the model cannot follow.
absl::StatusOr<std::optional<ModelPlan>> PlanModel(const api::PodIntent& intent, int64_t cpus);

/// CPUs of a container's resources: its limit, else its request, rounded up; 1 without either.
int64_t CpusOf(const Json& resources);

/// kInvalidArgument where the agent's container in `pod_template` is limited to less memory than
/// the model needs, with the numbers and what would make it fit.
absl::Status CheckMemory(const ModelPlan& plan, const Json& pod_template);

/// What to say of a model whose weights turned out not to be of the preset's shape; else empty.
/// `parameters` as the agent counts them; 0: not known.
std::string PresetMismatch(const api::PodIntent& intent, int64_t parameters);

}  // namespace deepseek::decide
