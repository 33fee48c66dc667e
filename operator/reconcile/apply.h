#pragma once
// Writes what a plan says, in order, and only what differs.

#include <vector>

#include "absl/status/status.h"
#include "operator/decide/observed.h"
#include "operator/decide/plan.h"
#include "operator/kube/client.h"
#include "operator/render/render.h"

namespace deepseek::reconcile {

/// Creates, applies and deletes. Stops at the first error; kAborted when the world is no longer as
/// observed.
absl::Status ApplyObjects(kube::Client& client, const decide::Cluster& cluster,
                          const std::vector<render::Rendered>& objects);
absl::Status DeleteObjects(kube::Client& client, const std::string& ns,
                           const std::vector<decide::Deletion>& deletions);

}  // namespace deepseek::reconcile
