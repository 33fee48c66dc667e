#pragma once
// Reads the world of one DeepSeekDeployment.

#include <string_view>

#include "absl/status/statusor.h"
#include "operator/decide/observed.h"
#include "operator/kube/client.h"

namespace deepseek::reconcile {

/// The kinds of children, in no order: what Cluster::children holds.
const std::vector<kube::Resource>& ChildKinds();

/// The resource of a child's kind; nullptr if it is none of ours.
const kube::Resource* ResourceOf(std::string_view kind);

/// kNotFound when the DeepSeekDeployment is gone. All reads are live (no resourceVersion: the
/// newest state).
absl::StatusOr<decide::Cluster> Observe(kube::Client& client, std::string_view ns,
                                        std::string_view name);

}  // namespace deepseek::reconcile
