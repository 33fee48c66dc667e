// What schemas mean together: references, allOf, and whether two can both hold.
#include <algorithm>
#include <charconv>
#include <set>

#include "agent/grammar/json_schema.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent::grammar {
namespace {

constexpr int kMostHops = 32;
// Objects that keep the order of their keys look for one in linear time.
constexpr size_t kMostWords = 64;
constexpr size_t kMostMembers = 1024;
constexpr size_t kMostListed = 1024;

const std::vector<std::string>& AllTypes() {
  static const auto* types = new std::vector<std::string>{"object",  "array",   "string", "number",
                                                          "integer", "boolean", "null"};
  return *types;
}

/// A schema that is no reference; kInvalidArgument after too many hops.
absl::StatusOr<const OrderedJson*> Follow(const OrderedJson& document, const OrderedJson& schema) {
  const OrderedJson* at = &schema;
  for (int hops = 0; at->is_object() && at->contains("$ref"); ++hops) {
    if (hops > kMostHops || !(*at)["$ref"].is_string())
      return absl::InvalidArgumentError("'$ref' that leads nowhere");
    for (const auto& [word, value] : at->items()) {
      if (word != "$ref" && !IsAnnotation(word)) {
        return absl::InvalidArgumentError(
            StrCat("'$ref' beside '", word, "' is not supported here"));
      }
    }
    ASSIGN_OR_RETURN(at, Resolve(document, (*at)["$ref"].get<std::string>()));
  }
  return at;
}

std::string Unescape(std::string_view part) {
  std::string out;
  for (size_t i = 0; i < part.size(); ++i) {
    int code = 0;
    if (part[i] == '%' && i + 2 < part.size() &&
        std::from_chars(&part[i + 1], &part[i + 1] + 2, code, 16).ptr == &part[i + 1] + 2) {
      out += static_cast<char>(code);
      i += 2;
    } else {
      out += part[i];
    }
  }
  for (const auto& [escape, plain] : {std::pair{"~1", "/"}, {"~0", "~"}}) {
    for (size_t at = 0; (at = out.find(escape, at)) != std::string::npos; ++at)
      out.replace(at, 2, plain);
  }
  return out;
}

absl::Status Conflict(const std::string& word) {
  return absl::InvalidArgumentError(
      StrCat("'", word, "' in two schemas that must both hold is not supported"));
}

/// The members of `a` that a schema with additionalProperties false forbids `b` to have.
bool ForbidsMembersOf(const OrderedJson& a, const OrderedJson& b) {
  const auto more = a.find("additionalProperties");
  if (more == a.end() || *more != OrderedJson(false)) return false;
  const auto own = a.find("properties");
  const auto others = b.find("properties");
  if (others == b.end() || !others->is_object()) return false;
  for (const auto& [name, value] : others->items()) {
    if (own == a.end() || !own->contains(name)) return true;
  }
  return false;
}

absl::Status MergeWord(const std::string& word, const OrderedJson& theirs, OrderedJson* ours) {
  if (*ours == theirs || IsAnnotation(word)) return absl::OkStatus();
  const bool numbers = ours->is_number() && theirs.is_number();
  if (word == "properties" && ours->is_object() && theirs.is_object()) {
    for (const auto& [name, value] : theirs.items()) {
      if (!ours->contains(name)) {
        (*ours)[name] = value;
      } else if ((*ours)[name] != value) {
        (*ours)[name] = OrderedJson{{"allOf", OrderedJson::array({(*ours)[name], value})}};
      }
    }
  } else if (word == "allOf" && ours->is_array() && theirs.is_array()) {
    ours->insert(ours->end(), theirs.begin(), theirs.end());
  } else if (word == "required" && ours->is_array() && theirs.is_array()) {
    for (const OrderedJson& name : theirs) {
      if (std::find(ours->begin(), ours->end(), name) == ours->end()) ours->push_back(name);
    }
  } else if ((word == "minimum" || word == "exclusiveMinimum" || word == "minLength" ||
              word == "minItems") &&
             numbers) {
    *ours = std::max(*ours, theirs);
  } else if ((word == "maximum" || word == "exclusiveMaximum" || word == "maxLength" ||
              word == "maxItems") &&
             numbers) {
    *ours = std::min(*ours, theirs);
  } else if (word == "items" ||
             (word == "additionalProperties" && ours->is_object() && theirs.is_object())) {
    *ours = OrderedJson{{"allOf", OrderedJson::array({*ours, theirs})}};
  } else if (word == "additionalProperties") {
    if (*ours == OrderedJson(true) || theirs == OrderedJson(false)) *ours = theirs;
  } else if (word == "enum" && ours->is_array() && theirs.is_array() &&
             std::max(ours->size(), theirs.size()) <= kMostListed) {
    OrderedJson both = OrderedJson::array();
    for (const OrderedJson& value : *ours) {
      if (std::find(theirs.begin(), theirs.end(), value) != theirs.end()) both.push_back(value);
    }
    *ours = std::move(both);
  } else {
    return Conflict(word);
  }
  return absl::OkStatus();
}

}  // namespace

bool IsAnnotation(const std::string& word) {
  static const auto* words = new std::set<std::string>{
      "title",      "description", "default",   "examples",     "example",
      "$schema",    "$id",         "$comment",  "$defs",        "definitions",
      "deprecated", "readOnly",    "writeOnly", "discriminator"};
  return words->contains(word) || word.starts_with("x-");
}

absl::StatusOr<const OrderedJson*> Resolve(const OrderedJson& document, const std::string& ref) {
  const auto bad = [&] {
    return absl::InvalidArgumentError(
        StrCat("'$ref' \"", ref,
               "\" is not supported (only places within the schema, as "
               "\"#/$defs/NAME\", that exist)"));
  };
  if (ref.empty() || ref[0] != '#' || (ref.size() > 1 && ref[1] != '/')) return bad();
  const OrderedJson* at = &document;
  for (size_t begin = 2; begin <= ref.size() && ref.size() > 1;) {
    const size_t end = std::min(ref.find('/', begin), ref.size());
    const std::string part = Unescape(std::string_view(ref).substr(begin, end - begin));
    if (at->is_object() && at->contains(part)) {
      at = &(*at)[part];
    } else if (size_t i = 0; at->is_array() && !part.empty() &&
                             std::from_chars(part.data(), part.data() + part.size(), i).ptr ==
                                 part.data() + part.size() &&
                             i < at->size()) {
      at = &(*at)[i];
    } else {
      return bad();
    }
    begin = end + 1;
  }
  return at;
}

absl::StatusOr<OrderedJson> MergeSchemas(const OrderedJson& document, const OrderedJson& a,
                                         const OrderedJson& b) {
  ASSIGN_OR_RETURN(const OrderedJson* first, Follow(document, a));
  ASSIGN_OR_RETURN(const OrderedJson* second, Follow(document, b));
  if (first->is_boolean()) return first->get<bool>() ? *second : OrderedJson(false);
  if (second->is_boolean()) return second->get<bool>() ? *first : OrderedJson(false);
  if (!first->is_object() || !second->is_object())
    return absl::InvalidArgumentError("a schema must be an object or a boolean");
  if (ForbidsMembersOf(*first, *second) || ForbidsMembersOf(*second, *first))
    return Conflict("additionalProperties");
  for (const OrderedJson* one : {first, second}) {
    const auto members = one->find("properties");
    if (one->size() > kMostWords || (members != one->end() && members->size() > kMostMembers))
      return absl::InvalidArgumentError("a schema is too large to be merged with another");
  }
  OrderedJson out = *first;
  for (const auto& [word, value] : second->items()) {
    if (!out.contains(word)) {
      out[word] = value;
    } else if (word == "type") {
      const std::vector<std::string> theirs = TypesOf(*second);
      OrderedJson both = OrderedJson::array();
      for (const std::string& type : TypesOf(*first)) {
        if (std::find(theirs.begin(), theirs.end(), type) != theirs.end()) both.push_back(type);
      }
      out["type"] = std::move(both);
    } else {
      RETURN_IF_ERROR(MergeWord(word, value, &out[word]));
    }
  }
  return out;
}

std::vector<std::string> TypesOf(const OrderedJson& schema) {
  if (!schema.is_object())
    return schema == OrderedJson(false) ? std::vector<std::string>{} : AllTypes();
  if (const auto type = schema.find("type"); type != schema.end()) {
    std::vector<std::string> types;
    for (const OrderedJson& one : type->is_array() ? *type : OrderedJson::array({*type})) {
      if (!one.is_string()) continue;
      types.push_back(one.get<std::string>());
      if (types.back() == "number") types.push_back("integer");
    }
    return types;
  }
  if (schema.contains("const") || schema.contains("enum")) {
    const OrderedJson values =
        schema.contains("const") ? OrderedJson::array({schema["const"]}) : schema["enum"];
    std::vector<std::string> types;
    for (const std::string& type : AllTypes()) {
      if (std::any_of(values.begin(), values.end(),
                      [&](const OrderedJson& value) { return HasType(value, type); })) {
        types.push_back(type);
      }
    }
    return types;
  }
  // What the keywords speak of: they say nothing about other types, which are left out.
  struct Word {
    const char* word;
    const char* type;
  };
  constexpr Word kWords[] = {{"properties", "object"},
                             {"required", "object"},
                             {"additionalProperties", "object"},
                             {"items", "array"},
                             {"prefixItems", "array"},
                             {"minItems", "array"},
                             {"maxItems", "array"},
                             {"uniqueItems", "array"},
                             {"minLength", "string"},
                             {"maxLength", "string"},
                             {"pattern", "string"},
                             {"format", "string"},
                             {"minimum", "number"},
                             {"maximum", "number"},
                             {"exclusiveMinimum", "number"},
                             {"exclusiveMaximum", "number"}};
  std::vector<std::string> types;
  for (const Word& w : kWords) {
    if (schema.contains(w.word) && std::find(types.begin(), types.end(), w.type) == types.end()) {
      types.emplace_back(w.type);
      if (types.back() == "number") types.emplace_back("integer");
    }
  }
  return types.empty() ? AllTypes() : types;
}

bool HasType(const OrderedJson& value, const std::string& type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "null") return value.is_null();
  if (type == "number") return value.is_number();
  return value.is_number_integer() ||
         (value.is_number_float() &&
          value.get<double>() == static_cast<double>(static_cast<int64_t>(
                                     std::clamp(value.get<double>(), -1e15, 1e15))));
}

bool Disjoint(const OrderedJson& document, const OrderedJson& a, const OrderedJson& b, int* steps) {
  if (--*steps < 0) return false;
  const auto left = Follow(document, a), right = Follow(document, b);
  if (!left.ok() || !right.ok()) return false;
  const OrderedJson &first = **left, &second = **right;
  if (first == OrderedJson(false) || second == OrderedJson(false)) return true;
  if (!first.is_object() || !second.is_object()) return false;
  for (const auto& [one, other] : {std::pair{&first, &second}, {&second, &first}}) {
    for (const char* word : {"anyOf", "oneOf"}) {
      const auto parts = one->find(word);
      if (parts == one->end() || !parts->is_array()) continue;
      return std::all_of(parts->begin(), parts->end(), [&, o = other](const OrderedJson& part) {
        return Disjoint(document, part, *o, steps);
      });
    }
  }
  // Only a `type` that is said, or a value that is listed, excludes others.
  const auto says = [](const OrderedJson& s) {
    return s.contains("type") || s.contains("const") || s.contains("enum");
  };
  if (!says(first) || !says(second)) return false;
  const std::vector<std::string> types = TypesOf(first), others = TypesOf(second);
  std::vector<std::string> common;
  for (const std::string& type : types) {
    if (std::find(others.begin(), others.end(), type) != others.end()) common.push_back(type);
  }
  if (common.empty()) return true;
  const auto listed = [](const OrderedJson& s) {
    if (s.contains("const")) return OrderedJson::array({s["const"]});
    return s.contains("enum") ? s["enum"] : OrderedJson(nullptr);
  };
  const OrderedJson values = listed(first), theirs = listed(second);
  if (values.is_array() && theirs.is_array()) {
    return std::none_of(values.begin(), values.end(), [&](const OrderedJson& value) {
      return std::find(theirs.begin(), theirs.end(), value) != theirs.end();
    });
  }
  if (common != std::vector<std::string>{"object"}) return false;
  // Objects: a member that both require, with values that cannot be the same.
  const auto require = [](const OrderedJson& s, const std::string& name) {
    const auto list = s.find("required");
    return list != s.end() && list->is_array() &&
           std::find(list->begin(), list->end(), name) != list->end();
  };
  const auto members = first.find("properties"), their_members = second.find("properties");
  if (members == first.end() || their_members == second.end()) return false;
  for (const auto& [name, member] : members->items()) {
    const auto their = their_members->find(name);
    if (their != their_members->end() && require(first, name) && require(second, name) &&
        Disjoint(document, member, *their, steps)) {
      return true;
    }
  }
  // A member that one requires and the other does not know.
  for (const auto& [one, other] : {std::pair{&first, &second}, {&second, &first}}) {
    const auto more = other->find("additionalProperties");
    if (more == other->end() || *more != OrderedJson(false)) continue;
    const auto required = one->find("required");
    if (required == one->end() || !required->is_array()) continue;
    for (const OrderedJson& name : *required) {
      if (name.is_string() && !(*other)["properties"].contains(name.get<std::string>()))
        return true;
    }
  }
  return false;
}

}  // namespace deepseek::agent::grammar
