#pragma once
// The custom resource as decide and render see it: typed, checked, absent where the user said
// nothing.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/json.h"

namespace deepseek::api {

enum class Strategy { kRolling, kRecreate };

struct Rollout {
  Strategy strategy = Strategy::kRolling;
  int max_surge = 1;
  int max_unavailable = 0;
  bool paused = false;
  std::optional<absl::Duration> progress_deadline;  ///< absent: startup deadline + 5 min
  std::string retry_token;
};

/// A PodMonitor that the user wants.
struct PodMonitor {
  std::map<std::string, std::string> labels;
  std::optional<absl::Duration> interval;
};

/// What a revision's pods are made of. Absent means "the operator's default when the revision is
/// made".
struct PodIntent {
  std::optional<std::string> served_name, image, image_pull_policy, device, compute, log_level;
  std::optional<std::string> gpu_metrics;        ///< Auto, On, Off
  std::optional<std::string> weights, kv_cache;  ///< absent: the agent's default
  std::optional<std::string> preset;             ///< the model's shape, from the catalogue
  std::string builtin;                           ///< a model in the agent image, or
  std::string claim_name, path;                  ///< a folder of a PersistentVolumeClaim
  std::vector<std::string> image_pull_secrets;
  std::optional<int64_t> max_context_tokens, max_batch, kv_cache_memory_bytes;
  std::optional<int64_t> gpus_per_replica;  ///< only with device CUDA
  std::optional<absl::Duration> max_batch_delay, drain_delay, drain_timeout, startup_deadline;
  /// Parts of a pod spec that are passed on as they are: resources, nodeSelector, tolerations,
  /// affinity, topologySpreadConstraints, priorityClassName, runtimeClassName. Never null.
  std::shared_ptr<const Json> pod;
  /// workload.template: {"metadata": {..}, "spec": {..}}, either may be absent; null: the user said
  /// nothing. Never nullptr. Unchecked: decide/pod_template.h merges and checks it.
  std::shared_ptr<const Json> overlay;
};

struct DeepSeekDeployment {
  std::string name, ns, uid, resource_version;
  int64_t generation = 0;
  bool deleting = false;

  int replicas = 1;
  Rollout rollout;
  std::string service_type = "ClusterIP";
  /// Object of annotations and the two lists of NetworkPolicyPeers; null where the user said
  /// nothing. Never nullptr.
  std::shared_ptr<const Json> service_annotations, allowed_from, scrape_from;
  std::optional<PodMonitor> pod_monitor;
  int revision_history_limit = 5;

  PodIntent intent;
  /// The user's words that affect pods, canonical: sorted keys, quantities and durations
  /// normalised, empty parts left out. A revision is its SHA-256.
  std::string canonical_intent;
};

/// Metadata is read even from an object whose spec is refused. Errors (kInvalidArgument) name the
/// field.
absl::StatusOr<DeepSeekDeployment> Parse(const Json& object);

/// The intent as stored in a ControllerRevision: what canonical_intent says, read back.
absl::StatusOr<PodIntent> ParseIntent(const Json& canonical);

/// Makes `spec` stand for the revision whose stored intent that is; what no revision is made of
/// stays.
void PutIntent(const Json& canonical, Json* spec);

/// The rules that the CRD states in CEL.
absl::Status CheckRules(const std::string& name, const Json& spec);

}  // namespace deepseek::api
