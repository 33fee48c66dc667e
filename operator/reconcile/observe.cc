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

using kube::resources::kDeepSeekDeployment;
using kube::resources::kPod;
using kube::resources::kPodDisruptionBudget;
using kube::resources::kPodMonitor;

std::string OwnerKey(const Json& object) {
  const std::string owner = OwnerName(object);
  return owner.empty() ? "" : kube::KeyOf(decide::TextAt(object, "/metadata/namespace"), owner);
}

// What a pod was asked to be is in its template; what it is, in its status.
void TrimPod(Json* pod) {
  pod->erase("spec");
}

// The disruption controller writes it with every pod that comes, goes or becomes ready.
void TrimBudget(Json* budget) {
  budget->erase("status");
}

void TrimDeployment(Json* dsd) {
  const Json::json_pointer annotations("/metadata/annotations");
  if (dsd->contains(annotations) && dsd->at(annotations).is_object()) {
    dsd->at(annotations).erase("kubectl.kubernetes.io/last-applied-configuration");
  }
}

}  // namespace

const std::vector<kube::Resource>& ChildKinds() {
  using namespace kube::resources;  // NOLINT: the names below
  static const std::vector<kube::Resource>* const kinds = new std::vector<kube::Resource>{
      kServiceAccount, kNetworkPolicy,       kControllerRevision, kDeployment,
      kService,        kPodDisruptionBudget, kConfigMap,          kPodMonitor};
  return *kinds;
}

const kube::Resource* ResourceOf(std::string_view kind) {
  for (const kube::Resource& resource : ChildKinds()) {
    if (resource.kind == kind) return &resource;
  }
  return kind == kPod.kind ? &kPod : nullptr;
}

std::string OwnerName(const Json& object) {
  if (decide::TextAt(object, "/kind") == api::kKind)
    return decide::TextAt(object, "/metadata/name");
  return decide::MetadataAt(object, "labels", api::kDeploymentLabel);
}

std::vector<kube::Source> Sources() {
  std::vector<kube::Source> sources;
  sources.push_back({kDeepSeekDeployment, "", OwnerKey, TrimDeployment});
  for (const kube::Resource& child : ChildKinds()) {
    const bool optional = child.plural == kPodMonitor.plural;
    const auto trim = child.plural == kPodDisruptionBudget.plural ? TrimBudget : nullptr;
    sources.push_back({child, api::kDeploymentLabel, OwnerKey, trim, optional});
  }
  sources.push_back({kPod, api::kDeploymentLabel, OwnerKey, TrimPod});
  return sources;
}

std::optional<decide::Cluster> Observe(const kube::Caches& caches, std::string_view ns,
                                       std::string_view name) {
  decide::Cluster cluster;
  cluster.dsd = caches.Get(kDeepSeekDeployment, ns, name);
  if (cluster.dsd == nullptr) return std::nullopt;
  const std::string key = kube::KeyOf(ns, name);
  for (const kube::Resource& kind : ChildKinds()) {
    for (kube::Object& object : caches.Of(kind, ns, key)) {
      cluster.children.push_back(std::move(object));
    }
  }
  cluster.pods = caches.Of(kPod, ns, key);
  cluster.pod_monitors_served = caches.Serves(kPodMonitor, ns);
  return cluster;
}

absl::Status Refresh(kube::Client& client, kube::Caches& caches, std::string_view ns,
                     std::string_view name) {
  const absl::StatusOr<kube::Object> dsd = client.Get(kDeepSeekDeployment, ns, name);
  if (absl::IsNotFound(dsd.status())) {
    if (const kube::Object last = caches.Get(kDeepSeekDeployment, ns, name)) {
      caches.SawGone(kDeepSeekDeployment, ns, name, decide::TextAt(*last, "/metadata/uid"));
    }
    return absl::OkStatus();
  }
  if (!dsd.ok()) return dsd.status();
  caches.Saw(kDeepSeekDeployment, **dsd);
  const kube::ListOptions options{.ns = std::string(ns),
                                  .label_selector = StrCat(api::kDeploymentLabel, "=", name),
                                  .field_selector = ""};
  const auto read = [&](const kube::Resource& kind) -> absl::Status {
    if (!caches.Serves(kind, ns)) return absl::OkStatus();
    ASSIGN_OR_RETURN(const kube::List list, client.ListAll(kind, options));
    caches.SawAll(kind, ns, kube::KeyOf(ns, name), list);
    return absl::OkStatus();
  };
  for (const kube::Resource& kind : ChildKinds()) RETURN_IF_ERROR(read(kind));
  return read(kPod);
}

absl::Status FindUnlabelled(kube::Client& client, decide::Cluster* cluster) {
  const std::string ns = decide::TextAt(*cluster->dsd, "/metadata/namespace");
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

bool NeedsEvents(const decide::Cluster& cluster) {
  const auto observed = decide::Read(cluster);
  return std::any_of(observed.pods.begin(), observed.pods.end(), [](const decide::Pod& pod) {
    return !pod.ready && !pod.running && !pod.deleting && pod.unschedulable.empty();
  });
}

}  // namespace deepseek::reconcile
