#include "operator/reconcile/apply.h"

#include "base/json_full.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/decide/json_read.h"
#include "operator/reconcile/difference.h"
#include "operator/reconcile/observe.h"

namespace deepseek::reconcile {
namespace {

using decide::TextAt;

const Json* FindObserved(const decide::Cluster& cluster, const std::string& kind,
                         const std::string& name) {
  for (const decide::Object& child : cluster.children) {
    if (TextAt(*child, "/kind") == kind && TextAt(*child, "/metadata/name") == name)
      return child.get();
  }
  return nullptr;
}

absl::Status ApplyOne(kube::Client& client, const decide::Cluster& cluster,
                      const render::Rendered& rendered) {
  const Json& desired = *rendered.object;
  const std::string kind = TextAt(desired, "/kind"), name = TextAt(desired, "/metadata/name");
  const std::string ns = TextAt(desired, "/metadata/namespace");
  const kube::Resource* resource = ResourceOf(kind);
  if (resource == nullptr)
    return absl::InternalError(StrCat("apply ", kind, " ", name, ": not a kind of ours"));

  const Json* observed = FindObserved(cluster, kind, name);
  if (observed == nullptr) {
    const absl::StatusOr<kube::Object> created =
        client.Create(*resource, ns, desired, api::kFieldManager);
    if (!absl::IsAlreadyExists(created.status())) return created.status();
    // Whose it is must be read first; apply would take it over.
    return absl::AbortedError(StrCat("create ", kind, " ", ns, "/", name, ": exists meanwhile"));
  }
  // What is on its way out is made anew once it is gone: its deletion is watched.
  if (decide::Find(*observed, "/metadata/deletionTimestamp") != nullptr) return absl::OkStatus();
  const std::string difference = FindDifference(desired, *observed);
  if (difference.empty()) return absl::OkStatus();
  log::Debug("apply",
             {{"kind", kind}, {"namespace", ns}, {"name", name}, {"difference", difference}});
  Json object = desired;
  if (!rendered.resource_version.empty())
    object["metadata"]["resourceVersion"] = rendered.resource_version;
  return client.Apply(*resource, ns, name, object, {.field_manager = api::kFieldManager}).status();
}

}  // namespace

absl::Status ApplyObjects(kube::Client& client, const decide::Cluster& cluster,
                          const std::vector<render::Rendered>& objects) {
  for (const render::Rendered& rendered : objects)
    RETURN_IF_ERROR(ApplyOne(client, cluster, rendered));
  return absl::OkStatus();
}

absl::Status DeleteObjects(kube::Client& client, const std::string& ns,
                           const std::vector<decide::Deletion>& deletions) {
  for (const decide::Deletion& deletion : deletions) {
    const kube::Resource* resource = ResourceOf(deletion.kind);
    if (resource == nullptr)
      return absl::InternalError(StrCat("delete ", deletion.kind, ": not a kind of ours"));
    const absl::Status status =
        client.Delete(*resource, ns, deletion.name, deletion.uid, deletion.resource_version);
    if (!status.ok() && !absl::IsNotFound(status)) return status;
  }
  return absl::OkStatus();
}

}  // namespace deepseek::reconcile
