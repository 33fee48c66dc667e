#pragma once
// A fake cluster with one operator in it. The clock only moves when the test moves it.

#include <memory>
#include <string>
#include <vector>

#include "base/json_full.h"
#include "operator/kube/client.h"
#include "operator/reconcile/reconciler.h"
#include "tests/support/fake_api_server.h"
#include "tests/support/fake_workloads.h"

namespace deepseek::reconcile {

inline constexpr char kNamespace[] = "models";

class Harness {
 public:
  Harness();

  /// As kubectl apply would: creates or replaces the spec. `spec` lacks what it does not set.
  void Apply(const std::string& name, const Json& spec);
  void Delete(const std::string& name);
  /// A new operator with these defaults.
  void Upgrade(const std::string& image, const std::string& version);

  /// One reconcile; retries lost races. Fails the test on any other error unless the server has
  /// crashed.
  void Reconcile(const std::string& name);
  /// Reconciles and steps the fake controllers until nothing changes. `each` is called between
  /// steps.
  void Converge(
      const std::string& name, const std::function<void()>& each = [] {});

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
  /// What a crash must not change: children, specs, states that are not times.
  std::string EndState() const;
  std::vector<std::string> EventReasons() const;
  /// How many writes the operator has made.
  int Writes() const;

  std::shared_ptr<kube::FakeApiServer> server = std::make_shared<kube::FakeApiServer>();
  kube::FakeWorkloads workloads{server.get()};
  kube::Client client{server};
  absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  std::unique_ptr<Reconciler> reconciler;
};

/// spec with the builtin model; `more` is merged over it.
Json Spec(const Json& more = Json::object());

}  // namespace deepseek::reconcile
