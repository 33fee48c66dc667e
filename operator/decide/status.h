#pragma once
// The whole of .status.

#include "base/json.h"
#include "operator/decide/conditions.h"
#include "operator/decide/state.h"

namespace deepseek::decide {

Json Status(const State& state, const std::vector<Condition>& conditions, absl::Time now);

/// The status when nothing is managed: what was reported before, with new conditions.
Json BlockedStatus(const Json& before, const std::vector<Condition>& conditions, int64_t generation,
                   absl::Time now);

}  // namespace deepseek::decide
