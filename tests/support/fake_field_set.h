#pragma once
// Field ownership as the API server keeps it: sets of paths (FieldsV1) per manager.
// https://github.com/kubernetes-sigs/structured-merge-diff

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/json.h"

namespace deepseek::kube {

/// Segments as FieldsV1 spells them: "f:spec", "k:{\"name\":\"x\"}" (item of a list with keys),
/// "v:\"x\"" (item of a set).
using FieldPath = std::vector<std::string>;
using FieldSet = std::set<FieldPath>;

struct FieldManager {
  std::string name, operation /* Apply or Update */, subresource;
  bool operator<(const FieldManager& other) const {
    return std::tie(name, operation, subresource) <
           std::tie(other.name, other.operation, other.subresource);
  }
  bool operator==(const FieldManager& other) const { return !(*this < other) && !(other < *this); }
};
using Ownership = std::map<FieldManager, FieldSet>;

enum class ListKind { kAtomic, kKeyed, kSet };
/// How a list in the field `field` merges: by keys, as a set, or as one value.
ListKind KindOfList(std::string_view field, const Json& list);
/// The "k:{...}" or "v:..." segment of an item.
std::string ItemSegment(std::string_view field, ListKind kind, const Json& item);
/// Maps that are one value (selectors, a ControllerRevision's data).
bool IsAtomicMap(std::string_view field, std::string_view kind);

/// Paths of all that `object` says, except its identity and what the server sets.
FieldSet FieldsOf(const Json& object);
/// The value at `path`; null pointer if there is none.
const Json* Find(const Json& object, const FieldPath& path);
/// Erases what is at `path`.
void Erase(Json* object, const FieldPath& path);
/// True if `set` has `prefix` or anything below it.
bool OwnsAtOrBelow(const FieldSet& set, const FieldPath& prefix);
/// ".spec.containers[name=\"x\"].image", as conflicts print it.
std::string Readable(const FieldPath& path);

Json ManagedFieldsOf(const Ownership& ownership, std::string_view api_version);
Ownership OwnershipOf(const Json& managed_fields);

}  // namespace deepseek::kube
