#include "operator/decide/history.h"

#include <algorithm>

#include "base/json_full.h"
#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/decide/agent_report.h"
#include "operator/decide/json_read.h"
#include "operator/decide/reasons.h"

namespace deepseek::decide {
namespace {

void Decide(Plan* plan, std::string action, const char* reason, std::string message) {
  plan->decisions.push_back({std::move(action), reason, std::move(message)});
}

RevisionPlan NewRevision(const State& state, int64_t number) {
  RevisionPlan plan;
  plan.name = state.current.name;
  plan.hash8 = state.current.hash8;
  plan.number = number;
  plan.state[api::kIntentHashAnnotation] = state.intent_hash;
  plan.canonical_intent =
      std::make_shared<const Json>(Json::parse(state.dsd.canonical_intent, nullptr, false));
  plan.pod_template = state.new_template;
  plan.resolved = state.new_resolved;
  return plan;
}

RevisionPlan Existing(const Revision& revision) {
  RevisionPlan plan;
  plan.name = revision.child.name;
  plan.hash8 = revision.hash8;
  plan.number = revision.number;
  plan.state = revision.state;
  plan.stored = revision.child.object;
  return plan;
}

void SetMark(RevisionPlan* plan, const char* key, const std::string& value) {
  if (value.empty()) {
    plan->state.erase(key);
  } else {
    plan->state[key] = value;
  }
}

// Without its labels no watch tells of it.
bool IsLabelled(const Revision& revision, const std::string& deployment) {
  const Json& object = *revision.child.object;
  return MetadataAt(object, "labels", api::kDeploymentLabel) == deployment &&
         MetadataAt(object, "labels", api::kRevisionLabel) == revision.hash8;
}

// Marks are compared with each other, and a clock may be set back between two of them: what
// happens now is later than what was marked before.
absl::Time After(const std::optional<absl::Time>& mark, absl::Time now) {
  return mark ? std::max(now, *mark + absl::Milliseconds(1)) : now;
}

absl::Time StartTime(const State& state, absl::Time now) {
  const Revision* revision = state.current.revision;
  return revision == nullptr ? now : After(revision->stable_since, now);
}

absl::Time CompletionTime(const State& state, absl::Time start, absl::Time now) {
  absl::Time out = std::max(now, start);
  for (const Revision& revision : state.observed->revisions) {
    out = After(revision.stable_since, out);
  }
  return out;
}

// The first ready agent tells which weights the revision stands for.
void RecordModel(const State& state, RevisionPlan* current, Plan* plan) {
  const Revision* revision = state.current.revision;
  if (revision == nullptr || !revision->model_digest.empty()) return;
  for (const Pod& pod : state.observed->pods) {
    if (pod.hash8 != state.current.hash8 || !pod.ready || !pod.agent || pod.agent->digest.empty())
      continue;
    SetMark(current, api::kModelDigestAnnotation, pod.agent->digest);
    SetMark(current, api::kModelAnnotation, ModelText(*pod.agent));
    Decide(plan, "RecordModel", reason::kModelLoaded,
           StrCat("revision ", state.current.name, " stands for the weights ", pod.agent->digest,
                  " that pod ", pod.name, " found"));
    return;
  }
}

}  // namespace

absl::Time NextWholeSecond(absl::Time time) {
  const absl::Time whole = absl::FromUnixSeconds(absl::ToUnixSeconds(time));
  return whole < time ? whole + absl::Seconds(1) : whole;
}

std::string MarkText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", time, absl::UTCTimeZone());
}

void PlanRevisions(const State& state, absl::Time now, Plan* plan) {
  const std::vector<Revision>& all = state.observed->revisions;
  const int64_t highest = all.empty() ? 0 : all.front().number;
  const Revision* revision = state.current.revision;
  const std::string& token = state.dsd.rollout.retry_token;
  RevisionPlan current;
  bool starts = false;

  if (revision == nullptr) {
    current = NewRevision(state, highest + 1);
    SetMark(&current, api::kRetryTokenAnnotation, token);
    starts = true;
    if (state.recovered) {
      Decide(plan, "CreateRevision", reason::kRecordLost,
             StrCat("ControllerRevision ", state.current.name,
                    " was gone: it is made again of what its Deployment runs, image ",
                    state.new_resolved.image));
    } else {
      Decide(
          plan, "CreateRevision", all.empty() ? reason::kCreating : reason::kUpdating,
          StrCat("revision ", state.current.name, " made with image ", state.new_resolved.image));
    }
  } else {
    current = Existing(*revision);
    if (revision->number < highest) {
      current.number = highest + 1;
      starts = true;
      Decide(plan, "RestoreRevision", reason::kReverting,
             StrCat("revision ", state.current.name, " restored as number ", current.number));
    }
    if (token != revision->retry_token) {
      SetMark(&current, api::kRetryTokenAnnotation, token);
      // A restored revision has missed the tokens that others were given meanwhile.
      const bool is_new = !token.empty() && token != all.front().retry_token;
      if (is_new && state.completed && state.full) {
        Decide(plan, "Retry", reason::kRetrying,
               StrCat("retryToken is now ", token, "; all replicas are ready, none restarts"));
      } else if (is_new) {
        const absl::Time mark = NextWholeSecond(now);
        SetMark(&current, api::kRetriedAtAnnotation, MarkText(mark));
        plan->requeue_after = std::min(plan->requeue_after, mark - now);
        starts = true;
        Decide(plan, "Retry", reason::kRetrying, StrCat("retryToken is now ", token));
      }
    }
  }
  const bool has_started = revision != nullptr && revision->started_at.has_value();
  if (revision == nullptr && state.completed) {
    const std::string mark = MarkText(CompletionTime(state, now, now));
    SetMark(&current, api::kStartedAtAnnotation, mark);
    SetMark(&current, api::kStableSinceAnnotation, mark);
  } else if (state.dsd.rollout.paused && (starts || !state.completed)) {
    SetMark(&current, api::kStartedAtAnnotation,
            "");  // the clock stands still; it starts again on resume
  } else if (starts || !has_started) {
    SetMark(&current, api::kStartedAtAnnotation, MarkText(StartTime(state, now)));
  } else if (state.full && !state.completed) {
    SetMark(&current, api::kStableSinceAnnotation,
            MarkText(CompletionTime(state, *revision->started_at, now)));
    Decide(plan, "Complete", reason::kAllReplicasReady,
           StrCat("revision ", state.current.name, " serves with ", state.dsd.replicas, " of ",
                  state.dsd.replicas, " replicas"));
  }
  RecordModel(state, &current, plan);
  const bool changed = revision == nullptr || current.number != revision->number ||
                       current.state != revision->state || !IsLabelled(*revision, state.dsd.name);
  if (changed) plan->revision = std::move(current);
}

void PlanPruning(const State& state, Plan* plan) {
  const auto remove = [&](const Child& child, const char* reason, std::string message) {
    if (child.deleting) return;
    Decision why{"Prune", reason, std::move(message)};
    plan->decisions.push_back(why);
    plan->deletions.push_back(
        {child.kind, child.name, child.uid, child.resource_version, std::move(why)});
  };
  std::vector<std::string> kept = {state.current.name};
  // While a change is paused before its first pod, the last that served carries `replicas`, from 0
  // too.
  const Member* carrier = state.paused && !state.current.share.exists && !state.old.empty() &&
                                  state.dsd.rollout.strategy == api::Strategy::kRolling
                              ? &state.old.back()
                              : nullptr;
  for (const Member& member : state.old) {
    if (member.share.want > 0 || member.share.pods > 0 || &member == carrier) {
      kept.push_back(member.name);
    } else {
      remove(member.workload->child, reason::kSuperseded,
             StrCat("Deployment ", member.name, " of a superseded revision has no pods left"));
    }
  }
  const auto is_kept = [&](const std::string& name) {
    return std::find(kept.begin(), kept.end(), name) != kept.end();
  };
  for (const Child& child : state.observed->children) {
    const bool of_revision =
        child.kind == "ConfigMap" || (child.kind == "Service" && child.name != state.dsd.name);
    if (child.ownership == Ownership::kOurs && of_revision && !is_kept(child.name)) {
      remove(child, reason::kSuperseded,
             StrCat(child.kind, " ", child.name, " of a superseded revision"));
    }
  }
  for (const Child& child : state.observed->children) {
    if (child.kind == "PodMonitor" && child.ownership == Ownership::kOurs &&
        !state.dsd.pod_monitor) {
      remove(child, reason::kNotWanted,
             StrCat("PodMonitor ", child.name, ": spec.observability.podMonitor is gone"));
    }
  }
  int restorable = 0;
  for (const Revision& revision : state.observed->revisions) {
    if (is_kept(revision.child.name)) continue;
    if (++restorable > state.dsd.revision_history_limit && revision.hash8 != state.stable) {
      remove(revision.child, reason::kHistoryLimit,
             StrCat("revision ", revision.child.name, " is beyond revisionHistoryLimit ",
                    state.dsd.revision_history_limit));
    }
  }
}

}  // namespace deepseek::decide
