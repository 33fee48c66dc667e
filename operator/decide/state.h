#pragma once
// The picture that all parts of a decision share.

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "operator/api/deepseek_deployment.h"
#include "operator/decide/agent_report.h"
#include "operator/decide/failure.h"
#include "operator/decide/observed.h"
#include "operator/decide/resolve.h"
#include "operator/decide/rollout.h"

namespace deepseek::decide {

/// A revision with its Deployment, either of which may be missing.
struct Member {
  std::string name, hash8;
  const Revision* revision = nullptr;
  const Workload* workload = nullptr;
  Share share;
  int alive = 0;  ///< pods that nobody is deleting
};

struct State {
  const Observed* observed = nullptr;
  api::DeepSeekDeployment dsd;
  std::string intent_hash;
  Resolved resolved_today;  ///< the current intent with today's defaults

  Member current;
  std::vector<Member> old;  ///< those that have a Deployment, oldest number first, stable last
  std::string stable;       ///< hash8 of the last revision that completed; empty: none ever did

  bool newest =
      false;  ///< the current revision exists and has the highest number: no restoring is due
  bool completed =
      false;            ///< the current revision has served at full count since it became current
  bool full = false;    ///< it serves at full count now, and no other revision has pods
  bool paused = false;  ///< an unfinished change is held
  bool deadline_passed = false;
  std::optional<absl::Time> deadline;  ///< of an unfinished change that is not paused
  std::optional<Failure> failure;      ///< of the current revision
  Object new_template;                 ///< of the current revision's pods; null: it exists already
  Resolved new_resolved;               ///< what the current revision stores if it has to be made
  bool recovered = false;  ///< its record was lost, and is made again of what its Deployment runs

  bool Stalled() const { return (failure && failure->terminal) || deadline_passed; }
};

/// Pure reading of `observed`; the clock is only compared with the deadline.
State Assess(const Observed& observed, api::DeepSeekDeployment dsd, const Defaults& defaults,
             absl::Time now);

/// How far the current revision's slowest loading agent is, in steps of 5 %; nullopt: none said.
struct Load {
  int64_t loaded = 0, total = 0;  ///< bytes, total > 0
};
std::optional<Load> LoadOf(const State& state);
/// What an agent of the current revision has said of its weights; empty: nothing yet.
KnownModel KnownModelOf(const State& state);

/// What the current revision's pods resolved to: as stored, or as it would be stored today.
Json ResolvedOf(const State& state);

}  // namespace deepseek::decide
