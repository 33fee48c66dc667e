#pragma once
// The world of one DeepSeekDeployment: what is watched, and how it is read.

#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "operator/decide/observed.h"
#include "operator/kube/caches.h"
#include "operator/kube/client.h"

namespace deepseek::reconcile {

/// The kinds of children, in no order: what Cluster::children holds.
const std::vector<kube::Resource>& ChildKinds();

/// The resource of a child's kind or of Pod; nullptr if it is none of ours.
const kube::Resource* ResourceOf(std::string_view kind);

/// Name of the DeepSeekDeployment that `object` (itself, or any watched child) belongs to; empty if
/// none.
std::string OwnerName(const Json& object);

/// What the caches of an operator hold: DeepSeekDeployments, and what carries our label. Pods are
/// kept without what nobody here reads.
std::vector<kube::Source> Sources();

/// From the caches alone: `children` has what carries our label, `events` nothing. nullopt: there
/// is no such DeepSeekDeployment.
std::optional<decide::Cluster> Observe(const kube::Caches& caches, std::string_view ns,
                                       std::string_view name);

/// Reads all of that from the API server and tells it to the caches.
absl::Status Refresh(kube::Client& client, kube::Caches& caches, std::string_view ns,
                     std::string_view name);

/// Adds to `children` what has one of our names but not our label: somebody else's, or ours with
/// its label taken off.
absl::Status FindUnlabelled(kube::Client& client, decide::Cluster* cluster);

/// Is there something about the pods that only Events tell? (Mounts that fail, for one.)
bool NeedsEvents(const decide::Cluster& cluster);

}  // namespace deepseek::reconcile
