#pragma once
// The one place that does I/O in order: observe -> decide -> render -> apply, for one
// DeepSeekDeployment at a time.

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "operator/decide/defaults.h"
#include "operator/decide/plan.h"
#include "operator/kube/caches.h"
#include "operator/kube/client.h"
#include "operator/reconcile/agents.h"
#include "operator/reconcile/apply.h"
#include "operator/reconcile/event_recorder.h"
#include "operator/reconcile/gpu_exporter.h"
#include "operator/reconcile/warnings.h"

namespace deepseek::reconcile {

/// What a Reconciler uses and tells beyond the API server; each may be null.
struct Hooks {
  /// The answer of an agent's /ready, whatever its status. Called by several threads at once. Must
  /// not take longer than a second or two: the reconcile waits for it.
  Agents::Ask ask_agent;
  /// After each reconcile that got that far; `plan` null: the DeepSeekDeployment is gone.
  std::function<void(std::string_view ns, std::string_view name, const decide::Plan* plan)> on_plan;
  /// Whether requests queue at the rate limit: looks for events that were lost are put off then.
  std::function<bool()> busy;
};

/// Decides on what the caches hold, and reads nothing from the API server while nothing has to be
/// written and all goes well. Three things keep that safe:
///
/// - Before a pass writes, the DeepSeekDeployment itself is read once: a pass never acts on a spec
///   that is no longer so, or for an object that is gone. Every write of something that exists
///   carries the version that was compared. So a cache that is behind costs a refused write.
/// - Answers to writes go to the caches: nothing is decided before a key's own last write is seen.
/// - After two failures in a row, when a name turns out to be taken, while something is in the way,
///   and, ever more rarely, while a change is under way or once in nine hours otherwise, everything
///   is read from the API server (in case of lost events, of one object in a second): an event that
///   was lost for good delays a change, no more.
///
/// Thread-safe as long as no two threads reconcile the same key at the same time.
class Reconciler {
 public:
  /// `client` and `caches` (of Sources()) must outlive the reconciler; `now` is the wall clock.
  Reconciler(kube::Client& client, kube::Caches& caches, decide::Defaults defaults,
             std::function<absl::Time()> now, Hooks hooks = {});

  /// Brings the world of one DeepSeekDeployment one step closer to its spec. Returns when to come
  /// back even if nothing is watched to change: absl::InfiniteDuration() means "only on events".
  /// Errors are for the queue's backoff: kAborted and kAlreadyExists are lost races with another
  /// writer, kUnavailable the API server being away. An object that is gone is OK.
  absl::StatusOr<absl::Duration> Reconcile(std::string_view ns, std::string_view name);

 private:
  /// Of a key, between its passes.
  struct Memory {
    int failures = 0;                           ///< in a row
    int writing_passes = 0;                     ///< in a row
    bool in_the_way = false;                    ///< something that the caches do not hold
    absl::Time look_at = absl::InfinitePast();  ///< when to read everything; InfinitePast: not set
    absl::Duration quiet;                       ///< between the last two such reads
    StoredZeros stored;
    Agents agents;
  };

  absl::StatusOr<absl::Duration> Pass(std::string_view ns, std::string_view name, Memory* memory);
  /// Whether everything of one object may be read now in case an event was lost. It counts as done.
  bool MayLook(absl::Time now);
  absl::Status Confirm(const Json& dsd);
  absl::Status WriteStatus(const Json& dsd, const decide::Plan& plan);

  kube::Client& client_;
  kube::Caches& caches_;
  const decide::Defaults defaults_;
  const std::function<absl::Time()> now_;
  const Hooks hooks_;
  EventRecorder events_;
  GpuExporter gpu_exporter_;
  Warnings warnings_;
  std::mutex mutex_;
  std::map<std::string, Memory, std::less<>> memories_;
  absl::Time looked_at_ = absl::InfinitePast();  ///< for the sake of lost events
};

}  // namespace deepseek::reconcile
