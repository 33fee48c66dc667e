#pragma once
// Numbers, marks and prunes revisions.

#include <vector>

#include "operator/decide/plan.h"
#include "operator/decide/state.h"

namespace deepseek::decide {

/// Adds to `plan` what has to be written to ControllerRevisions: the new current one, a restored
/// one with a new number, the marks started-at, stable-since and retry-token.
void PlanRevisions(const State& state, absl::Time now, Plan* plan);

/// Deletes Deployments and Services of revisions that have no pods left, and ControllerRevisions
/// beyond the limit. The stable revision and those with a Deployment stay.
void PlanPruning(const State& state, Plan* plan);

/// "2026-01-31T12:00:00.5Z": marks keep fractions, so that two in one second stay ordered.
std::string MarkText(absl::Time time);
/// `time` itself if it is whole. Creation times of objects are whole seconds, rounded down: what
/// was made after the next whole second shows it.
absl::Time NextWholeSecond(absl::Time time);

}  // namespace deepseek::decide
