#pragma once
// The security floor: what no overlay may bring into a pod, checked on the merged result.

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/json.h"

namespace deepseek::decide {

/// The volume that brings the agent what its revision stands for.
inline constexpr char kRevisionVolume[] = "revision";

/// `base` is the pod template as the operator makes it, `merged` the same with the overlay. Refused
/// (kInvalidArgument, with the path below spec.workload.template): another service account or its
/// token, host namespaces, ports and paths, a node by name, volumes that Pod Security `restricted`
/// does not know, service account tokens of another audience, any container below `restricted`, the
/// agent's command, args, environment and what tells it its weights, our labels. Values of a wrong
/// type count as forbidden ones: nothing is taken that is not understood.
absl::Status CheckFloor(const Json& base, const Json& merged);

/// kInvalidArgument "path: why".
absl::Status Refuse(const std::string& path, std::string_view why);

/// The part about one container, which `path` names. What its securityContext leaves out is the
/// pod's.
absl::Status CheckContainerFloor(const Json& container, const std::string& path);

/// The part about the agent's container: `base` and `spec` are those of the pods, `path` the
/// latter's.
absl::Status CheckAgentFloor(const Json& base, const Json& spec, const std::string& path);

/// What the securityContext of a pod and of a container have in common.
absl::Status CheckSharedContext(const Json& context, const std::string& path);

}  // namespace deepseek::decide
