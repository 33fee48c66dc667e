#include "operator/reconcile/observe.h"

#include <algorithm>
#include <string>

#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/decide/decide.h"
#include "operator/decide/json_read.h"

namespace deepseek::reconcile {
namespace {

// Is something read about pods that their own status does not say? Mount failures are only told by
// Events.
bool NeedsEvents(const decide::Cluster& cluster) {
  const auto observed = decide::Read(cluster);
  return std::any_of(observed.pods.begin(), observed.pods.end(), [](const decide::Pod& pod) {
    return !pod.ready && !pod.running && !pod.deleting && pod.unschedulable.empty();
  });
}

absl::Status ListChildren(kube::Client& client, std::string_view ns, const std::string& selector,
                          decide::Cluster* cluster) {
  const kube::ListOptions options{
      .ns = std::string(ns), .label_selector = selector, .field_selector = ""};
  for (const kube::Resource& kind : ChildKinds()) {
    ASSIGN_OR_RETURN(kube::List list, client.ListAll(kind, options));
    for (kube::Object& object : list.items) cluster->children.push_back(std::move(object));
  }
  ASSIGN_OR_RETURN(kube::List pods, client.ListAll(kube::resources::kPod, options));
  cluster->pods = std::move(pods.items);
  return absl::OkStatus();
}

// What has one of our names but not our label (somebody else's, or ours with its labels taken off).
absl::Status FindUnlabelled(kube::Client& client, std::string_view ns, decide::Cluster* cluster) {
  for (const auto& [kind, name] : decide::ChildNames(*cluster->dsd)) {
    const bool known = std::any_of(cluster->children.begin(), cluster->children.end(),
                                   [&](const decide::Object& child) {
                                     return decide::TextAt(*child, "/kind") == kind &&
                                            decide::TextAt(*child, "/metadata/name") == name;
                                   });
    if (known) continue;
    absl::StatusOr<kube::Object> object = client.Get(*ResourceOf(kind), ns, name);
    if (object.ok()) {
      cluster->children.push_back(*std::move(object));
    } else if (!absl::IsNotFound(object.status())) {
      return object.status();
    }
  }
  return absl::OkStatus();
}

}  // namespace

const std::vector<kube::Resource>& ChildKinds() {
  using namespace kube::resources;  // NOLINT: the names below
  static const std::vector<kube::Resource>* const kinds = new std::vector<kube::Resource>{
      kServiceAccount, kNetworkPolicy,       kControllerRevision, kDeployment,
      kService,        kPodDisruptionBudget, kConfigMap};
  return *kinds;
}

const kube::Resource* ResourceOf(std::string_view kind) {
  for (const kube::Resource& resource : ChildKinds()) {
    if (resource.kind == kind) return &resource;
  }
  return kind == kube::resources::kPod.kind ? &kube::resources::kPod : nullptr;
}

absl::StatusOr<decide::Cluster> Observe(kube::Client& client, std::string_view ns,
                                        std::string_view name) {
  decide::Cluster cluster;
  ASSIGN_OR_RETURN(cluster.dsd, client.Get(kube::resources::kDeepSeekDeployment, ns, name));
  RETURN_IF_ERROR(ListChildren(client, ns, StrCat(api::kDeploymentLabel, "=", name), &cluster));
  RETURN_IF_ERROR(FindUnlabelled(client, ns, &cluster));
  if (NeedsEvents(cluster)) {
    ASSIGN_OR_RETURN(kube::List events,
                     client.ListAll(kube::resources::kEvent, {.ns = std::string(ns),
                                                              .label_selector = "",
                                                              .field_selector = "type=Warning"}));
    cluster.events = std::move(events.items);
  }
  return cluster;
}

}  // namespace deepseek::reconcile
