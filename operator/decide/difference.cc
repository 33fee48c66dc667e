#include "operator/decide/difference.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <vector>

#include "base/json_full.h"
#include "base/strings.h"
#include "operator/api/units.h"

namespace deepseek::decide {
namespace {

// Members whose values, at any depth, are quantities.
bool HoldsQuantities(std::string_view field) {
  return field == "requests" || field == "limits" || field == "sizeLimit" || field == "divisor";
}

// Maps that are one value: what others add to a selector changes what is selected.
bool IsOneValue(std::string_view field) {
  return field == "selector" || field == "podSelector" || field == "namespaceSelector" ||
         field == "labelSelector" || field == "nodeSelector" || field == "matchLabels";
}

// Maps of the user's own keys: of none of them the absence is a value.
bool HasOwnKeys(std::string_view field) {
  return field == "labels" || field == "annotations" || field == "matchLabels" ||
         field == "selector" || field == "nodeSelector" || field == "data";
}

// Members that the API's types hold by value with `omitempty`: servers do not store their false, 0
// and "". No others: what is held by a pointer is stored as it was said, and its absence means
// something else (replicas, automountServiceAccountToken, allowPrivilegeEscalation, runAsUser,
// tolerationSeconds), so it must be put back where somebody takes it away.
bool IsLeftOutWhenZero(std::string_view field) {
  static const std::set<std::string_view> fields = {
      "effect",   "fsType",      "host",      "hostIP",
      "hostIPC",  "hostNetwork", "hostPID",   "hostPort",
      "hostname", "key",         "medium",    "initialDelaySeconds",
      "nodeName", "operator",    "paused",    "minReadySeconds",
      "readOnly", "stdin",       "stdinOnce", "priorityClassName",
      "subPath",  "subPathExpr", "subdomain", "publishNotReadyAddresses",
      "tty",      "value",       "workingDir"};
  return fields.contains(field);
}

bool IsZero(const Json& value) {
  return value == Json(false) || value == Json(0) || value == Json("");
}

bool SameQuantity(const Json& a, const Json& b) {
  const auto text = [](const Json& value) {
    return value.is_string() ? value.get<std::string>() : DumpJson(value);
  };
  const auto x = api::CanonicalQuantity(text(a)), y = api::CanonicalQuantity(text(b));
  return x.ok() && y.ok() && *x == *y;
}

// x-kubernetes-list-map-keys of the lists that our objects have; empty: the list is one value.
std::vector<std::string_view> KeysOf(std::string_view field, const Json& item) {
  if (!item.is_object()) return {};
  static const std::set<std::string_view> by_name = {
      "containers", "initContainers", "ephemeralContainers", "env", "volumes", "imagePullSecrets"};
  if (by_name.contains(field)) return {"name"};
  if (field == "volumeMounts") return {"mountPath"};
  if (field == "ownerReferences") return {"uid"};
  if (field == "conditions") return {"type"};
  if (field == "topologySpreadConstraints") return {"topologyKey", "whenUnsatisfiable"};
  // NetworkPolicy's ports have neither: they are one value.
  if (field == "ports" && item.contains("containerPort")) return {"containerPort", "protocol"};
  if (field == "ports" && item.contains("name")) return {"port", "protocol"};
  return {};
}

bool SameKey(const Json& a, const Json& b, const std::vector<std::string_view>& keys) {
  return b.is_object() && std::all_of(keys.begin(), keys.end(), [&](std::string_view key) {
           const std::string name(key);
           const Json otherwise = key == "protocol" ? Json("TCP") : Json();
           return a.value(name, otherwise) == b.value(name, otherwise);
         });
}

std::string Compare(const Json& desired, const Json& observed, const std::string& path,
                    std::string_view field, bool quantities);

std::string CompareItems(const Json& desired, const Json& observed, const std::string& path,
                         std::string_view field, bool quantities) {
  if (!observed.is_array()) return path;
  const bool keyed = !desired.empty() &&
                     std::all_of(desired.begin(), desired.end(),
                                 [&](const Json& item) { return !KeysOf(field, item).empty(); });
  if (!keyed && observed.size() != desired.size()) return path;
  for (size_t i = 0; i < desired.size(); ++i) {
    const std::string below = StrCat(path, "/", i);
    const Json* other = keyed ? nullptr : &observed[i];
    if (keyed) {
      const auto keys = KeysOf(field, desired[i]);
      const auto at = std::find_if(observed.begin(), observed.end(), [&](const Json& item) {
        return SameKey(desired[i], item, keys);
      });
      if (at == observed.end()) return below;
      other = &*at;
    }
    std::string difference = Compare(desired[i], *other, below, "", quantities);
    if (!difference.empty()) return difference;
  }
  return "";
}

std::string Compare(const Json& desired, const Json& observed, const std::string& path,
                    std::string_view field, bool quantities) {
  if (desired.is_object()) {
    if (!observed.is_object() || (IsOneValue(field) && observed.size() > desired.size())) {
      return path;
    }
    for (const auto& [key, value] : desired.items()) {
      const std::string below = StrCat(path, "/", key);
      const auto at = observed.find(key);
      if (at == observed.end()) {
        if (value.is_structured() && value.empty()) continue;
        if (IsZero(value) && IsLeftOutWhenZero(key) && !HasOwnKeys(field)) continue;
        return below;
      }
      std::string difference = Compare(value, *at, below, key, quantities || HoldsQuantities(key));
      if (!difference.empty()) return difference;
    }
    return "";
  }
  if (desired.is_array()) return CompareItems(desired, observed, path, field, quantities);
  return desired == observed || (quantities && SameQuantity(desired, observed)) ? "" : path;
}

}  // namespace

std::string FindDifference(const Json& desired, const Json& observed) {
  return Compare(desired, observed, "", "", /*quantities=*/false);
}

}  // namespace deepseek::decide
