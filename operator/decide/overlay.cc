#include "operator/decide/overlay.h"

#include <set>
#include <vector>

#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::decide {
namespace {

// Objects deeper than any PodSpec's: the recursion ends here.
constexpr int kMaxDepth = 32;

enum class Place { kTemplate, kPodSpec, kContainer, kOther };

// A list whose items are told apart by keys.
struct KeyedList {
  Place parent;
  const char* name;
  std::vector<const char*> keys;
  Place item;
};

const KeyedList* FindKeyedList(Place parent, const std::string& name) {
  static const auto* const lists = new std::vector<KeyedList>{
      {Place::kPodSpec, "containers", {"name"}, Place::kContainer},
      {Place::kPodSpec, "initContainers", {"name"}, Place::kContainer},
      {Place::kPodSpec, "volumes", {"name"}, Place::kOther},
      {Place::kPodSpec, "imagePullSecrets", {"name"}, Place::kOther},
      {Place::kContainer, "env", {"name"}, Place::kOther},
      {Place::kContainer, "volumeMounts", {"mountPath"}, Place::kOther},
      {Place::kContainer, "ports", {"containerPort", "protocol"}, Place::kOther},
  };
  for (const KeyedList& list : *lists) {
    if (list.parent == parent && name == list.name) return &list;
  }
  return nullptr;
}

absl::Status Bad(const std::string& path, std::string_view why) {
  return absl::InvalidArgumentError(StrCat(path, ": ", why));
}

absl::Status MergeObject(const Json& overlay, Place place, const std::string& path, int depth,
                         Json* base);

// A value without a counterpart: nulls in it say nothing, directives are refused all the same.
absl::StatusOr<Json> Fresh(const Json& value, Place place, const std::string& path, int depth) {
  if (depth > kMaxDepth) return Bad(path, "is nested too deeply");
  if (value.is_object()) {
    Json out = Json::object();
    RETURN_IF_ERROR(MergeObject(value, place, path, depth, &out));
    return out;
  }
  if (!value.is_array()) return value;
  Json out = Json::array();
  for (size_t i = 0; i < value.size(); ++i) {
    const std::string at = StrCat(path, "[", i, "]");
    if (value[i].is_null()) return Bad(at, "an item of a list must not be null");
    ASSIGN_OR_RETURN(Json item, Fresh(value[i], Place::kOther, at, depth + 1));
    out.push_back(std::move(item));
  }
  return out;
}

// "agent" or "8000/TCP". A port's protocol is TCP where it is not said, as in Kubernetes.
absl::StatusOr<std::string> KeyOf(const Json& item, const KeyedList& list,
                                  const std::string& path) {
  if (!item.is_object()) return Bad(path, "must be an object");
  std::string key;
  for (const char* field : list.keys) {
    const auto at = item.find(field);
    const bool absent = at == item.end();
    if (absent && std::string_view(field) == "protocol") {
      key += "/TCP";
    } else if (absent || !(at->is_string() || at->is_number_integer())) {
      return Bad(StrCat(path, ".", field), "required: items of this list are merged by it");
    } else {
      const std::string text = at->is_string() ? at->get<std::string>() : DumpJson(*at);
      StrAppend(&key, key.empty() ? "" : "/", text);
    }
  }
  return key;
}

absl::Status MergeList(const Json& overlay, const KeyedList& list, const std::string& path,
                       int depth, Json* base) {
  if (!overlay.is_array()) return Bad(path, "must be a list");
  if (!base->is_array()) *base = Json::array();
  std::set<std::string> seen;
  for (size_t i = 0; i < overlay.size(); ++i) {
    ASSIGN_OR_RETURN(const std::string key, KeyOf(overlay[i], list, StrCat(path, "[", i, "]")));
    const std::string at = StrCat(path, "[", key, "]");
    if (!seen.insert(key).second) return Bad(at, "is there twice");
    Json* counterpart = nullptr;
    for (Json& item : *base) {
      const auto other = KeyOf(item, list, path);
      if (other.ok() && *other == key) counterpart = &item;
    }
    if (counterpart == nullptr) {
      base->push_back(Json::object());
      counterpart = &base->back();
    }
    RETURN_IF_ERROR(MergeObject(overlay[i], list.item, at, depth + 1, counterpart));
  }
  return absl::OkStatus();
}

std::string Kind(const Json& value) {
  return value.is_object() ? "an object" : value.is_array() ? "a list" : "a single value";
}

absl::Status MergeObject(const Json& overlay, Place place, const std::string& path, int depth,
                         Json* base) {
  if (depth > kMaxDepth) return Bad(path, "is nested too deeply");
  for (const auto& [key, value] : overlay.items()) {
    const std::string at = StrCat(path, ".", key.substr(0, 64));
    if (key.starts_with('$')) {
      return Bad(at,
                 "directives of a strategic merge patch are not understood here (null removes)");
    }
    if (value.is_null()) {
      base->erase(key);
      continue;
    }
    if (const KeyedList* list = FindKeyedList(place, key)) {
      RETURN_IF_ERROR(MergeList(value, *list, at, depth + 1, &(*base)[key]));
      continue;
    }
    const Place below =
        place == Place::kTemplate && key == "spec" ? Place::kPodSpec : Place::kOther;
    const auto old = base->find(key);
    if (old == base->end()) {
      ASSIGN_OR_RETURN((*base)[key], Fresh(value, below, at, depth + 1));
    } else if (old->is_object() && value.is_object()) {
      RETURN_IF_ERROR(MergeObject(value, below, at, depth + 1, &*old));
    } else if (old->is_structured() != value.is_structured() ||
               old->is_object() != value.is_object()) {
      return Bad(at, StrCat("must be ", Kind(*old), ", not ", Kind(value)));
    } else {
      ASSIGN_OR_RETURN(*old, Fresh(value, below, at, depth + 1));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Json> MergeOverlay(const Json& base, const Json& overlay) {
  Json out = base;
  if (overlay.is_null()) return out;
  if (!overlay.is_object()) return Bad(kOverlayPath, "must be an object");
  RETURN_IF_ERROR(MergeObject(overlay, Place::kTemplate, kOverlayPath, 0, &out));
  return out;
}

}  // namespace deepseek::decide
