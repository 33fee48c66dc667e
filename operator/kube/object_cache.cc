#include "operator/kube/object_cache.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "base/json_full.h"
#include "base/strings.h"

namespace deepseek::kube {
namespace {

// Deletions that are remembered: more than can be overtaken by an answer in flight.
constexpr size_t kGone = 1024;
constexpr int64_t kForGood = std::numeric_limits<int64_t>::max();

std::string Pack(const Json& object) {
  std::string packed = DumpJson(object);
  packed.shrink_to_fit();
  return packed;
}

Object Unpack(const std::string& packed) {
  return std::make_shared<const Json>(
      *ReadObject(packed, "an object of the cache", ManagedFields::kKeep));
}

// Are two packed states of one object equal but for their resource versions?
bool SameButVersion(std::string_view a, std::string_view b) {
  constexpr std::string_view kField = "\"resourceVersion\":\"";
  const size_t at = a.find(kField);
  if (at == std::string_view::npos || b.find(kField) != at) return false;
  const size_t from = at + kField.size();
  const size_t end_a = a.find('"', from), end_b = b.find('"', from);
  return a.substr(0, at) == b.substr(0, at) && a.substr(end_a) == b.substr(end_b);
}

// May a state of version `next` follow one of version `before`?
bool Follows(int64_t before, int64_t next) {
  return before < 0 || next < 0 || next > before;
}

}  // namespace

std::string MetadataText(const Json& object, const char* field) {
  if (!object.is_object()) return "";
  const auto meta = object.find("metadata");
  if (meta == object.end() || !meta->is_object()) return "";
  const auto it = meta->find(field);
  return it != meta->end() && it->is_string() ? it->get<std::string>() : "";
}

std::string KeyOf(std::string_view ns, std::string_view name) {
  return ns.empty() ? std::string(name) : StrCat(ns, "/", name);
}

std::string KeyOf(const Json& object) {
  return KeyOf(MetadataText(object, "namespace"), MetadataText(object, "name"));
}

int64_t ParseVersion(std::string_view version) {
  int64_t number = -1;
  return absl::SimpleAtoi(ToAbsl(version), &number) && number >= 0 ? number : -1;
}

int64_t VersionOf(const Json& object) {
  return ParseVersion(MetadataText(object, "resourceVersion"));
}

bool ObjectCache::IsNewsLocked(Entries::const_iterator it, const std::string& uid,
                               int64_t version) const {
  const auto gone = gone_.find(uid);
  return (gone == gone_.end() || (gone->second != kForGood && Follows(gone->second, version))) &&
         (it == entries_.end() || Follows(it->second.version, version));
}

bool ObjectCache::IsNews(std::string_view key, const std::string& uid, int64_t version) {
  const std::lock_guard lock(mutex_);
  const auto it = entries_.find(key);
  if (it != entries_.end()) it->second.list = list_;
  return IsNewsLocked(it, uid, version);
}

ObjectCache::Change ObjectCache::Put(const Json& object) {
  if (!object.is_object()) return {};
  const std::string key = KeyOf(object);
  Entry next{.packed = "",
             .uid = MetadataText(object, "uid"),
             .index = options_.index ? options_.index(object) : "",
             .version = VersionOf(object),
             .list = 0};
  if (!IsNews(key, next.uid, next.version)) return {};
  if (options_.trim) {
    Json trimmed = object;
    options_.trim(&trimmed);
    next.packed = Pack(trimmed);
  } else {
    next.packed = Pack(object);
  }

  const std::lock_guard lock(mutex_);
  const auto it = entries_.find(key);
  if (!IsNewsLocked(it, next.uid, next.version)) return {};  // overtaken meanwhile
  Change change{.changed = true, .moved_from = nullptr};
  if (it != entries_.end()) {
    Entry& before = it->second;
    change.changed = !SameButVersion(before.packed, next.packed);
    if (before.index != next.index && !before.index.empty()) {
      change.moved_from = Unpack(before.packed);
    }
    EraseLocked(it);
  }
  next.list = list_;
  bytes_ += next.packed.size();
  if (!next.index.empty()) index_[next.index].insert(key);
  entries_.emplace(key, std::move(next));
  return change;
}

void ObjectCache::EraseLocked(Entries::iterator it) {
  bytes_ -= it->second.packed.size();
  if (const auto at = index_.find(it->second.index); at != index_.end()) {
    at->second.erase(it->first);
    if (at->second.empty()) index_.erase(at);
  }
  entries_.erase(it);
}

void ObjectCache::BuryLocked(const std::string& uid, int64_t version) {
  if (uid.empty()) return;
  const auto [it, added] = gone_.try_emplace(uid, version);
  it->second = std::max(it->second, version);
  if (!added) return;
  gone_order_.push_back(uid);
  if (gone_order_.size() <= kGone) return;
  gone_.erase(gone_order_.front());
  gone_order_.pop_front();
}

Object ObjectCache::Remove(const Json& last) {
  const std::string uid = MetadataText(last, "uid");
  const std::lock_guard lock(mutex_);
  BuryLocked(uid, VersionOf(last));
  const auto it = entries_.find(KeyOf(last));
  // What was made anew under the same name stays.
  if (it == entries_.end() ||
      (it->second.uid != uid && !Follows(it->second.version, VersionOf(last)))) {
    return nullptr;
  }
  Object went = Unpack(it->second.packed);
  EraseLocked(it);
  return went;
}

bool ObjectCache::Forget(std::string_view key, std::string_view uid) {
  const std::lock_guard lock(mutex_);
  BuryLocked(std::string(uid), kForGood);
  const auto it = entries_.find(key);
  if (it == entries_.end() || it->second.uid != uid) return false;
  EraseLocked(it);
  return true;
}

void ObjectCache::BeginList() {
  const std::lock_guard lock(mutex_);
  ++list_;
}

std::vector<Object> ObjectCache::EndList(std::string_view version) {
  const int64_t at = ParseVersion(version);
  std::vector<Object> went;
  const std::lock_guard lock(mutex_);
  for (auto it = entries_.begin(); it != entries_.end();) {
    const auto next = std::next(it);
    const Entry& entry = it->second;
    const bool newer = entry.version >= 0 && at >= 0 && entry.version > at;
    if (entry.list != list_ && !newer) {
      went.push_back(Unpack(entry.packed));
      EraseLocked(it);
    }
    it = next;
  }
  return went;
}

std::vector<Object> ObjectCache::EndListOf(std::string_view index,
                                           const std::vector<Object>& listed,
                                           std::string_view version) {
  const int64_t at = ParseVersion(version);
  std::set<std::string> uids;
  for (const Object& object : listed) uids.insert(MetadataText(*object, "uid"));
  std::vector<Object> went;
  const std::lock_guard lock(mutex_);
  const auto keys = index_.find(index);
  if (keys == index_.end()) return went;
  for (const std::string& key : std::set<std::string>(keys->second)) {
    const auto it = entries_.find(key);
    const Entry& entry = it->second;
    const bool newer = entry.version >= 0 && at >= 0 && entry.version > at;
    if (uids.contains(entry.uid) || newer) continue;
    went.push_back(Unpack(entry.packed));
    EraseLocked(it);
  }
  return went;
}

Object ObjectCache::Get(std::string_view key) const {
  std::string packed;
  {
    const std::lock_guard lock(mutex_);
    const auto it = entries_.find(key);
    if (it == entries_.end()) return nullptr;
    packed = it->second.packed;
  }
  return Unpack(packed);
}

bool ObjectCache::Contains(std::string_view key) const {
  const std::lock_guard lock(mutex_);
  return entries_.contains(key);
}

std::vector<Object> ObjectCache::ByIndex(std::string_view value) const {
  std::vector<std::string> packed;
  {
    const std::lock_guard lock(mutex_);
    const auto keys = index_.find(value);
    if (keys == index_.end()) return {};
    for (const std::string& key : keys->second) packed.push_back(entries_.find(key)->second.packed);
  }
  std::vector<Object> out;
  out.reserve(packed.size());
  for (const std::string& object : packed) out.push_back(Unpack(object));
  return out;
}

std::vector<Object> ObjectCache::All() const {
  const std::lock_guard lock(mutex_);
  std::vector<Object> out;
  out.reserve(entries_.size());
  for (const auto& [key, entry] : entries_) out.push_back(Unpack(entry.packed));
  return out;
}

size_t ObjectCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

size_t ObjectCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace deepseek::kube
