#include "tests/support/fake_field_set.h"

#include <algorithm>

#include "absl/strings/str_replace.h"
#include "base/json_full.h"
#include "base/strings.h"

namespace deepseek::kube {
namespace {

struct Key {
  const char* name;
  Json fallback;  // the server's default for a key that was left out
};

// From the x-kubernetes-list-map-keys of the kinds that we use.
std::vector<Key> KeysOf(std::string_view field, const Json& item) {
  if (field == "containers" || field == "initContainers" || field == "env" || field == "volumes" ||
      field == "imagePullSecrets" || field == "revisions") {
    return {{"name", nullptr}};
  }
  if (field == "volumeMounts") return {{"mountPath", nullptr}};
  if (field == "conditions") return {{"type", nullptr}};
  if (field == "ownerReferences") return {{"uid", nullptr}};
  if (field == "topologySpreadConstraints") {
    return {{"topologyKey", nullptr}, {"whenUnsatisfiable", nullptr}};
  }
  if (field == "ports") {
    return {{item.contains("containerPort") ? "containerPort" : "port", nullptr},
            {"protocol", "TCP"}};
  }
  return {};
}

void Collect(const Json& value, const std::string& field, const std::string& kind,
             const FieldPath& path, FieldSet* out) {
  const auto below = [&path](std::string segment) {
    FieldPath longer = path;
    longer.push_back(std::move(segment));
    return longer;
  };
  if (value.is_object() && !value.empty() && !IsAtomicMap(field, kind)) {
    for (const auto& [name, child] : value.items()) {
      Collect(child, name, kind, below("f:" + name), out);
    }
    return;
  }
  const ListKind list = value.is_array() ? KindOfList(field, value) : ListKind::kAtomic;
  if (list == ListKind::kAtomic) {
    out->insert(path);
    return;
  }
  for (const Json& item : value) {
    const FieldPath at = below(ItemSegment(field, list, item));
    out->insert(at);
    if (list == ListKind::kKeyed) {
      for (const auto& [name, child] : item.items()) {
        FieldPath longer = at;
        longer.push_back("f:" + name);
        Collect(child, name, kind, longer, out);
      }
    }
  }
}

Json Encode(const FieldSet& set) {
  Json root = Json::object();
  for (const FieldPath& path : set) {
    Json* node = &root;
    for (const std::string& segment : path) node = &(*node)[segment];
    if (node->is_null()) *node = Json::object();
    (*node)["."] = Json::object();
  }
  return root;
}

void Decode(const Json& node, const FieldPath& path, FieldSet* out) {
  // The server leaves "." out of members that have nothing below them.
  if (node.empty() && !path.empty()) out->insert(path);
  for (const auto& [segment, child] : node.items()) {
    if (segment == ".") {
      out->insert(path);
    } else {
      FieldPath longer = path;
      longer.push_back(segment);
      Decode(child, longer, out);
    }
  }
}

}  // namespace

bool IsAtomicMap(std::string_view field, std::string_view kind) {
  return field == "selector" || field == "nodeSelector" || field == "podSelector" ||
         field == "namespaceSelector" || field == "labelSelector" ||
         (field == "data" && kind == "ControllerRevision");
}

ListKind KindOfList(std::string_view field, const Json& list) {
  if (field == "finalizers") return ListKind::kSet;
  if (list.empty()) return ListKind::kAtomic;
  for (const Json& item : list) {
    if (!item.is_object()) return ListKind::kAtomic;
    const std::vector<Key> keys = KeysOf(field, item);
    if (keys.empty()) return ListKind::kAtomic;
    for (const Key& key : keys) {
      if (!item.contains(key.name) && key.fallback.is_null()) return ListKind::kAtomic;
    }
  }
  return ListKind::kKeyed;
}

std::string ItemSegment(std::string_view field, ListKind kind, const Json& item) {
  if (kind == ListKind::kSet) return StrCat("v:", item.dump());
  Json keys = Json::object();
  for (const Key& key : KeysOf(field, item)) keys[key.name] = item.value(key.name, key.fallback);
  return StrCat("k:", keys.dump());
}

FieldSet FieldsOf(const Json& object) {
  Json tracked = object;
  tracked.erase("apiVersion");
  const std::string kind = tracked.value("kind", "");
  tracked.erase("kind");
  if (const auto meta = tracked.find("metadata"); meta != tracked.end() && meta->is_object()) {
    for (const char* own : {"name", "namespace", "generateName", "uid", "resourceVersion",
                            "generation", "creationTimestamp", "managedFields", "deletionTimestamp",
                            "deletionGracePeriodSeconds"}) {
      meta->erase(own);
    }
    if (meta->empty()) tracked.erase("metadata");
  }
  FieldSet out;
  if (!tracked.empty()) Collect(tracked, "", kind, {}, &out);
  return out;
}

namespace {
// The item that `segment` names; the list's size if there is none.
size_t IndexOf(const Json& list, std::string_view field, const std::string& segment) {
  for (size_t i = 0; i < list.size(); ++i) {
    const ListKind kind = segment.starts_with("v:") ? ListKind::kSet : ListKind::kKeyed;
    if ((kind == ListKind::kSet || list[i].is_object()) &&
        ItemSegment(field, kind, list[i]) == segment) {
      return i;
    }
  }
  return list.size();
}
}  // namespace

const Json* Find(const Json& object, const FieldPath& path) {
  const Json* node = &object;
  std::string field;
  for (const std::string& segment : path) {
    if (segment.starts_with("f:")) {
      field = segment.substr(2);
      if (!node->is_object() || !node->contains(field)) return nullptr;
      node = &(*node)[field];
    } else {
      if (!node->is_array()) return nullptr;
      const size_t i = IndexOf(*node, field, segment);
      if (i == node->size()) return nullptr;
      node = &(*node)[i];
    }
  }
  return node;
}

void Erase(Json* object, const FieldPath& path) {
  const FieldPath parent(path.begin(), path.end() - 1);
  Json* node = const_cast<Json*>(Find(*object, parent));
  if (node == nullptr) return;
  const std::string& last = path.back();
  if (last.starts_with("f:")) {
    if (node->is_object()) node->erase(last.substr(2));
  } else if (node->is_array()) {
    const size_t i = IndexOf(*node, parent.back().substr(2), last);
    if (i < node->size()) node->erase(i);
  }
}

bool OwnsAtOrBelow(const FieldSet& set, const FieldPath& prefix) {
  const auto it = set.lower_bound(prefix);
  return it != set.end() && it->size() >= prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), it->begin());
}

std::string Readable(const FieldPath& path) {
  std::string out;
  for (const std::string& segment : path) {
    if (segment.starts_with("f:")) {
      StrAppend(&out, ".", segment.substr(2));
    } else if (segment.starts_with("k:")) {
      std::string keys = segment.substr(3, segment.size() - 4);
      StrAppend(&out, "[", absl::StrReplaceAll(keys, {{"\":", "="}, {",\"", ","}}).substr(1), "]");
    } else {
      StrAppend(&out, "[", segment.substr(2), "]");
    }
  }
  return out;
}

Json ManagedFieldsOf(const Ownership& ownership, std::string_view api_version) {
  Json out = Json::array();
  for (const auto& [manager, fields] : ownership) {
    if (fields.empty()) continue;
    Json entry{{"manager", manager.name},
               {"operation", manager.operation},
               {"apiVersion", api_version},
               {"fieldsType", "FieldsV1"},
               {"fieldsV1", Encode(fields)}};
    if (!manager.subresource.empty()) entry["subresource"] = manager.subresource;
    out.push_back(std::move(entry));
  }
  return out;
}

Ownership OwnershipOf(const Json& managed_fields) {
  Ownership out;
  if (!managed_fields.is_array()) return out;
  for (const Json& entry : managed_fields) {
    if (!entry.contains("fieldsV1")) continue;
    FieldSet& fields = out[{entry.value("manager", ""), entry.value("operation", ""),
                            entry.value("subresource", "")}];
    Decode(entry["fieldsV1"], {}, &fields);
  }
  return out;
}

}  // namespace deepseek::kube
