#include "operator/kube/informer.h"

#include <algorithm>
#include <utility>

#include "base/json_full.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::kube {
namespace {

constexpr absl::Duration kFirstBackoff = absl::Milliseconds(800);
constexpr absl::Duration kMostBackoff = absl::Seconds(30);

std::string MetaString(const Json& object, const char* field) {
  if (!object.is_object()) return "";
  const auto meta = object.find("metadata");
  if (meta == object.end() || !meta->is_object()) return "";
  const auto it = meta->find(field);
  return it != meta->end() && it->is_string() ? it->get<std::string>() : "";
}

}  // namespace

std::string KeyOf(const Json& object) {
  const std::string ns = MetaString(object, "namespace");
  return ns.empty() ? MetaString(object, "name") : StrCat(ns, "/", MetaString(object, "name"));
}

absl::Duration ListBackoff(int failures, double chance) {
  const int doublings = std::clamp(failures, 0, 16);
  return std::min(kMostBackoff, kFirstBackoff * (1 << doublings)) * (1.0 + chance);
}

Informer::Informer(Client client, InformerOptions options)
    : client_(std::move(client)), options_(std::move(options)) {}

void Informer::Changed(const Object& object) const {
  if (options_.on_change) options_.on_change(object);
}

void Informer::Put(const Object& object) {
  const std::string key = KeyOf(*object);
  const std::lock_guard lock(mutex_);
  Object& slot = objects_[key];
  if (options_.index) {
    if (slot != nullptr) index_[options_.index(*slot)].erase(key);
    if (const std::string value = options_.index(*object); !value.empty()) {
      index_[value].insert(key);
    }
  }
  slot = object;
}

Object Informer::Remove(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto it = objects_.find(key);
  if (it == objects_.end()) return nullptr;
  Object last = std::move(it->second);
  objects_.erase(it);
  if (options_.index) {
    const auto entry = index_.find(options_.index(*last));
    if (entry != index_.end()) {
      entry->second.erase(key);
      if (entry->second.empty()) index_.erase(entry);
    }
  }
  return last;
}

absl::Status Informer::Relist() {
  ASSIGN_OR_RETURN(const List list, client_.ListAll(options_.resource, options_.list));
  std::set<std::string> gone;
  std::vector<Object> changed;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, object] : objects_) gone.insert(key);
    for (const Object& object : list.items) {
      const auto it = objects_.find(KeyOf(*object));
      if (it == objects_.end() ||
          MetaString(*it->second, "resourceVersion") != MetaString(*object, "resourceVersion")) {
        changed.push_back(object);
      }
      gone.erase(KeyOf(*object));
    }
  }
  for (const Object& object : changed) Put(object);
  // Deletions that no watch told us about.
  for (const std::string& key : gone) changed.push_back(Remove(key));
  version_ = list.resource_version;
  synced_.store(true);
  for (const Object& object : changed) {
    if (object != nullptr) Changed(object);
  }
  return absl::OkStatus();
}

absl::Status Informer::RunOnce(const std::function<bool()>& stop) {
  if (version_.empty()) RETURN_IF_ERROR(Relist());
  const absl::Status end = client_.Watch(
      options_.resource, options_.list, version_,
      [this](const WatchEvent& event) {
        if (std::string version = MetaString(*event.object, "resourceVersion"); !version.empty()) {
          version_ = std::move(version);
        }
        if (event.type == WatchEventType::kBookmark) return;
        if (event.type == WatchEventType::kDeleted) {
          Remove(KeyOf(*event.object));
        } else {
          Put(event.object);
        }
        Changed(event.object);
      },
      stop);
  if (absl::IsOutOfRange(end)) version_.clear();
  return end;
}

void Informer::Run(const InformerWorld& world) {
  int failures = 0;
  while (!world.stop()) {
    const std::string before = version_;
    const absl::Status end = RunOnce(world.stop);
    if (world.stop()) return;
    if (end.ok()) {
      // The server ends watches every few minutes. One that ends at once without news must not
      // become a busy loop.
      failures = version_ == before ? failures + 1 : 0;
      if (failures > 1) world.sleep(ListBackoff(failures - 2, world.chance()));
      continue;
    }
    // Progress in between means that this is a new trouble.
    if (version_ != before) failures = 0;
    const absl::Duration delay = ListBackoff(failures++, world.chance());
    log::Warn(absl::IsOutOfRange(end) ? "watch is too far behind, listing again"
                                      : "list or watch failed, trying again",
              {{"resource", options_.resource.plural},
               {"namespace", options_.list.ns},
               {"error", std::string(ToStd(end.message()))},
               {"retry_in_seconds", absl::ToDoubleSeconds(delay)}});
    world.sleep(delay);
  }
}

Object Informer::Get(std::string_view ns, std::string_view name) const {
  const std::string key = ns.empty() ? std::string(name) : StrCat(ns, "/", name);
  const std::lock_guard lock(mutex_);
  const auto it = objects_.find(key);
  return it == objects_.end() ? nullptr : it->second;
}

std::vector<Object> Informer::ByIndex(std::string_view value) const {
  const std::lock_guard lock(mutex_);
  std::vector<Object> out;
  const auto it = index_.find(value);
  if (it == index_.end()) return out;
  for (const std::string& key : it->second) out.push_back(objects_.at(key));
  return out;
}

std::vector<Object> Informer::All() const {
  const std::lock_guard lock(mutex_);
  std::vector<Object> out;
  out.reserve(objects_.size());
  for (const auto& [key, object] : objects_) out.push_back(object);
  return out;
}

}  // namespace deepseek::kube
