#pragma once
// A fake cluster with one operator in it: the real controller, caches and reconciler over the
// in-memory API server, without threads. The clock only moves when the test moves it.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/json_full.h"
#include "operator/kube/caches.h"
#include "operator/kube/client.h"
#include "operator/kube/controller.h"
#include "operator/kube/throttle.h"
#include "operator/reconcile/reconciler.h"
#include "tests/support/fake_api_server.h"
#include "tests/support/fake_workloads.h"

namespace deepseek::reconcile {

inline constexpr char kNamespace[] = "models";

/// What one process of the operator holds. Made anew, it knows nothing.
struct OperatorProcess {
  OperatorProcess(std::shared_ptr<kube::Transport> transport, const decide::Defaults& defaults,
                  std::function<absl::Time()> now, Hooks hooks = {});
  /// Caches take in what the server has to tell.
  void Pump();
  /// Reconciles every key that is due.
  void Work();

  kube::Client client;
  kube::Caches caches;
  Reconciler reconciler;
  kube::Controller controller;
};

class Harness {
 public:
  Harness();

  /// As kubectl apply would: creates or replaces the spec. `spec` lacks what it does not set.
  void Apply(const std::string& name, const Json& spec);
  void Delete(const std::string& name);
  /// A new operator with these defaults.
  void Upgrade(const std::string& image, const std::string& version);
  /// The operator's process dies, and another one begins.
  void Restart();

  /// One pass over up-to-date caches; repeats lost races. Fails the test on any other error.
  void Reconcile(const std::string& name);
  /// One reconcile of everything that is due and one step of the fake controllers. True if anything
  /// changed. A process that has crashed is restarted. `each` is called between steps.
  bool Round(const std::function<void()>& each = [] {});
  /// Rounds until nothing changes any more.
  void Converge(
      const std::string& name, const std::function<void()>& each = [] {});
  /// The same, but until nothing changes within half a day either: timers, backoffs and the resync
  /// have run.
  void Settle(const std::function<void()>& each = [] {});
  /// Rounds until `condition`; false if nothing changes any more before.
  bool Until(
      const std::function<bool()>& condition, const std::function<void()>& each = [] {});

  Json Get(const kube::Resource& r, const std::string& name) const;
  bool Exists(const kube::Resource& r, const std::string& name) const;
  /// The condition of the DeepSeekDeployment: "True AllReplicasReady".
  std::string Condition(const std::string& name, const std::string& type) const;
  std::string Message(const std::string& name, const std::string& type) const;
  /// "demo-1a2b3c4d=2 ..." by name, with the replicas of each Deployment.
  std::string Deployments() const;
  /// Names of the pods.
  std::vector<std::string> Pods() const;
  int ReadyPods() const;
  /// What a fault must not change: children, specs, states that are not times.
  std::string EndState() const;
  std::vector<std::string> EventReasons() const;
  /// How many writes the operator has made.
  int Writes() const;

  std::shared_ptr<kube::FakeApiServer> server = std::make_shared<kube::FakeApiServer>();
  kube::FakeWorkloads workloads{server.get()};
  absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  std::unique_ptr<OperatorProcess> process;
  /// Called at the beginning of every round, if set.
  std::function<void()> before_round;
  const decide::Defaults& defaults() const { return defaults_; }

 private:
  decide::Defaults defaults_;
  std::shared_ptr<kube::Transport> transport_;
};

/// spec with the builtin model; `more` is merged over it.
Json Spec(const Json& more = Json::object());

}  // namespace deepseek::reconcile
