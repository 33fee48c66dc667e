#include "tests/support/fake_object_store.h"

#include <set>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "base/json_full.h"
#include "base/strings.h"

namespace deepseek::kube {
namespace {

std::string Time(int64_t seconds) {
  const absl::Time epoch = absl::FromUnixSeconds(1'700'000'000);
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", epoch + absl::Seconds(seconds),
                          absl::UTCTimeZone());
}

bool SameBut(const Json& a, const Json& b, const char* field) {
  Json x = a, y = b;
  x["metadata"].erase(field);
  y["metadata"].erase(field);
  return x == y;
}

// The kinds of the core group that we use have no generation (Services, Pods' is too new to rely
// on).
bool HasGeneration(const std::string& collection) {
  return !collection.starts_with("/") && !collection.starts_with("coordination") &&
         !collection.ends_with("/controllerrevisions") && !collection.starts_with("events");
}

bool HasFinalizers(const Json& object) {
  const Json& meta = object["metadata"];
  return meta.contains("finalizers") && !meta["finalizers"].empty();
}

}  // namespace

StoredObject FakeObjectStore::Find(const std::string& collection, const std::string& key) const {
  const auto objects = collections_.find(collection);
  if (objects == collections_.end()) return nullptr;
  const auto it = objects->second.find(key);
  return it == objects->second.end() ? nullptr : it->second;
}

void FakeObjectStore::Log(const std::string& collection, const std::string& type,
                          StoredObject object, StoredObject previous) {
  log_.push_back({version_, collection, type, std::move(object), std::move(previous)});
}

StoredObject FakeObjectStore::Put(const std::string& collection, const std::string& key,
                                  Json object, const Ownership& ownership) {
  const StoredObject previous = Find(collection, key);
  Json& meta = object["metadata"];
  meta["managedFields"] = ManagedFieldsOf(ownership, object.value("apiVersion", ""));
  if (previous == nullptr) {
    meta["uid"] = absl::StrFormat("00000000-0000-4000-8000-%012d", ++uids_);
    meta["creationTimestamp"] = Time(++seconds_);
    if (HasGeneration(collection)) meta["generation"] = 1;
  } else {
    for (const char* own :
         {"uid", "creationTimestamp", "generation", "deletionTimestamp", "resourceVersion"}) {
      meta.erase(own);
      if ((*previous)["metadata"].contains(own)) meta[own] = (*previous)["metadata"][own];
    }
    if (SameBut(*previous, object, "resourceVersion")) return previous;
    if (HasGeneration(collection) &&
        object.value("spec", Json()) != previous->value("spec", Json())) {
      meta["generation"] = meta.value("generation", 0) + 1;
    }
  }
  meta["resourceVersion"] = StrCat(++version_);
  const auto stored = std::make_shared<const Json>(std::move(object));
  if (stored->at("metadata").contains("deletionTimestamp") && !HasFinalizers(*stored)) {
    collections_[collection].erase(key);
    Log(collection, "DELETED", stored, previous);
  } else {
    collections_[collection][key] = stored;
    Log(collection, previous == nullptr ? "ADDED" : "MODIFIED", stored, previous);
  }
  return stored;
}

void FakeObjectStore::Delete(const std::string& collection, const std::string& key) {
  const StoredObject previous = Find(collection, key);
  if (previous == nullptr) return;
  Json object = *previous;
  const bool waits = HasFinalizers(object);
  if (waits && object["metadata"].contains("deletionTimestamp")) return;
  object["metadata"]["resourceVersion"] = StrCat(++version_);
  if (waits) object["metadata"]["deletionTimestamp"] = Time(seconds_);
  const auto stored = std::make_shared<const Json>(std::move(object));
  if (waits) {
    collections_[collection][key] = stored;
  } else {
    collections_[collection].erase(key);
  }
  Log(collection, waits ? "MODIFIED" : "DELETED", stored, previous);
}

void FakeObjectStore::CollectGarbage() {
  for (bool found = true; found;) {
    found = false;
    std::set<std::string> alive;
    for (const auto& [collection, objects] : collections_) {
      for (const auto& [key, object] : objects) alive.insert((*object)["metadata"]["uid"]);
    }
    std::vector<std::pair<std::string, std::string>> orphans;
    for (const auto& [collection, objects] : collections_) {
      for (const auto& [key, object] : objects) {
        const Json& meta = (*object)["metadata"];
        if (!meta.contains("ownerReferences") || meta["ownerReferences"].empty()) continue;
        if (meta.contains("deletionTimestamp")) continue;
        bool owned = false;
        for (const Json& owner : meta["ownerReferences"]) {
          owned = owned || alive.contains(owner.value("uid", ""));
        }
        if (!owned) orphans.emplace_back(collection, key);
      }
    }
    for (const auto& [collection, key] : orphans) Delete(collection, key);
    found = !orphans.empty();
  }
}

void FakeObjectStore::Compact() {
  log_.clear();
  // Every version handed out so far is too old now.
  compacted_ = ++version_;
}

}  // namespace deepseek::kube
