#include "tests/operator/reconcile/random_spec.h"

#include <algorithm>
#include <map>
#include <vector>

#include "base/json_full.h"
#include "base/strings.h"

namespace deepseek::reconcile {
namespace {

using api::Field;
using api::Type;

constexpr double kBroken = 0.01;   // of the values
constexpr double kOptional = 0.3;  // of the optional fields are there

const std::map<std::string, Field>& Rows() {
  static const auto* const rows = [] {
    auto* out = new std::map<std::string, Field>();
    for (const Field& field : api::SpecFields()) out->emplace(field.path, field);
    return out;
  }();
  return *rows;
}

// Direct members of `path` ("" is spec itself), not those of its items.
std::vector<const Field*> Members(const std::string& path) {
  std::vector<const Field*> out;
  for (const Field& field : api::SpecFields()) {
    const size_t dot = field.path.rfind('.');
    const std::string parent = dot == std::string::npos ? "" : field.path.substr(0, dot);
    const bool item = field.path.ends_with("[]") || field.path.ends_with("{}");
    if (parent == path && !item) out.push_back(&field);
  }
  return out;
}

std::string LastName(const std::string& path) {
  return path.substr(path.rfind('.') + 1);
}

}  // namespace

Json RandomSpec::Scalar(const Field& field) {
  static const char* const durations[] = {"0s", "1s", "90s", "5m", "1h30m", "250ms"};
  static const char* const quantities[] = {"1", "500m", "2Gi", "1024Mi", "0.5", "100k"};
  static const char* const words[] = {"a", "team-a", "x1", "alpha", "zone-b"};
  const bool broken = Happens(kBroken);
  switch (field.type) {
    case Type::kEnum:
      return broken ? Json("Nonsense")
                    : Json(field.values[Below(static_cast<int>(field.values.size()))]);
    case Type::kInteger: {
      if (broken)
        return Below(2) == 0 ? Json(field.max == INT64_MAX ? -1 : field.max + 1) : Json("many");
      // Small numbers: a thousand pods per object would only be slow.
      const int64_t low = field.min == INT64_MIN ? 0 : field.min;
      const int64_t high = std::min(field.max, low + 4);
      return low + Below(static_cast<int>(high - low + 1));
    }
    case Type::kBoolean:
      return Below(2) == 0;
    case Type::kDuration:
      return broken ? "soon" : durations[Below(6)];
    case Type::kQuantity:
      return broken ? "lots" : quantities[Below(6)];
    case Type::kIntOrString:
      return Below(2) == 0 ? Json(8000 + Below(4)) : Json("http");
    case Type::kTime:
      return "2026-01-31T12:00:00Z";
    default:
      return broken ? std::string(5000, 'x') : std::string(words[Below(5)]);
  }
}

Json RandomSpec::Object(const std::string& path) {
  Json out = Json::object();
  for (const Field* field : Members(path)) {
    if (field->required || Happens(kOptional)) out[LastName(field->path)] = Value(field->path);
  }
  return out;
}

Json RandomSpec::Value(const std::string& path) {
  const Field& field = Rows().at(path);
  if (field.type == Type::kList) {
    Json out = Json::array();
    for (int i = Below(3); i > 0; --i) {
      const Json item = Value(path + "[]");
      // As the schema's list types have it: no two items of one key.
      const bool known = std::any_of(out.begin(), out.end(), [&](const Json& other) {
        return !field.list_keys.empty() &&
               std::all_of(field.list_keys.begin(), field.list_keys.end(),
                           [&](const std::string& key) {
                             return item.value(key, Json()) == other.value(key, Json());
                           });
      });
      if (!known) out.push_back(item);
    }
    return out;
  }
  if (field.type == Type::kMap) {
    Json out = Json::object();
    for (int i = Below(3); i > 0; --i) out[StrCat("key", Below(3))] = Value(path + "{}");
    return out;
  }
  if (path == "model.source") {
    // Exactly one of the two, as a rule.
    const std::string one = Below(3) == 0 ? "persistentVolumeClaim" : "builtin";
    Json out = {{one, Value(StrCat(path, ".", one))}};
    if (Happens(kBroken)) out["builtin"] = "demo-v3";
    return out;
  }
  return field.type == Type::kObject ? Object(path) : Scalar(field);
}

Json RandomSpec::Make() {
  return Object("");
}

Json RandomSpec::Edit(Json spec) {
  const std::vector<const Field*> members = Members("");
  for (int i = 1 + Below(3); i > 0; --i) {
    const Field& top = *members[Below(static_cast<int>(members.size()))];
    const std::string name = LastName(top.path);
    if (top.type == Type::kObject && spec.contains(name) && !top.required) {
      // One member of it, so that most of the rest stays.
      const std::vector<const Field*> below = Members(top.path);
      const Field& field = *below[Below(static_cast<int>(below.size()))];
      if (Below(4) == 0) {
        spec[name].erase(LastName(field.path));
      } else {
        spec[name][LastName(field.path)] = Value(field.path);
      }
    } else if (Below(4) == 0 && !top.required) {
      spec.erase(name);
    } else {
      spec[name] = Value(top.path);
    }
  }
  return spec;
}

}  // namespace deepseek::reconcile
