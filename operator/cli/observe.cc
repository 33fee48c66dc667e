#include "operator/cli/observe.h"

#include <algorithm>
#include <vector>

#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/decide/decide.h"
#include "operator/decide/json_read.h"

namespace deepseek::cli {
namespace {

const std::vector<kube::Resource>& Kinds() {
  using namespace kube::resources;  // NOLINT: the names below
  static const auto* const kinds = new std::vector<kube::Resource>{
      kServiceAccount, kNetworkPolicy, kControllerRevision, kConfigMap,
      kDeployment,     kService,       kPodDisruptionBudget};
  return *kinds;
}

bool Holds(const decide::Cluster& cluster, const std::string& kind, const std::string& name) {
  return std::any_of(cluster.children.begin(), cluster.children.end(), [&](const auto& child) {
    return decide::TextAt(*child, "/kind") == kind &&
           decide::TextAt(*child, "/metadata/name") == name;
  });
}

// Not every cluster has the kind, and not every user of this one may read it; the rest is told all
// the same.
absl::Status AddPodMonitors(kube::Client client, const kube::ListOptions& options,
                            decide::Cluster* cluster) {
  const absl::StatusOr<kube::List> list = client.ListAll(kube::resources::kPodMonitor, options);
  if (list.ok()) {
    cluster->children.insert(cluster->children.end(), list->items.begin(), list->items.end());
  }
  cluster->pod_monitors_served = !absl::IsNotFound(list.status());
  const bool tolerable = absl::IsNotFound(list.status()) || absl::IsPermissionDenied(list.status());
  return tolerable ? absl::OkStatus() : list.status();
}

}  // namespace

absl::StatusOr<decide::Cluster> ObserveAround(kube::Client client, decide::Object dsd) {
  decide::Cluster cluster;
  cluster.dsd = std::move(dsd);
  const std::string ns = decide::TextAt(*cluster.dsd, "/metadata/namespace");
  const std::string name = decide::TextAt(*cluster.dsd, "/metadata/name");
  const kube::ListOptions options{
      .ns = ns, .label_selector = StrCat(api::kDeploymentLabel, "=", name), .field_selector = ""};
  for (const kube::Resource& kind : Kinds()) {
    ASSIGN_OR_RETURN(const kube::List list, client.ListAll(kind, options));
    cluster.children.insert(cluster.children.end(), list.items.begin(), list.items.end());
  }
  RETURN_IF_ERROR(AddPodMonitors(client, options, &cluster));
  ASSIGN_OR_RETURN(kube::List pods, client.ListAll(kube::resources::kPod, options));
  cluster.pods = std::move(pods.items);
  for (const auto& [kind, child] : decide::ChildNames(*cluster.dsd)) {
    if (Holds(cluster, kind, child)) continue;
    for (const kube::Resource& resource : Kinds()) {
      if (resource.kind != kind) continue;
      absl::StatusOr<kube::Object> found = client.Get(resource, ns, child);
      if (found.ok()) {
        cluster.children.push_back(*std::move(found));
      } else if (!absl::IsNotFound(found.status())) {
        return found.status();
      }
    }
  }
  absl::StatusOr<kube::List> events = client.ListAll(
      kube::resources::kEvent, {.ns = ns, .label_selector = "", .field_selector = "type=Warning"});
  // The built-in roles view and edit do not give them; they only add words.
  if (!events.ok() && !absl::IsPermissionDenied(events.status())) return events.status();
  if (events.ok()) cluster.events = std::move(events->items);
  return cluster;
}

absl::StatusOr<decide::Cluster> Observe(kube::Client client, const std::string& ns,
                                        const std::string& name) {
  ASSIGN_OR_RETURN(kube::Object dsd, client.Get(kube::resources::kDeepSeekDeployment, ns, name));
  return ObserveAround(std::move(client), std::move(dsd));
}

}  // namespace deepseek::cli
