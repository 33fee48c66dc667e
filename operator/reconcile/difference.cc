#include "operator/reconcile/difference.h"

#include "base/json_full.h"
#include "base/strings.h"
#include "operator/api/units.h"

namespace deepseek::reconcile {
namespace {

bool SameQuantity(const Json& a, const Json& b) {
  const auto text = [](const Json& value) {
    return value.is_string() ? value.get<std::string>() : DumpJson(value);
  };
  const auto x = api::CanonicalQuantity(text(a)), y = api::CanonicalQuantity(text(b));
  return x.ok() && y.ok() && *x == *y;
}

std::string Compare(const Json& desired, const Json& observed, const std::string& path,
                    bool quantities) {
  if (desired.is_object()) {
    if (!observed.is_object()) return path;
    for (const auto& [key, value] : desired.items()) {
      const std::string below = StrCat(path, "/", key);
      const auto at = observed.find(key);
      if (at == observed.end()) {
        if (value.is_structured() && value.empty()) continue;
        return below;
      }
      std::string difference =
          Compare(value, *at, below, quantities || key == "requests" || key == "limits");
      if (!difference.empty()) return difference;
    }
    return "";
  }
  if (desired.is_array()) {
    if (!observed.is_array() || observed.size() != desired.size()) return path;
    for (size_t i = 0; i < desired.size(); ++i) {
      std::string difference = Compare(desired[i], observed[i], StrCat(path, "/", i), quantities);
      if (!difference.empty()) return difference;
    }
    return "";
  }
  return desired == observed || (quantities && SameQuantity(desired, observed)) ? "" : path;
}

}  // namespace

std::string FindDifference(const Json& desired, const Json& observed) {
  return Compare(desired, observed, "", /*quantities=*/false);
}

}  // namespace deepseek::reconcile
