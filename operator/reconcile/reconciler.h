#pragma once
// The one place that does I/O in order: observe -> decide -> render -> apply, for one
// DeepSeekDeployment at a time.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "operator/decide/defaults.h"
#include "operator/decide/plan.h"
#include "operator/kube/client.h"

namespace deepseek::reconcile {

/// The kinds whose changes must enqueue the DeepSeekDeployment that they belong to; watch them with
/// the label selector kWatchSelector. DeepSeekDeployments themselves are watched without a
/// selector.
std::vector<kube::Resource> WatchedChildren();
extern const char kWatchSelector[];

/// Name of the DeepSeekDeployment that `object` (any watched child) belongs to; empty if none.
std::string OwnerName(const Json& object);

/// What a Reconciler uses and tells beyond the API server; each may be null.
struct Hooks {
  /// The answer of an agent's /ready, whatever its status. Must not take longer than a second or
  /// two: the reconcile waits for it.
  std::function<absl::StatusOr<Json>(const std::string& pod_ip)> ask_agent;
  /// After each reconcile that got that far; `plan` null: the DeepSeekDeployment is gone.
  std::function<void(std::string_view ns, std::string_view name, const decide::Plan* plan)> on_plan;
};

/// Thread-safe as long as no two threads reconcile the same key at the same time. Every read is a
/// live read, so nothing is ever decided before the key's own last write is seen.
class Reconciler {
 public:
  /// `client` must outlive the reconciler; `now` is the wall clock.
  Reconciler(kube::Client& client, decide::Defaults defaults, std::function<absl::Time()> now,
             Hooks hooks = {});

  /// Brings the world of one DeepSeekDeployment one step closer to its spec. Returns when to come
  /// back even if nothing is watched to change: absl::InfiniteDuration() means "only on events".
  /// Errors are for the queue's backoff: kAborted is a lost race with another writer (retry at
  /// once), kUnavailable the API server being away. An object that is gone is OK.
  absl::StatusOr<absl::Duration> Reconcile(std::string_view ns, std::string_view name);

 private:
  kube::Client& client_;
  decide::Defaults defaults_;
  std::function<absl::Time()> now_;
  Hooks hooks_;
};

}  // namespace deepseek::reconcile
