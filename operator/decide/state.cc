#include "operator/decide/state.h"

#include <algorithm>

#include "base/json_full.h"
#include "operator/api/names.h"
#include "operator/api/units.h"
#include "operator/decide/json_read.h"

namespace deepseek::decide {
namespace {

void Count(const Observed& observed, Member* member) {
  for (const Pod& pod : observed.pods) {
    if (pod.hash8 != member->hash8) continue;
    ++member->share.pods;
    member->share.ready += pod.ready ? 1 : 0;
    member->alive += pod.deleting ? 0 : 1;
  }
  member->share.proven = member->revision != nullptr && member->revision->stable_since.has_value();
  if (member->workload == nullptr) return;
  member->share.exists = true;
  member->share.want = member->workload->want;
  member->share.settled = member->workload->settled;
}

const Revision* FindRevision(const Observed& observed, const std::string& name) {
  for (const Revision& revision : observed.revisions) {
    if (revision.child.name == name) return &revision;
  }
  return nullptr;
}

std::string FindStable(const Observed& observed) {
  const Revision* stable = nullptr;
  for (const Revision& revision : observed.revisions) {
    if (!revision.stable_since) continue;
    if (stable == nullptr || *revision.stable_since > *stable->stable_since) stable = &revision;
  }
  return stable == nullptr ? "" : stable->hash8;
}

// Oldest first, so that it goes first; the stable one, which serves, last.
void SortOld(State* state) {
  std::sort(state->old.begin(), state->old.end(), [&](const Member& a, const Member& b) {
    const bool a_stable = a.hash8 == state->stable, b_stable = b.hash8 == state->stable;
    if (a_stable != b_stable) return b_stable;
    const int64_t a_number = a.revision == nullptr ? 0 : a.revision->number;
    const int64_t b_number = b.revision == nullptr ? 0 : b.revision->number;
    return a_number != b_number ? a_number < b_number : a.name < b.name;
  });
}

absl::Duration StartupDeadline(const State& state) {
  return api::ParseDuration(TextAt(ResolvedOf(state), "/startupDeadline"))
      .value_or(absl::Minutes(30));
}

absl::Duration ProgressDeadline(const State& state) {
  if (state.dsd.rollout.progress_deadline) return *state.dsd.rollout.progress_deadline;
  return StartupDeadline(state) + absl::Minutes(5);
}

// A change that is under way makes progress whenever one of its pods becomes ready.
void AssessDeadline(absl::Time now, State* state) {
  const Revision* revision = state->current.revision;
  if (!state->newest || state->completed || state->paused || !revision->started_at) return;
  absl::Time last = *revision->started_at;
  for (const Pod& pod : state->observed->pods) {
    if (pod.hash8 == state->current.hash8 && pod.ready_since)
      last = std::max(last, *pod.ready_since);
  }
  state->deadline = last + ProgressDeadline(*state);
  state->deadline_passed = now >= *state->deadline && !state->full;
}

}  // namespace

Json ResolvedOf(const State& state) {
  const Revision* revision = state.current.revision;
  return revision != nullptr ? *revision->resolved : state.new_resolved.ToJson();
}

KnownModel KnownModelOf(const State& state) {
  const Revision* revision = state.current.revision;
  if (revision == nullptr) return {};
  const auto mark = revision->state.find(api::kModelAnnotation);
  return mark == revision->state.end() ? KnownModel() : ReadModelText(mark->second);
}

std::optional<Load> LoadOf(const State& state) {
  std::optional<Load> slowest;
  for (const Pod& pod : state.observed->pods) {
    if (pod.hash8 != state.current.hash8 || pod.ready || pod.deleting || !pod.agent) continue;
    const AgentReport& agent = *pod.agent;
    if (agent.state != "loading" || agent.total_bytes <= 0) continue;
    const Load load{LoadedInSteps(agent.loaded_bytes, agent.total_bytes), agent.total_bytes};
    if (!slowest || load.loaded < slowest->loaded) slowest = load;
  }
  return slowest;
}

State Assess(const Observed& observed, api::DeepSeekDeployment dsd, const Defaults& defaults,
             absl::Time now) {
  State state;
  state.observed = &observed;
  state.dsd = std::move(dsd);
  state.intent_hash = Sha256Hex(state.dsd.canonical_intent);
  state.resolved_today = Resolve(state.dsd.intent, state.dsd.name, defaults);
  state.new_resolved = state.resolved_today;
  state.stable = FindStable(observed);

  state.current.hash8 = state.intent_hash.substr(0, 8);
  state.current.name = api::RevisionName(state.dsd.name, state.intent_hash);
  state.current.revision = FindRevision(observed, state.current.name);
  for (const Workload& workload : observed.workloads) {
    if (workload.child.name == state.current.name) {
      state.current.workload = &workload;
    } else if (!workload.child.deleting) {
      state.old.push_back({workload.child.name,
                           workload.hash8,
                           FindRevision(observed, workload.child.name),
                           &workload,
                           {},
                           0});
    }
  }
  Count(observed, &state.current);
  for (Member& member : state.old) Count(observed, &member);
  SortOld(&state);

  const Share& share = state.current.share;
  state.full = share.exists && share.want == state.dsd.replicas &&
               share.ready == state.dsd.replicas && state.current.alive == state.dsd.replicas;
  for (const Member& member : state.old) {
    state.full = state.full && member.share.want == 0 && member.alive == 0;
  }
  state.newest = state.current.revision != nullptr &&
                 state.current.revision->number == observed.revisions.front().number;
  state.completed = state.newest && state.current.revision->Completed();
  state.paused = state.dsd.rollout.paused && !state.completed;
  state.failure = FindFailure(observed, state.current.hash8, StartupDeadline(state));
  AssessDeadline(now, &state);
  return state;
}

}  // namespace deepseek::decide
