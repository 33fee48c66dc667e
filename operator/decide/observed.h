#pragma once
// The world of one DeepSeekDeployment as the API server told it: raw objects (Cluster) and what
// decide needs of them (Observed).

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/json.h"

namespace deepseek::decide {

using Object = std::shared_ptr<const Json>;

/// What was read, in one go. `children` holds ServiceAccounts, ControllerRevisions, Deployments,
/// ConfigMaps, Services, PDBs, NetworkPolicies and PodMonitors: those with our label, and whatever
/// else has one of our names.
struct Cluster {
  Object dsd;
  std::vector<Object> children, pods, events;
  /// What agents answered on /ready, by the pod's uid. `agents_asked`: somebody tried.
  std::map<std::string, Object> agents;
  bool agents_asked = false;
  /// The API server knows PodMonitors.
  bool pod_monitors_served = true;
  /// A write that the API server refused for good in this pass; empty when there was none.
  std::string refusal_reason, refusal_message;
};

enum class Ownership {
  kOurs,     ///< the controller ownerReference is this DeepSeekDeployment
  kFormer,   ///< is a deleted one of the same name: garbage collection will take it
  kForeign,  ///< somebody else's: never written
};

struct Child {
  std::string kind, name, uid, resource_version;
  std::string revision;  ///< its revision label
  Ownership ownership = Ownership::kForeign;
  bool deleting = false;
  Object object;
};

/// A ControllerRevision of ours.
struct Revision {
  Child child;
  std::string hash8;
  std::string intent_hash;  ///< SHA-256 of the canonical intent, in hex
  int64_t number = 0;
  std::map<std::string, std::string> state;  ///< our annotations
  std::optional<absl::Time> started_at, stable_since, retried_at;
  std::string retry_token;
  std::string model_digest;            ///< of the weights that its first ready agent found
  const Json* resolved = nullptr;      ///< into child.object
  const Json* pod_template = nullptr;  ///< into child.object

  /// Has it served at full count since its rollout began?
  bool Completed() const { return stable_since && started_at && *stable_since >= *started_at; }
};

/// A Deployment of ours.
struct Workload {
  Child child;
  std::string hash8;
  int want = 0;          ///< spec.replicas
  bool settled = false;  ///< the Deployment controller has seen this spec
  std::string refused;   ///< message of ReplicaFailure
};

/// A container's last words.
struct Ended {
  int exit_code = 0;
  std::string reason, message;
  absl::Duration ran = absl::ZeroDuration();  ///< from its start to its end
};

/// An agent about itself.
struct AgentReport {
  std::string state;  ///< loading, serving, draining, failed
  int64_t loaded_bytes = 0, total_bytes = 0;
  std::string family, digest;  ///< once it serves; empty: not said
  int64_t parameters = 0;
};

struct Container {
  bool running = false;
  int restarts = 0;
  std::string waiting_reason, waiting_message;
  std::optional<Ended> ended;  ///< now or before the last restart; none if ready since then
};

/// A container beside the agent, from the overlay or injected.
struct Sidecar : Container {
  std::string name;
  bool ready = false;  ///< of an init container: has done its work
};

/// Its own container is the agent's.
struct Pod : Container {
  std::string name, uid, hash8, ip;
  bool ready = false, deleting = false;
  bool agent_ready = false;  ///< the agent serves; the pod may wait for other containers
  absl::Time created;
  std::optional<absl::Time> ready_since;
  absl::Time unready_since;   ///< of one that is not ready: not before it was created
  std::string unschedulable;  ///< the scheduler's words
  std::vector<Sidecar> sidecars;
  std::optional<AgentReport> agent;
};

/// A warning about one of the pods.
struct Warning {
  std::string pod_uid, reason, note;
  absl::Time at;
};

struct Observed {
  Object dsd;
  std::vector<Child> children;
  std::vector<Revision> revisions;  ///< by number, newest first
  std::vector<Workload> workloads;
  std::vector<Pod> pods;
  std::vector<Warning> warnings;
  bool agents_asked = false;
  bool pod_monitors_served = true;
  std::string refusal_reason, refusal_message;
};

/// Never fails: objects of an unexpected shape are children without more.
Observed Read(const Cluster& cluster);

}  // namespace deepseek::decide
