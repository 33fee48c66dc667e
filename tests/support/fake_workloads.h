#pragma once
// The controllers and the kubelet that a FakeApiServer lacks: Deployments get pods, pods become
// ready or fail. Nothing happens by itself: a test advances the world step by step.

#include <map>
#include <string>
#include <string_view>

#include "base/json.h"
#include "tests/support/fake_api_server.h"

namespace deepseek::kube {

class FakeWorkloads {
 public:
  explicit FakeWorkloads(FakeApiServer* server) : server_(server) {}

  /// What becomes of new pods whose `serving.deepseek-operator.io/revision` label is `revision` (""
  /// : all others).
  enum class Fate {
    kReady,         ///< running and ready
    kPending,       ///< created, never starts
    kNotReady,      ///< running, never ready (loading)
    kFails,         ///< container terminated with exit code 2 and `message`, then CrashLoopBackOff
    kImagePull,     ///< waiting: ImagePullBackOff with `message`
    kUnschedulable  ///< PodScheduled=False with `message`
  };
  void set_fate(std::string_view revision, Fate fate, std::string_view message = "");
  /// Of pods made from now on: those that are there keep theirs, as a container in back-off does.
  void set_fate_of_new(std::string_view revision, Fate fate, std::string_view message = "");

  /// One round of every controller: Deployments scale their pods (one ReplicaSet-less step: pods
  /// are owned by the Deployment's ReplicaSet `<name>-rs`), pods move on to their fate, Deployments
  /// report status. True if it changed anything.
  bool Step();
  /// Steps until nothing changes.
  void Settle();
  /// Pods made so far, by the value of their revision label.
  const std::map<std::string, int>& made() const { return made_; }

 private:
  struct FateOf {
    Fate fate = Fate::kReady;
    std::string message;
  };
  bool ScalePods(const Json& deployment);
  bool MovePod(const Json& pod);
  bool ReportStatus(const Json& deployment);
  Json Call(std::string_view method, const std::string& path, const Json& body);

  FakeApiServer* server_;
  std::map<std::string, FateOf> fates_;
  std::map<std::string, FateOf> last_, kept_;  ///< by pod uid
  int pods_ = 0;
  std::map<std::string, int> made_;
};

}  // namespace deepseek::kube
