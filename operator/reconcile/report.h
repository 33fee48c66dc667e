#pragma once
// Tells the world: .status and Events.

#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "operator/decide/plan.h"
#include "operator/kube/client.h"

namespace deepseek::reconcile {

/// Writes .status if it differs, on the condition that the object is still the one that was judged.
absl::Status WriteStatus(kube::Client& client, const Json& dsd, const decide::Plan& plan);

/// Events are records, not state: one that cannot be written is logged and does not stop anything.
void WriteEvents(kube::Client& client, const Json& dsd,
                 const std::vector<decide::EventPlan>& events, absl::Time now);

}  // namespace deepseek::reconcile
