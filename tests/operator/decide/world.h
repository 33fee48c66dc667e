#pragma once
// A cluster without an API server: it carries out plans, and moves pods on when told to.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/json_full.h"
#include "operator/decide/decide.h"

namespace deepseek::decide {

/// What becomes of the pods of a revision.
enum class Fate { kReady, kLoading, kInvalid, kImagePull, kPending };

struct WorldPod {
  std::string name, hash8, image;
  bool ready = false;
  bool stopping = false;
  absl::Time created, ready_since;
};

class World {
 public:
  World();

  /// Replaces the spec; `more` is merged over the builtin model with one replica.
  void Edit(const Json& more);
  Json spec;
  std::string last_hash8;  ///< of the last edit

  /// Decide on what is now, and do it. Returns the plan.
  Plan Reconcile();
  /// The Deployment controller and the kubelet: one round. Stopping pods go, missing ones come,
  /// others meet their fate.
  void Step();
  /// Both in turns until nothing changes; at most `rounds`. Returns whether it came to rest.
  bool Settle(int rounds = 200);

  Cluster Observe() const;
  /// "Ready=False/Updating Available=True/..." of the last plan.
  std::string Condition(const std::string& type) const;
  std::string Message(const std::string& type) const;
  int Ready() const;   ///< ready pods that are not stopping
  int Wanted() const;  ///< of all Deployments
  /// "901131b0 2/3  97e290bc 0/1": ready and wanted, by revision number.
  std::string Picture() const;

  absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  Defaults defaults{"agent:1", "IfNotPresent", "0.1.0"};
  std::map<std::string, Fate> fates;  ///< by hash8; others become ready
  /// What an agent answers on /ready; null JSON: it cannot be reached. Null: nobody asks.
  std::function<Json(const WorldPod&)> answer;
  /// The last word on a pod's object, for what no fate says. Null: none.
  std::function<void(const WorldPod&, Json*)> shape;
  std::vector<Json> events;
  std::string replica_failure;  ///< message of ReplicaFailure on Deployments that lack pods
  std::vector<WorldPod> pods;
  std::map<std::string, Json> children;  ///< by "Kind name"
  Json status;

 private:
  void Put(const Json& object);
  Fate FateOf(const std::string& hash8) const;
  Json PodObject(const WorldPod& pod) const;

  int64_t generation_ = 0, version_ = 100, uids_ = 0;
};

}  // namespace deepseek::decide
