#include "tests/support/fake_object_store.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "base/json_full.h"
#include "base/strings.h"

namespace deepseek::kube {
namespace {

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

std::vector<std::string> OwnersOf(const Json& object) {
  std::vector<std::string> out;
  const auto owners = object.at("metadata").find("ownerReferences");
  if (owners == object.at("metadata").end()) return out;
  for (const Json& owner : *owners) out.push_back(owner.value("uid", ""));
  return out;
}

}  // namespace

std::string FakeObjectStore::Now() {
  const absl::Time now =
      clock_ ? clock_() : absl::FromUnixSeconds(1'700'000'000) + absl::Seconds(++seconds_);
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", now, absl::UTCTimeZone());
}

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

std::deque<StoredEvent>::const_iterator FakeObjectStore::EventsAfter(int64_t version) const {
  return std::upper_bound(log_.begin(), log_.end(), version,
                          [](int64_t v, const StoredEvent& event) { return v < event.version; });
}

void FakeObjectStore::Store(const std::string& collection, const std::string& key,
                            const StoredObject& object) {
  Erase(collection, key);
  collections_[collection][key] = object;
  const std::string& uid = object->at("metadata").at("uid").get_ref<const std::string&>();
  uids_alive_.insert(uid);
  for (const std::string& owner : OwnersOf(*object)) {
    dependents_[owner].emplace(collection, key);
    if (!uids_alive_.contains(owner)) suspects_.emplace(collection, key);
  }
}

void FakeObjectStore::Erase(const std::string& collection, const std::string& key) {
  auto& objects = collections_[collection];
  const auto it = objects.find(key);
  if (it == objects.end()) return;
  uids_alive_.erase(it->second->at("metadata").at("uid").get<std::string>());
  for (const std::string& owner : OwnersOf(*it->second)) {
    dependents_[owner].erase({collection, key});
    if (dependents_[owner].empty()) dependents_.erase(owner);
  }
  objects.erase(it);
}

StoredObject FakeObjectStore::Put(const std::string& collection, const std::string& key,
                                  Json object, const Ownership& ownership) {
  const StoredObject previous = Find(collection, key);
  Json& meta = object["metadata"];
  meta["managedFields"] = ManagedFieldsOf(ownership, object.value("apiVersion", ""));
  if (previous == nullptr) {
    meta["uid"] = absl::StrFormat("00000000-0000-4000-8000-%012d", ++uids_);
    meta["creationTimestamp"] = Now();
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
    Gone(collection, key);
    Log(collection, "DELETED", stored, previous);
  } else {
    Store(collection, key, stored);
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
  if (waits) object["metadata"]["deletionTimestamp"] = Now();
  const auto stored = std::make_shared<const Json>(std::move(object));
  if (waits) {
    Store(collection, key, stored);
  } else {
    Gone(collection, key);
  }
  Log(collection, waits ? "MODIFIED" : "DELETED", stored, previous);
}

void FakeObjectStore::Gone(const std::string& collection, const std::string& key) {
  const std::string uid = Find(collection, key)->at("metadata").at("uid").get<std::string>();
  Erase(collection, key);
  if (const auto it = dependents_.find(uid); it != dependents_.end()) {
    suspects_.insert(it->second.begin(), it->second.end());
  }
}

void FakeObjectStore::CollectGarbage() {
  while (!suspects_.empty()) {
    const auto [collection, key] = *suspects_.begin();
    suspects_.erase(suspects_.begin());
    const StoredObject object = Find(collection, key);
    if (object == nullptr || object->at("metadata").contains("deletionTimestamp")) continue;
    const std::vector<std::string> owners = OwnersOf(*object);
    const bool owned = std::any_of(owners.begin(), owners.end(), [this](const std::string& uid) {
      return uids_alive_.contains(uid);
    });
    if (!owned && !owners.empty()) Delete(collection, key);
  }
}

void FakeObjectStore::Compact() {
  log_.clear();
  // Every version handed out so far is too old now.
  compacted_ = ++version_;
}

}  // namespace deepseek::kube
