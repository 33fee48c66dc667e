#include "operator/decide/conditions.h"

#include <algorithm>

#include "base/json_full.h"
#include "base/strings.h"
#include "operator/decide/json_read.h"
#include "operator/decide/model_plan.h"
#include "operator/decide/reasons.h"

namespace deepseek::decide {
namespace {

constexpr char kTrue[] = "True", kFalse[] = "False", kUnknown[] = "Unknown";

std::string ReadyText(const State& state) {
  return StrCat(state.current.share.ready, " of ", state.dsd.replicas, " replicas of revision ",
                state.current.hash8, " are ready");
}

int OldPods(const State& state) {
  int pods = 0;
  for (const Member& member : state.old) pods += member.alive;
  return pods;
}

bool AnyRunning(const State& state) {
  return std::any_of(state.observed->pods.begin(), state.observed->pods.end(), [&](const Pod& pod) {
    return pod.hash8 == state.current.hash8 && pod.running && !pod.deleting;
  });
}

// A pod of the current revision whose agent serves, though the pod is not ready; null: none.
const Pod* ServingUnready(const State& state) {
  for (const Pod& pod : state.observed->pods) {
    if (pod.hash8 == state.current.hash8 && pod.agent_ready && !pod.ready && !pod.deleting)
      return &pod;
  }
  return nullptr;
}

// What such a pod waits for, if it is another container: " (pod x: container y is not ready)".
std::string SidecarText(const State& state) {
  const Pod* pod = ServingUnready(state);
  if (pod == nullptr) return "";
  for (const Sidecar& sidecar : pod->sidecars) {
    if (!sidecar.ready)
      return StrCat(" (pod ", pod->name, ": container ", sidecar.name, " is not ready)");
  }
  return "";
}

// Why a pod of a completed revision is unready, if it says so: " (pod x restarted: ...)".
std::string RestartText(const State& state) {
  for (const Pod& pod : state.observed->pods) {
    if (pod.hash8 == state.current.hash8 && !pod.ready && !pod.deleting && pod.ended) {
      return StrCat(" (pod ", pod.name, " restarted after exit code ", pod.ended->exit_code,
                    pod.ended->reason.empty() ? "" : ", ", pod.ended->reason, ")");
    }
  }
  return "";
}

// Is a completed revision on its way to another number of pods? It begins when its Deployment is
// told so, and lasts until it serves at full count; what was told of it meanwhile is the memory.
bool IsScaling(const State& state) {
  if (!state.completed || state.full) return false;
  if (state.current.share.want != state.dsd.replicas) return true;
  const Json* before = FindCondition(*state.observed->dsd, condition::kProgressing);
  return before != nullptr && TextAt(*before, "/reason") == reason::kScaling;
}

std::string DeadlineText(const State& state) {
  return StrCat("no further replica became ready in time (rollout.progressDeadline); ",
                ReadyText(state));
}

// The reason and message of a deployment that is not ready.
Condition NotReady(const State& state) {
  Condition out{condition::kReady, kFalse, "", ReadyText(state)};
  const std::string sidecar = SidecarText(state);
  if (state.failure) {
    out.reason = state.failure->reason;
    out.message = state.failure->message;
  } else if (state.deadline_passed) {
    out.reason = reason::kProgressDeadlineExceeded;
    out.message = DeadlineText(state);
  } else if (state.paused) {
    out.reason = reason::kPaused;
    out.message = StrCat("the rollout is paused (rollout.paused); ", out.message);
  } else if (state.completed) {
    out.message += sidecar.empty() ? RestartText(state) : sidecar;
    out.reason = IsScaling(state) ? reason::kScaling : reason::kMinimumReplicasUnavailable;
  } else if (!state.stable.empty() || OldPods(state) > 0) {
    out.reason = reason::kUpdating;
    out.message += sidecar;
    const int old = OldPods(state);
    if (old > 0) StrAppend(&out.message, ", ", old, " pods of earlier revisions are still there");
  } else {
    out.message += sidecar;
    out.reason = AnyRunning(state) && sidecar.empty() ? reason::kModelLoading : reason::kCreating;
  }
  return out;
}

Condition Available(const State& state) {
  int ready = state.current.share.ready;
  for (const Member& member : state.old) ready += member.share.ready;
  const int replicas = state.dsd.replicas;
  const int minimum = std::max(replicas - state.dsd.rollout.max_unavailable, std::min(replicas, 1));
  const bool enough = ready >= minimum;
  return {condition::kAvailable, enough ? kTrue : kFalse,
          enough ? (state.full ? reason::kAllReplicasReady : reason::kMinimumReplicasAvailable)
                 : reason::kMinimumReplicasUnavailable,
          StrCat(ready, " ready, at least ", minimum, " needed")};
}

Condition Progressing(const State& state) {
  Condition out{condition::kProgressing, kTrue, reason::kAllReplicasReady, ReadyText(state)};
  if (state.deadline_passed) {
    out = {condition::kProgressing, kFalse, reason::kProgressDeadlineExceeded, DeadlineText(state)};
  } else if (state.paused) {
    out = {condition::kProgressing, kUnknown, reason::kPaused,
           "the rollout is paused (rollout.paused)"};
  } else if (!state.completed) {
    out.reason = state.stable.empty() ? reason::kCreating : reason::kUpdating;
  } else if (!state.full) {
    out.reason = IsScaling(state) ? reason::kScaling : reason::kMinimumReplicasUnavailable;
  }
  return out;
}

Condition ModelReady(const State& state) {
  if (state.current.share.ready > 0 || ServingUnready(state) != nullptr) {
    const std::string odd = PresetMismatch(state.dsd.intent, KnownModelOf(state).parameters);
    return {condition::kModelReady, kTrue, reason::kModelLoaded,
            odd.empty() ? ReadyText(state) : StrCat(ReadyText(state), "; ", odd)};
  }
  const bool refused = state.failure && (state.failure->reason == reason::kModelInvalid ||
                                         state.failure->reason == reason::kModelNotFound);
  if (refused) {
    return {condition::kModelReady, kFalse, state.failure->reason, state.failure->message};
  }
  if (AnyRunning(state)) {
    const auto load = LoadOf(state);
    const std::string progress =
        load ? StrCat(": ", 100 * load->loaded / load->total, " % of ", load->total, " bytes") : "";
    return {condition::kModelReady, kFalse, reason::kModelLoading,
            StrCat("agents are loading the model", progress)};
  }
  return {condition::kModelReady, kUnknown, reason::kNoPods, "no agent is running"};
}

Condition Upgrade(const State& state) {
  const Json then = ResolvedOf(state);
  if (!UpgradeAvailable(then, state.resolved_today)) {
    return {condition::kUpgradeAvailable, kFalse, reason::kUpToDate,
            "the revision has this operator's defaults"};
  }
  const std::string image = TextAt(then, "/image");
  std::string message =
      StrCat("revision ", state.current.hash8, " keeps the defaults it was made with");
  if (image != state.resolved_today.image) {
    StrAppend(&message, ": image ", image, "; now it would be ", state.resolved_today.image,
              " (set spec.engine.image to move to it)");
  }
  return {condition::kUpgradeAvailable, kTrue, reason::kNewerDefaults, message};
}

// True only of what has been seen.
Condition Monitored(const State& state) {
  const Observed& observed = *state.observed;
  if (!observed.pod_monitors_served) {
    return {condition::kMonitored, kFalse, reason::kPodMonitorsNotInstalled,
            "the cluster has no podmonitors.monitoring.coreos.com: install the Prometheus "
            "Operator's CRDs, or remove spec.observability.podMonitor"};
  }
  for (const Child& child : observed.children) {
    if (child.kind != "PodMonitor" || child.name != state.dsd.name) continue;
    if (child.ownership == Ownership::kForeign) {
      return {condition::kMonitored, kFalse, reason::kNameConflict,
              StrCat("PodMonitor ", child.name, " is somebody else's: rename one of the two")};
    }
    return {condition::kMonitored, kTrue, reason::kPodMonitorInPlace,
            StrCat("PodMonitor ", child.name, " selects the agents")};
  }
  if (!observed.refusal_reason.empty()) {
    return {condition::kMonitored, kFalse, observed.refusal_reason, observed.refusal_message};
  }
  return {condition::kMonitored, kFalse, reason::kCreating,
          StrCat("PodMonitor ", state.dsd.name, " is being made")};
}

}  // namespace

std::vector<Condition> Conditions(const State& state) {
  const bool ready = state.full && state.completed;
  const Condition not_ready = NotReady(state);
  std::vector<Condition> out;
  out.push_back(
      ready ? Condition{condition::kReady, kTrue, reason::kAllReplicasReady, ReadyText(state)}
            : not_ready);
  const bool stalled = !ready && state.Stalled();
  const bool reconciling = !ready && !stalled;
  out.push_back({condition::kReconciling, reconciling ? kTrue : kFalse,
                 reconciling ? not_ready.reason : reason::kNone,
                 reconciling ? not_ready.message : ""});
  out.push_back({condition::kStalled, stalled ? kTrue : kFalse,
                 stalled ? not_ready.reason : reason::kNone, stalled ? not_ready.message : ""});
  out.push_back(Available(state));
  out.push_back(Progressing(state));
  out.push_back(ModelReady(state));
  out.push_back(Upgrade(state));
  if (state.dsd.pod_monitor) out.push_back(Monitored(state));
  if (!state.observed->refusal_reason.empty()) {
    // A refused write outranks what the pods say: nothing goes on until it is accepted.
    for (Condition& c : out) {
      const bool negative = c.type == condition::kReconciling;
      if (c.type == condition::kReady || c.type == condition::kStalled || negative) {
        c = {c.type, c.type == condition::kStalled ? kTrue : kFalse,
             negative ? reason::kNone : state.observed->refusal_reason,
             negative ? "" : state.observed->refusal_message};
      }
    }
  }
  return out;
}

std::vector<Condition> BlockedConditions(const std::string& reason, const std::string& message,
                                         bool terminal) {
  const Condition waiting{"", kTrue, reason, message}, no{"", kFalse, reason::kNone, ""};
  std::vector<Condition> out;
  const auto add = [&](const char* type, const char* status, const Condition& why) {
    out.push_back({type, status, why.reason, why.message});
  };
  add(condition::kReady, kFalse, waiting);
  add(condition::kReconciling, terminal ? kFalse : kTrue, terminal ? no : waiting);
  add(condition::kStalled, terminal ? kTrue : kFalse, terminal ? waiting : no);
  add(condition::kAvailable, kUnknown, waiting);
  add(condition::kProgressing, terminal ? kFalse : kTrue, waiting);
  add(condition::kModelReady, kUnknown, waiting);
  add(condition::kUpgradeAvailable, kUnknown, waiting);
  return out;
}

Json ConditionsJson(const std::vector<Condition>& conditions, const Json& before,
                    int64_t generation, absl::Time now) {
  const std::string now_text = absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", now, absl::UTCTimeZone());
  const Json wrapped = {{"status", before}};
  Json out = Json::array();
  for (const Condition& c : conditions) {
    const Json* old = FindCondition(wrapped, c.type);
    std::string since = now_text;
    // The schema's default knows no time.
    if (old != nullptr && TextAt(*old, "/status") == c.status &&
        TextAt(*old, "/reason") != reason::kPending &&
        !TextAt(*old, "/lastTransitionTime").empty()) {
      since = TextAt(*old, "/lastTransitionTime");
    }
    out.push_back({{"type", c.type},
                   {"status", c.status},
                   {"observedGeneration", generation},
                   {"lastTransitionTime", since},
                   {"reason", c.reason},
                   {"message", c.message}});
  }
  return out;
}

std::vector<EventPlan> ConditionEvents(const std::vector<Condition>& conditions,
                                       const Json& before) {
  // Failures deserve a warning; being on the way does not.
  static const char* const kOnTheWay[] = {
      reason::kCreating, reason::kUpdating,         reason::kModelLoading,         reason::kScaling,
      reason::kPaused,   reason::kAllReplicasReady, reason::kWaitingForPredecessor};
  const Json wrapped = {{"status", before}};
  std::vector<EventPlan> events;
  for (const Condition& c : conditions) {
    const Json* old = FindCondition(wrapped, c.type);
    const std::string old_status = old == nullptr ? "" : TextAt(*old, "/status");
    const std::string old_reason = old == nullptr ? "" : TextAt(*old, "/reason");
    if (c.type == condition::kReady && (old_status != c.status || old_reason != c.reason)) {
      const bool calm =
          std::find(std::begin(kOnTheWay), std::end(kOnTheWay), c.reason) != std::end(kOnTheWay);
      // The step to ready is told by the decision that completes a change; here only coming back
      // is.
      const bool back = c.status == kTrue && (old_reason == reason::kMinimumReplicasUnavailable ||
                                              old_reason == reason::kScaling);
      if (calm && !back) continue;
      events.push_back({!calm, "Reconcile", c.reason, c.message});
    }
    if (c.type == condition::kUpgradeAvailable && c.status == kTrue && old_status != kTrue) {
      events.push_back({false, "Reconcile", c.reason, c.message});
    }
    if (c.type == condition::kMonitored && c.reason == reason::kPodMonitorsNotInstalled &&
        old_reason != c.reason) {
      events.push_back({true, "Reconcile", c.reason, c.message});
    }
  }
  return events;
}

}  // namespace deepseek::decide
