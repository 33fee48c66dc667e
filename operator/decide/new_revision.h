#pragma once
// What the current revision is made of where nothing records it yet, or no longer.

#include "absl/status/status.h"
#include "operator/decide/state.h"

namespace deepseek::decide {

/// Fills in the template and what it resolved to. A revision whose ControllerRevision was deleted
/// is made again of what its Deployment runs, not of today's defaults: no pod may restart for a
/// lost record, nor another template be what is restored later. It is complete if it serves at full
/// count. kInvalidArgument: PodTemplate's.
absl::Status MakeRevision(State* state);

}  // namespace deepseek::decide
