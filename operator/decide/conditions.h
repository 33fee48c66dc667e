#pragma once
// The conditions, as kstatus and people read them.

#include <string>
#include <vector>

#include "base/json.h"
#include "operator/decide/plan.h"
#include "operator/decide/state.h"

namespace deepseek::decide {

struct Condition {
  std::string type, status, reason, message;  ///< status: True, False, Unknown
};

/// All seven conditions for a deployment that is managed, and Monitored where a PodMonitor is
/// wanted.
std::vector<Condition> Conditions(const State& state);

/// The seven conditions when nothing is managed: `terminal` problems (refused spec, name conflict)
/// are Stalled, others are waited for. Whether old pods still serve is not looked at: Available is
/// Unknown.
std::vector<Condition> BlockedConditions(const std::string& reason, const std::string& message,
                                         bool terminal);

/// As metav1.Condition; a condition whose status is as before keeps its lastTransitionTime.
/// `before` is the old status.
Json ConditionsJson(const std::vector<Condition>& conditions, const Json& before,
                    int64_t generation, absl::Time now);

/// Events for the conditions that changed: Ready, a newer upgrade, a PodMonitor that cannot be.
std::vector<EventPlan> ConditionEvents(const std::vector<Condition>& conditions,
                                       const Json& before);

}  // namespace deepseek::decide
