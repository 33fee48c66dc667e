#pragma once
// Names that are contracts: group, kind, labels, annotations, child names, ports (docs/reference).

#include <string>
#include <string_view>

namespace deepseek::api {

inline constexpr char kGroup[] = "serving.deepseek-operator.io";
inline constexpr char kVersion[] = "v1alpha1";
inline constexpr char kApiVersion[] = "serving.deepseek-operator.io/v1alpha1";
inline constexpr char kKind[] = "DeepSeekDeployment";
inline constexpr char kPlural[] = "deepseekdeployments";
inline constexpr char kFieldManager[] = "deepseek-operator";

// Pod labels and selectors use these two only, so that no other change ever touches a pod.
inline constexpr char kDeploymentLabel[] = "serving.deepseek-operator.io/deployment";
inline constexpr char kRevisionLabel[] = "serving.deepseek-operator.io/revision";
inline constexpr char kRoleLabel[] =
    "serving.deepseek-operator.io/role";  ///< stable|candidate, never on pods

/// SHA-256 over the object as rendered: equal means that nobody needs to write.
inline constexpr char kAppliedHashAnnotation[] = "serving.deepseek-operator.io/applied-hash";

// State on ControllerRevisions that cannot be derived, written before the action that it justifies.
inline constexpr char kIntentHashAnnotation[] = "serving.deepseek-operator.io/intent-hash";
inline constexpr char kStartedAtAnnotation[] = "serving.deepseek-operator.io/started-at";
inline constexpr char kStableSinceAnnotation[] = "serving.deepseek-operator.io/stable-since";
inline constexpr char kRetryTokenAnnotation[] = "serving.deepseek-operator.io/retry-token";
inline constexpr char kRetriedAtAnnotation[] = "serving.deepseek-operator.io/retried-at";

/// What the first ready agent of the revision said of its weights: later pods must find the same.
inline constexpr char kModelDigestAnnotation[] = "serving.deepseek-operator.io/model-digest";
/// The rest of what it said, for status: {"family", "parameters", "bytes"}.
inline constexpr char kModelAnnotation[] = "serving.deepseek-operator.io/model";
/// Key of a revision's ConfigMap, which its pods mount.
inline constexpr char kModelDigestKey[] = "model-digest";
/// Audience of service account tokens that pods may project (docs/concepts.md).
inline constexpr char kTokenAudience[] = "serving.deepseek-operator.io";

inline constexpr char kAgentContainer[] = "agent";
inline constexpr char kGpuResource[] = "nvidia.com/gpu";
/// Beside GPUs there are slices of them (nvidia.com/mig-1g.10gb) and shares
/// (nvidia.com/gpu.shared).
inline constexpr char kGpuVendor[] = "nvidia.com/";
inline constexpr int kHttpPort = 8000;
inline constexpr int kGrpcPort = 9000;
inline constexpr int kMetricsPort = 9090;

inline std::string RevisionName(std::string_view deployment, std::string_view hash) {
  return std::string(deployment) + "-" + std::string(hash.substr(0, 8));
}
inline std::string ServiceAccountName(std::string_view deployment) {
  return std::string(deployment) + "-agent";
}

}  // namespace deepseek::api
