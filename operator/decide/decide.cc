#include "operator/decide/decide.h"

#include <algorithm>

#include "base/json_full.h"
#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/decide/conditions.h"
#include "operator/decide/history.h"
#include "operator/decide/json_read.h"
#include "operator/decide/new_revision.h"
#include "operator/decide/reasons.h"
#include "operator/decide/state.h"
#include "operator/decide/status.h"

namespace deepseek::decide {
namespace {

// While something is under way, what no watch tells (Events, conflicting objects that go) is looked
// at this often, so that conditions tell the truth within 10 s.
constexpr absl::Duration kLookAgain = absl::Seconds(5);
// An agent that could not be asked is asked again so soon.
constexpr absl::Duration kAskAgain = absl::Minutes(1);
// A Deployment gives up on progress later than the kubelet on a container's start.
constexpr absl::Duration kBeyondStartup = absl::Minutes(5);

std::vector<std::pair<std::string, std::string>> Names(const api::DeepSeekDeployment& dsd) {
  const std::string revision = api::RevisionName(dsd.name, Sha256Hex(dsd.canonical_intent));
  std::vector<std::pair<std::string, std::string>> names = {
      {"ServiceAccount", api::ServiceAccountName(dsd.name)},
      {"Service", dsd.name},
      {"PodDisruptionBudget", dsd.name},
      {"NetworkPolicy", dsd.name},
      {"ControllerRevision", revision},
      {"Deployment", revision},
      {"ConfigMap", revision},
      {"Service", revision}};
  if (dsd.pod_monitor) names.emplace_back("PodMonitor", dsd.name);
  return names;
}

const Json& StatusOf(const Observed& observed) {
  static const Json* const none = new Json();
  const Json* status = Find(*observed.dsd, "/status");
  return status == nullptr ? *none : *status;
}

// Nothing is managed: only the report is written.
Plan Blocked(const Observed& observed, const char* reason, const std::string& message,
             bool terminal, absl::Duration again, absl::Time now) {
  Plan plan;
  const Json& before = StatusOf(observed);
  const std::vector<Condition> conditions = BlockedConditions(reason, message, terminal);
  plan.status = std::make_shared<const Json>(
      BlockedStatus(before, conditions, IntegerAt(*observed.dsd, "/metadata/generation"), now));
  plan.condition_events = ConditionEvents(conditions, before);
  plan.events = plan.condition_events;
  plan.decisions.push_back({"Block", reason, message});
  plan.requeue_after = again;
  return plan;
}

// Objects in the way: ours by name, not ours by owner.
std::vector<const Child*> FindInTheWay(const Observed& observed, const api::DeepSeekDeployment& dsd,
                                       Ownership ownership) {
  const auto names = Names(dsd);
  std::vector<const Child*> out;
  for (const Child& child : observed.children) {
    if (child.ownership == ownership &&
        std::find(names.begin(), names.end(), std::pair(child.kind, child.name)) != names.end()) {
      out.push_back(&child);
    }
  }
  return out;
}

// Pods must not run without their own identity and network policy, nor of a template that is not
// ours. Nothing depends on the other kinds: without them the pods do their work.
bool PodsDependOn(const Child& child) {
  return child.kind != "Service" && child.kind != "PodDisruptionBudget" &&
         child.kind != "PodMonitor";
}

std::string ConflictText(const Child& child) {
  return StrCat(child.kind, " ", child.name,
                " exists and is not controlled by this DeepSeekDeployment: rename one of the two");
}

absl::Duration WorkloadDeadline(const Json& resolved) {
  const Json* text = Find(resolved, "/startupDeadline");
  absl::Duration startup = absl::Minutes(30);
  if (text != nullptr && text->is_string()) {
    // Written by Resolve, in a form that Abseil reads too.
    absl::ParseDuration(text->get<std::string>(), &startup);
  }
  return startup + kBeyondStartup;
}

// What pods must find: as recorded before, or by this very plan.
std::string ModelDigest(const Member& member, const Plan& plan) {
  if (plan.revision && plan.revision->name == member.name) {
    const auto mark = plan.revision->state.find(api::kModelDigestAnnotation);
    return mark == plan.revision->state.end() ? "" : mark->second;
  }
  return member.revision == nullptr ? "" : member.revision->model_digest;
}

WorkloadPlan Workload(const State& state, const Member& member, int replicas, const Plan& plan) {
  WorkloadPlan out;
  out.name = member.name;
  out.hash8 = member.hash8;
  out.replicas = replicas;
  const bool is_current = &member == &state.current;
  out.role =
      member.hash8 == state.stable || (state.stable.empty() && is_current) ? "stable" : "candidate";
  if (member.workload != nullptr) out.resource_version = member.workload->child.resource_version;
  if (member.revision != nullptr) {
    out.revision = member.revision->child.object;
  } else if (!is_current) {
    out.orphan = member.workload->child.object;
  }
  out.model_digest = ModelDigest(member, plan);
  out.progress_deadline = WorkloadDeadline(
      member.revision != nullptr ? *member.revision->resolved : state.new_resolved.ToJson());
  return out;
}

// The figures of NextReplicas.
std::string Inputs(const State& state) {
  const api::Rollout& rollout = state.dsd.rollout;
  std::string out = StrCat("replicas ", state.dsd.replicas);
  if (rollout.strategy == api::Strategy::kRecreate) {
    out += ", Recreate";
  } else {
    StrAppend(&out, ", maxSurge ", rollout.max_surge, ", maxUnavailable ", rollout.max_unavailable);
  }
  if (state.paused) out += ", paused";
  const auto add = [&](const Member& member) {
    if (!member.share.exists) return;
    StrAppend(&out, "; ", member.name, " wants ", member.share.want, ", ", member.share.ready,
              " ready of ", member.share.pods);
  };
  for (const Member& member : state.old) add(member);
  add(state.current);
  return out;
}

void RecordScaling(const State& state, const Member& member, int replicas, Plan* plan) {
  const int before = member.share.exists ? member.share.want : 0;
  if (member.share.exists && before == replicas) return;
  const bool up = !member.share.exists || replicas > before;
  const char* reason = state.completed                             ? reason::kScaling
                       : state.stable.empty() && state.old.empty() ? reason::kCreating
                                                                   : reason::kUpdating;
  plan->decisions.push_back(
      {up ? "ScaleUp" : "ScaleDown", reason,
       StrCat("Deployment ", member.name, " from ", before, " to ", replicas, " replicas"),
       Inputs(state)});
}

void PlanWorkloads(const State& state, Plan* plan) {
  std::vector<Share> old;
  for (const Member& member : state.old) old.push_back(member.share);
  const Replicas next =
      NextReplicas(state.dsd.replicas, state.dsd.rollout, state.paused, state.current.share, old);
  for (size_t i = 0; i < state.old.size(); ++i) {
    const Member& member = state.old[i];
    // One that is to be pruned needs no further write.
    if (member.share.want == 0 && member.share.pods == 0 && next.old[i] == 0) continue;
    plan->workloads.push_back(Workload(state, member, next.old[i], *plan));
    RecordScaling(state, member, next.old[i], plan);
  }
  if (next.create_current) {
    plan->workloads.push_back(Workload(state, state.current, next.current, *plan));
    RecordScaling(state, state.current, next.current, plan);
  }
}

// With Rolling the old pods stay until the new ones serve, so a template of ours may be refused
// when its Deployment is made.
bool NeedsTrial(const State& state) {
  if (state.current.share.exists) return false;
  const bool recreate = state.dsd.rollout.strategy == api::Strategy::kRecreate;
  if (state.current.revision == nullptr) return recreate || !state.dsd.intent.overlay->is_null();
  return recreate && !state.paused &&
         std::any_of(state.old.begin(), state.old.end(),
                     [](const Member& member) { return member.share.want > 0; });
}

void PlanTrial(const State& state, Plan* plan) {
  if (NeedsTrial(state)) plan->trial = Workload(state, state.current, 0, *plan);
}

bool WaitsForRetry(const State& state, absl::Time now) {
  const Revision* revision = state.current.revision;
  return revision != nullptr && revision->retried_at && now < *revision->retried_at;
}

// After a new retryToken: pods that were unready before it go, so that no back-off keeps them
// waiting. One that becomes unready later is not meant. The mark is a whole second, and they go
// once it is there: so a replacement is never older.
void PlanRetry(const State& state, absl::Time now, Plan* plan) {
  const Revision* revision = state.current.revision;
  if (revision == nullptr || !revision->retried_at || state.completed) return;
  if (WaitsForRetry(state, now)) return;
  for (const Pod& pod : state.observed->pods) {
    if (pod.hash8 != state.current.hash8 || pod.ready || pod.deleting ||
        pod.unready_since >= *revision->retried_at)
      continue;
    Decision why{"Restart", reason::kRetrying,
                 StrCat("pod ", pod.name, " is unready and older than the retryToken")};
    plan->decisions.push_back(why);
    plan->deletions.push_back({"Pod", pod.name, pod.uid, "", std::move(why)});
  }
}

// Agents were asked which weights they have, and none of the ready ones could be reached.
bool ModelUnheard(const State& state) {
  const Revision* revision = state.current.revision;
  if (!state.observed->agents_asked || revision == nullptr || !revision->model_digest.empty())
    return false;
  const auto& pods = state.observed->pods;
  const auto ready = [&](const Pod& pod) { return pod.hash8 == state.current.hash8 && pod.ready; };
  return std::any_of(pods.begin(), pods.end(), ready) &&
         std::none_of(pods.begin(), pods.end(),
                      [&](const Pod& pod) { return ready(pod) && pod.agent.has_value(); });
}

absl::Duration RequeueAfter(const State& state, absl::Time now) {
  if (state.full && state.completed)
    return ModelUnheard(state) ? kAskAgain : absl::InfiniteDuration();
  absl::Duration again = kLookAgain;
  if (state.deadline && *state.deadline > now) again = std::min(again, *state.deadline - now);
  return again;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> ChildNames(const Json& dsd) {
  const auto parsed = api::Parse(dsd);
  if (!parsed.ok()) return {};
  return Names(*parsed);
}

Plan Decide(const Observed& observed, const Defaults& defaults, absl::Time now) {
  // Owner references do the rest once it is deleted.
  if (Find(*observed.dsd, "/metadata/deletionTimestamp") != nullptr) return {};
  auto dsd = api::Parse(*observed.dsd);
  if (!dsd.ok()) {
    return Blocked(observed, reason::kInvalidSpec, std::string(ToStd(dsd.status().message())),
                   /*terminal=*/true, absl::InfiniteDuration(), now);
  }
  const std::vector<const Child*> foreign = FindInTheWay(observed, *dsd, Ownership::kForeign);
  for (const Child* child : foreign) {
    if (!PodsDependOn(*child)) continue;
    return Blocked(observed, reason::kNameConflict, ConflictText(*child), /*terminal=*/true,
                   kLookAgain, now);
  }
  const std::vector<const Child*> former = FindInTheWay(observed, *dsd, Ownership::kFormer);
  if (!former.empty()) {
    return Blocked(observed, reason::kWaitingForPredecessor,
                   StrCat(former.front()->kind, " ", former.front()->name,
                          " of a deleted DeepSeekDeployment is still being removed"),
                   /*terminal=*/false, absl::Seconds(2), now);
  }
  Observed contested;  // a conflict outranks what the pods say, as a refused write does
  if (!foreign.empty() && observed.refusal_reason.empty()) {
    contested = observed;
    contested.refusal_reason = reason::kNameConflict;
    contested.refusal_message = ConflictText(*foreign.front());
  }
  State state =
      Assess(contested.dsd != nullptr ? contested : observed, *std::move(dsd), defaults, now);
  if (state.current.revision != nullptr &&
      state.current.revision->intent_hash != state.intent_hash) {
    return Blocked(
        observed, reason::kNameConflict,
        StrCat("ControllerRevision ", state.current.name, " holds another intent: delete it"),
        /*terminal=*/true, kLookAgain, now);
  }

  if (const absl::Status made = MakeRevision(&state); !made.ok()) {
    return Blocked(observed, reason::kInvalidSpec, std::string(ToStd(made.message())),
                   /*terminal=*/true, absl::InfiniteDuration(), now);
  }

  Plan plan;
  plan.manage = true;
  plan.dsd = state.dsd;
  for (const Child* child : foreign) plan.left_out.emplace(child->kind, child->name);
  plan.pod_monitor = state.dsd.pod_monitor && observed.pod_monitors_served;
  plan.operator_namespace = defaults.operator_namespace;
  PlanRevisions(state, now, &plan);
  PlanWorkloads(state, &plan);
  PlanTrial(state, &plan);
  PlanRetry(state, now, &plan);
  PlanPruning(state, &plan);

  const std::vector<Condition> conditions = Conditions(state);
  plan.status = std::make_shared<const Json>(Status(state, conditions, now));
  for (const Decision& decision : plan.decisions) {
    const std::string inputs = decision.inputs.empty() ? "" : StrCat(" [", decision.inputs, "]");
    plan.events.push_back(
        {false, decision.action, decision.reason, StrCat(decision.message, inputs)});
  }
  plan.condition_events = ConditionEvents(conditions, StatusOf(observed));
  plan.events.insert(plan.events.end(), plan.condition_events.begin(), plan.condition_events.end());
  // What was planned above may have named a time, too.
  plan.requeue_after =
      std::min(plan.requeue_after, foreign.empty() ? RequeueAfter(state, now) : kLookAgain);
  if (WaitsForRetry(state, now)) {
    plan.requeue_after = std::min(plan.requeue_after, *state.current.revision->retried_at - now);
  }
  return plan;
}

}  // namespace deepseek::decide
