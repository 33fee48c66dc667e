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

// One comparison: of everything if it looks for replaced zeros, else up to the first difference.
class Comparison {
 public:
  Comparison(const ReplacedZeros* known, ReplacedZeros* found) : known_(known), found_(found) {}

  // `observed` is null where there is nothing.
  std::string Compare(const Json& desired, const Json* observed, const std::string& path,
                      std::string_view field, bool quantities) const {
    if (desired.is_structured() && desired.empty() && observed == nullptr) return "";
    if (desired.is_object()) return CompareMembers(desired, observed, path, field, quantities);
    if (desired.is_array()) return CompareItems(desired, observed, path, field, quantities);
    const bool same = observed != nullptr &&
                      (desired == *observed || (quantities && SameQuantity(desired, *observed)));
    return same || IsReplaced(desired, observed, path) ? "" : Differs(path);
  }

 private:
  std::string Differs(const std::string& path) const { return found_ == nullptr ? path : ""; }

  bool IsReplaced(const Json& desired, const Json* observed, const std::string& path) const {
    if (!IsZero(desired)) return false;
    const Json instead = observed == nullptr ? Json() : *observed;
    if (found_ == nullptr) {
      const auto at = known_->find(path);
      return at != known_->end() && at->second == instead;
    }
    // No default is true where false was said: that is somebody's doing.
    if (observed == nullptr || !desired.is_boolean()) found_->emplace(path, instead);
    return true;
  }

  std::string CompareMembers(const Json& desired, const Json* observed, const std::string& path,
                             std::string_view field, bool quantities) const {
    if (observed == nullptr || !observed->is_object() ||
        (IsOneValue(field) && observed->size() > desired.size())) {
      return Differs(path);
    }
    for (const auto& [key, value] : desired.items()) {
      const auto at = observed->find(key);
      std::string difference =
          Compare(value, at == observed->end() ? nullptr : &*at, StrCat(path, "/", key), key,
                  quantities || HoldsQuantities(key));
      if (!difference.empty()) return difference;
    }
    return "";
  }

  std::string CompareItems(const Json& desired, const Json* observed, const std::string& path,
                           std::string_view field, bool quantities) const {
    if (observed == nullptr || !observed->is_array()) return Differs(path);
    const bool keyed = !desired.empty() &&
                       std::all_of(desired.begin(), desired.end(),
                                   [&](const Json& item) { return !KeysOf(field, item).empty(); });
    if (!keyed && observed->size() != desired.size()) return Differs(path);
    for (size_t i = 0; i < desired.size(); ++i) {
      const Json* other = nullptr;
      if (keyed) {
        const auto keys = KeysOf(field, desired[i]);
        const auto at = std::find_if(observed->begin(), observed->end(), [&](const Json& item) {
          return SameKey(desired[i], item, keys);
        });
        if (at != observed->end()) other = &*at;
      } else {
        other = &(*observed)[i];
      }
      std::string difference = Compare(desired[i], other, StrCat(path, "/", i), "", quantities);
      if (!difference.empty()) return difference;
    }
    return "";
  }

  const ReplacedZeros* const known_;
  ReplacedZeros* const found_;
};

}  // namespace

ReplacedZeros FindReplacedZeros(const Json& desired, const Json& answer) {
  ReplacedZeros found;
  Comparison(nullptr, &found).Compare(desired, &answer, "", "", /*quantities=*/false);
  return found;
}

std::string FindDifference(const Json& desired, const Json& observed, const ReplacedZeros& known) {
  return Comparison(&known, nullptr).Compare(desired, &observed, "", "", /*quantities=*/false);
}

}  // namespace deepseek::decide
