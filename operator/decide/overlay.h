#pragma once
// workload.template merged over the pod template that the operator makes. Merging only: what the
// result may not hold is floor.h's matter.

#include <string>

#include "absl/status/statusor.h"
#include "base/json.h"

namespace deepseek::decide {

/// Where the overlay stands in the custom resource: the paths of errors begin with it.
inline constexpr char kOverlayPath[] = "spec.workload.template";

/// `base` is a PodTemplateSpec, `overlay` {"metadata", "spec"} or null. Maps merge; null removes a
/// field; lists with keys (containers, initContainers, env, volumes and imagePullSecrets by name,
/// volumeMounts by mountPath, ports by containerPort and protocol) merge item by item, new items
/// come last; any other list is replaced. Errors (kInvalidArgument) name the path: a value of
/// another kind than the one it merges with, an item without its key, a key that is there twice,
/// `$patch` directives.
absl::StatusOr<Json> MergeOverlay(const Json& base, const Json& overlay);

}  // namespace deepseek::decide
