#pragma once
// The decision: what should be, from what is and the time. Pure.

#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "operator/decide/defaults.h"
#include "operator/decide/plan.h"

namespace deepseek::decide {

Plan Decide(const Observed& observed, const Defaults& defaults, absl::Time now);

/// Kind and name of every object that a DeepSeekDeployment needs, its current revision's included:
/// what must not belong to somebody else. Empty when the spec is refused.
std::vector<std::pair<std::string, std::string>> ChildNames(const Json& dsd);

}  // namespace deepseek::decide
