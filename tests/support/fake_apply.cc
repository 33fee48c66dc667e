#include "tests/support/fake_apply.h"

#include <algorithm>

#include "base/json_full.h"

namespace deepseek::kube {
namespace {

void Merge(const Json& applied, const std::string& field, const std::string& kind, Json* live);

// Items that both have come in the order in which they are applied; those that only `live` has stay
// where they were among them (structured-merge-diff, merge.go).
void MergeItems(const Json& applied, const std::string& field, const std::string& kind,
                ListKind list, Json* live) {
  const auto segments = [&](const Json& items) {
    std::vector<std::string> out;
    for (const Json& item : items) {
      out.push_back(list == ListKind::kSet || item.is_object() ? ItemSegment(field, list, item)
                                                               : "");
    }
    return out;
  };
  const std::vector<std::string> mine = segments(applied), old = segments(*live);
  const auto place = [](const std::vector<std::string>& in, const std::string& segment) {
    return static_cast<size_t>(std::find(in.begin(), in.end(), segment) - in.begin());
  };
  Json merged = Json::array();
  size_t l = 0;
  for (size_t r = 0; r < mine.size(); ++r) {
    size_t shared = r;  // the next of mine that was there before
    while (shared < mine.size() && place(old, mine[shared]) == old.size()) ++shared;
    while (l < old.size() && (shared == mine.size() || old[l] != mine[shared])) {
      if (place(mine, old[l]) == mine.size()) merged.push_back((*live)[l]);
      ++l;
    }
    const size_t before = place(old, mine[r]);
    merged.push_back(before == old.size() ? applied[r] : (*live)[before]);
    if (before != old.size() && list == ListKind::kKeyed) {
      Merge(applied[r], "", kind, &merged.back());
    }
  }
  for (; l < old.size(); ++l) {
    if (place(mine, old[l]) == mine.size()) merged.push_back((*live)[l]);
  }
  *live = std::move(merged);
}

void Merge(const Json& applied, const std::string& field, const std::string& kind, Json* live) {
  if (applied.is_object() && live->is_object() && !IsAtomicMap(field, kind)) {
    for (const auto& [name, value] : applied.items()) {
      if (live->contains(name)) {
        Merge(value, name, kind, &(*live)[name]);
      } else {
        (*live)[name] = value;
      }
    }
    return;
  }
  const ListKind list = applied.is_array() ? KindOfList(field, applied) : ListKind::kAtomic;
  if (list == ListKind::kAtomic || !live->is_array()) {
    *live = applied;
    return;
  }
  MergeItems(applied, field, kind, list, live);
}

bool OthersOwn(const Ownership& ownership, const FieldManager& me, const FieldPath& path) {
  for (const auto& [manager, fields] : ownership) {
    if (!(manager == me) && OwnsAtOrBelow(fields, path)) return true;
  }
  return false;
}

// Erases `path`, and the maps and lists above it that it leaves empty and nobody speaks of any
// more.
void Prune(const Ownership& ownership, FieldPath path, Json* live) {
  Erase(live, path);
  for (path.pop_back(); path.size() > 1; path.pop_back()) {
    const Json* parent = Find(*live, path);
    if (parent == nullptr || !parent->is_structured() || !parent->empty()) return;
    for (const auto& [manager, fields] : ownership) {
      if (OwnsAtOrBelow(fields, path)) return;
    }
    Erase(live, path);
  }
}

}  // namespace

std::vector<Conflict> MergeApplied(const Json& applied, const FieldManager& manager, bool force,
                                   Json* live, Ownership* ownership) {
  const FieldSet fields = FieldsOf(applied);
  std::vector<Conflict> conflicts;
  for (const FieldPath& path : fields) {
    const Json* ours = Find(applied, path);
    const Json* theirs = Find(*live, path);
    // The presence of a keyed item is no value to fight over.
    if (theirs == nullptr || *ours == *theirs || path.back().starts_with("k:")) continue;
    for (const auto& [other, owned] : *ownership) {
      if (!(other == manager) && owned.contains(path)) conflicts.push_back({other, path});
    }
  }
  if (!conflicts.empty() && !force) return conflicts;
  for (const Conflict& conflict : conflicts) (*ownership)[conflict.owner].erase(conflict.path);

  const FieldSet previous = (*ownership)[manager];
  (*ownership)[manager] = fields;
  Merge(applied, "", live->value("kind", ""), live);
  for (const FieldPath& path : previous) {
    if (!OwnsAtOrBelow(fields, path) && !OthersOwn(*ownership, manager, path)) {
      Prune(*ownership, path, live);
    }
  }
  return {};
}

void TrackUpdate(const Json& before, const Json& after, const FieldManager& manager,
                 Ownership* ownership) {
  const FieldSet fields = FieldsOf(after);
  for (auto& [other, owned] : *ownership) {
    std::erase_if(owned, [&](const FieldPath& path) { return Find(after, path) == nullptr; });
  }
  for (const FieldPath& path : fields) {
    const Json* old = Find(before, path);
    const bool keyed = path.back().starts_with("k:");
    if (old != nullptr && (keyed || *old == *Find(after, path))) continue;
    for (auto& [other, owned] : *ownership) owned.erase(path);
    (*ownership)[manager].insert(path);
  }
  std::erase_if(*ownership, [](const auto& entry) { return entry.second.empty(); });
}

}  // namespace deepseek::kube
