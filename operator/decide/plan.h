#pragma once
// What Decide wants: which revisions and workloads exist, what goes, what is reported. render makes
// objects of it.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/json.h"
#include "operator/api/deepseek_deployment.h"
#include "operator/decide/observed.h"
#include "operator/decide/resolve.h"

namespace deepseek::decide {

/// Why something is done. Reasons are those of reasons.h.
struct Decision {
  std::string action;  ///< CreateRevision, ScaleUp, ScaleDown, Restart, Prune, ...
  std::string reason;
  std::string message;
  std::string inputs = "";  ///< the figures that it rests on, for people
};

/// An Event on the DeepSeekDeployment.
struct EventPlan {
  bool warning = false;
  std::string action, reason, message;
};

struct RevisionPlan {
  std::string name, hash8;
  int64_t number = 0;
  std::map<std::string, std::string> state;  ///< annotations
  /// The stored data of a revision that exists; null for a new one, whose data is the following.
  Object stored;
  Object canonical_intent, pod_template;
  Resolved resolved;
};

struct WorkloadPlan {
  std::string name, hash8;
  int replicas = 0;
  std::string role;  ///< stable or candidate
  absl::Duration progress_deadline;
  /// Of the Deployment that the decision rests on; empty: it does not exist and is created.
  std::string resource_version;
  std::string model_digest;  ///< that its pods must find; empty: not known yet
  Object revision;  ///< ControllerRevision that holds the template; null: the plan's new revision
  Object orphan;    ///< a Deployment whose ControllerRevision is gone: its own template is kept
};

struct Deletion {
  std::string kind, name, uid, resource_version;
  Decision why;
};

struct Plan {
  /// False: nothing but the status is written (refused spec, name conflict).
  bool manage = false;
  std::optional<api::DeepSeekDeployment> dsd;  ///< set if manage
  /// Kind and name of what is not rendered because somebody else's object has the name; nothing
  /// that is rendered depends on it.
  std::set<std::pair<std::string, std::string>> left_out;
  bool pod_monitor = false;              ///< the user's PodMonitor is rendered
  std::string operator_namespace;        ///< whose pods may ask the agents; empty: none
  std::optional<RevisionPlan> revision;  ///< the current one, if it has to be written
  std::vector<WorkloadPlan> workloads;   ///< scaled down first
  /// Nothing is written unless the API server would take this one, which is not there yet: it has
  /// the user's own parts in it, or old pods are stopped for it.
  std::optional<WorkloadPlan> trial;
  std::vector<Deletion> deletions;
  std::vector<Decision> decisions;
  std::vector<EventPlan> events;  ///< of the decisions and of what changed in the conditions
  std::vector<EventPlan>
      condition_events;  ///< the latter alone: what is true even if a write was refused
  std::shared_ptr<const Json> status;  ///< the whole of .status; null: leave it
  absl::Duration requeue_after = absl::InfiniteDuration();
};

}  // namespace deepseek::decide
