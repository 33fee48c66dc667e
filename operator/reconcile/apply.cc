#include "operator/reconcile/apply.h"

#include <utility>

#include "base/json_full.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/decide/difference.h"
#include "operator/decide/json_read.h"
#include "operator/kube/api_error.h"
#include "operator/reconcile/observe.h"

namespace deepseek::reconcile {
namespace {

using decide::TextAt;

decide::Object FindObserved(const std::vector<decide::Object>& objects, const std::string& kind,
                            const std::string& name) {
  for (const decide::Object& object : objects) {
    if (TextAt(*object, "/metadata/name") == name && TextAt(*object, "/kind") == kind)
      return object;
  }
  return nullptr;
}

bool IsDeleting(const Json& object) {
  return decide::Find(object, "/metadata/deletionTimestamp") != nullptr;
}

std::string AppliedHash(const Json& object) {
  return decide::MetadataAt(object, "annotations", api::kAppliedHashAnnotation);
}

void Remember(const Json& desired, const Json& answer, StoredZeros* stored) {
  const std::pair key(TextAt(desired, "/kind"), TextAt(desired, "/metadata/name"));
  decide::ReplacedZeros zeros = decide::FindReplacedZeros(desired, answer);
  if (zeros.empty()) {
    stored->erase(key);
  } else {
    (*stored)[key] = {AppliedHash(desired), std::move(zeros)};
  }
}

absl::Status Create(const Write& write, kube::Client& client, kube::Caches& caches,
                    StoredZeros* stored) {
  const std::string ns = TextAt(*write.desired, "/metadata/namespace");
  ASSIGN_OR_RETURN(const kube::Object created,
                   client.Create(*write.resource, ns, *write.desired, api::kFieldManager));
  caches.Saw(*write.resource, *created);
  Remember(*write.desired, *created, stored);
  return absl::OkStatus();
}

absl::Status Apply(const Write& write, kube::Client& client, kube::Caches& caches,
                   StoredZeros* stored) {
  const std::string ns = TextAt(*write.desired, "/metadata/namespace");
  const std::string name = TextAt(*write.desired, "/metadata/name");
  log::Debug("apply", {{"kind", write.resource->kind},
                       {"namespace", ns},
                       {"name", name},
                       {"difference", write.difference}});
  Json object = *write.desired;
  object["metadata"]["resourceVersion"] = TextAt(*write.observed, "/metadata/resourceVersion");
  object["metadata"]["uid"] = TextAt(*write.observed, "/metadata/uid");
  // What we applied last time and is no longer so was changed by somebody. Who that was is told by
  // an attempt that does not take the fields over.
  const bool ours = AppliedHash(*write.observed) == AppliedHash(*write.desired);
  absl::StatusOr<kube::Object> applied = client.Apply(
      *write.resource, ns, name, object, {.field_manager = api::kFieldManager, .force = !ours});
  if (const std::string conflicts = kube::FieldConflicts(applied.status()); !conflicts.empty()) {
    log::Warn(
        "fields of ours were changed by others and are set back",
        {{"kind", write.resource->kind}, {"namespace", ns}, {"name", name}, {"fields", conflicts}});
    applied = client.Apply(*write.resource, ns, name, object,
                           {.field_manager = api::kFieldManager, .force = true});
  }
  if (!applied.ok()) return applied.status();
  caches.Saw(*write.resource, **applied);
  Remember(*write.desired, **applied, stored);
  return absl::OkStatus();
}

absl::Status Delete(const decide::Deletion& deletion, const std::string& ns, kube::Client& client,
                    kube::Caches& caches) {
  const kube::Resource& resource = *ResourceOf(deletion.kind);
  kube::Object deleting;
  const absl::Status status = client.Delete(resource, ns, deletion.name, deletion.uid,
                                            deletion.resource_version, &deleting);
  if (!status.ok() && !absl::IsNotFound(status)) return status;
  if (deleting != nullptr) {
    caches.Saw(resource, *deleting);
  } else {
    caches.SawGone(resource, ns, deletion.name, deletion.uid);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Changes> FindChanges(const decide::Cluster& cluster,
                                    const std::vector<render::Rendered>& objects,
                                    std::vector<decide::Deletion> deletions,
                                    const StoredZeros& stored) {
  Changes changes;
  for (const render::Rendered& rendered : objects) {
    const std::string kind = TextAt(*rendered.object, "/kind");
    const std::string name = TextAt(*rendered.object, "/metadata/name");
    Write write{ResourceOf(kind), rendered.object, FindObserved(cluster.children, kind, name), ""};
    if (write.resource == nullptr)
      return absl::InternalError(StrCat("apply ", kind, " ", name, ": not a kind of ours"));
    if (write.observed != nullptr) {
      // What is on its way out is made anew once it is gone: its deletion is watched.
      if (IsDeleting(*write.observed)) continue;
      const auto known = stored.find({kind, name});
      const bool counts =
          known != stored.end() && known->second.applied_hash == AppliedHash(*write.desired);
      write.difference = decide::FindDifference(
          *write.desired, *write.observed, counts ? known->second.zeros : decide::ReplacedZeros());
      if (write.difference.empty()) continue;
    }
    changes.writes.push_back(std::move(write));
  }
  for (decide::Deletion& deletion : deletions) {
    if (ResourceOf(deletion.kind) == nullptr)
      return absl::InternalError(StrCat("delete ", deletion.kind, ": not a kind of ours"));
    if (deletion.resource_version.empty()) {
      const auto& among = deletion.kind == "Pod" ? cluster.pods : cluster.children;
      if (const auto observed = FindObserved(among, deletion.kind, deletion.name)) {
        deletion.resource_version = TextAt(*observed, "/metadata/resourceVersion");
      }
    }
    changes.deletions.push_back(std::move(deletion));
  }
  return changes;
}

absl::Status CarryOut(const Changes& changes, const std::string& ns, kube::Client& client,
                      kube::Caches& caches, StoredZeros* stored) {
  for (const Write& write : changes.writes) {
    RETURN_IF_ERROR(write.observed == nullptr ? Create(write, client, caches, stored)
                                              : Apply(write, client, caches, stored));
  }
  for (const decide::Deletion& deletion : changes.deletions) {
    RETURN_IF_ERROR(Delete(deletion, ns, client, caches));
    stored->erase({deletion.kind, deletion.name});
  }
  return absl::OkStatus();
}

}  // namespace deepseek::reconcile
