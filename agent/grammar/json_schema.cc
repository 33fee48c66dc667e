#include "agent/grammar/json_schema.h"

#include <algorithm>
#include <set>

#include "agent/grammar/number_range.h"
#include "agent/grammar/pattern.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent::grammar {
namespace {

constexpr int kMostNested = 64;
constexpr size_t kMostChoices = 256;
constexpr int kMostValues = 50'000;
constexpr int kMostComparisons = 20'000;
constexpr size_t kMostListed = 10'000;

const std::set<std::string>& Supported() {
  static const auto* words = new std::set<std::string>{"type",
                                                       "enum",
                                                       "const",
                                                       "anyOf",
                                                       "oneOf",
                                                       "allOf",
                                                       "$ref",
                                                       "properties",
                                                       "required",
                                                       "additionalProperties",
                                                       "items",
                                                       "prefixItems",
                                                       "additionalItems",
                                                       "minItems",
                                                       "maxItems",
                                                       "uniqueItems",
                                                       "minLength",
                                                       "maxLength",
                                                       "pattern",
                                                       "format",
                                                       "minimum",
                                                       "maximum",
                                                       "exclusiveMinimum",
                                                       "exclusiveMaximum"};
  return *words;
}

absl::Status Bad(const std::string& path, std::string_view why) {
  return absl::InvalidArgumentError(StrCat(path, ": ", why));
}

absl::Status CheckWords(const OrderedJson& schema, const std::string& path) {
  for (const auto& [word, value] : schema.items()) {
    if (Supported().contains(word) || IsAnnotation(word)) continue;
    return Bad(path, StrCat("'", word, "' is not supported"));
  }
  return absl::OkStatus();
}

/// A byte tree of literals: one stack walks all of them.
class Literals {
 public:
  Literals(Builder* out, int32_t from, int32_t to) : out_(*out), from_(from), to_(to) {}
  void Add(const std::string& text) {
    int32_t at = from_;
    for (const char c : text) {
      const auto byte = static_cast<uint8_t>(c);
      const auto [it, fresh] = next_.try_emplace({at, byte}, 0);
      if (fresh) {
        it->second = out_.AddNode();
        out_.Byte(at, byte, byte, it->second);
      }
      at = it->second;
    }
    out_.Empty(at, to_);
  }

 private:
  Builder& out_;
  const int32_t from_, to_;
  std::map<std::pair<int32_t, uint8_t>, int32_t> next_;
};

class DepthGuard {
 public:
  explicit DepthGuard(int* depth) : depth_(*depth) { ++depth_; }
  ~DepthGuard() { --depth_; }

 private:
  int& depth_;
};

}  // namespace

absl::Status SchemaCompiler::Compile(int32_t from, int32_t to) {
  RETURN_IF_ERROR(Value(document_, "$", from, to));
  return WorkOff();
}

absl::Status SchemaCompiler::Member(const OrderedJson& schema, int32_t from, int32_t to) {
  RETURN_IF_ERROR(Value(schema, "$", from, to));
  return WorkOff();
}

absl::Status SchemaCompiler::AnyObject(int32_t from, int32_t to) {
  AnyValue();
  out_.Call(from, any_object_, to);
  return absl::OkStatus();
}

/// Schemas behind references are compiled one after the other, not inside each other.
absl::Status SchemaCompiler::WorkOff() {
  while (!todo_.empty()) {
    const Todo next = std::move(todo_.back());
    todo_.pop_back();
    RETURN_IF_ERROR(Value(*next.schema, next.path, next.rule.entry, next.rule.exit));
  }
  return absl::OkStatus();
}

absl::Status SchemaCompiler::Value(const OrderedJson& schema, const std::string& path, int32_t from,
                                   int32_t to) {
  const DepthGuard guard(&depth_);
  if (depth_ > kMostNested) return Bad(path, StrCat("nested deeper than ", kMostNested));
  if (out_.full() || ++values_ > kMostValues) return Bad(path, "the schema is too large");
  if (schema.is_boolean()) {
    if (schema.get<bool>()) out_.Call(from, AnyValue(), to);
    return absl::OkStatus();
  }
  if (!schema.is_object()) return Bad(path, "a schema must be an object or a boolean");
  RETURN_IF_ERROR(CheckWords(schema, path));
  if (schema.contains("$ref")) {
    const bool alone = std::all_of(schema.items().begin(), schema.items().end(), [](const auto& i) {
      return i.key() == "$ref" || IsAnnotation(i.key());
    });
    if (alone) return Reference(schema["$ref"], path, from, to);
    OrderedJson rest = schema;
    rest.erase("$ref");
    const auto merged = MergeSchemas(document_, OrderedJson{{"$ref", schema["$ref"]}}, rest);
    if (!merged.ok()) return Bad(path, ToStd(merged.status().message()));
    return Value(*merged, path, from, to);
  }
  if (schema.contains("allOf")) {
    const OrderedJson& parts = schema["allOf"];
    if (!parts.is_array() || parts.empty() || parts.size() > kMostChoices)
      return Bad(path, "'allOf' must be an array of schemas");
    OrderedJson merged = schema;
    merged.erase("allOf");
    for (const OrderedJson& part : parts) {
      auto both = MergeSchemas(document_, merged, part);
      if (!both.ok()) return Bad(path, ToStd(both.status().message()));
      merged = *std::move(both);
    }
    return Value(merged, path, from, to);
  }
  for (const char* word : {"anyOf", "oneOf"}) {
    if (schema.contains(word)) return Choices(schema, word, path, from, to);
  }
  return Flat(schema, path, from, to);
}

absl::Status SchemaCompiler::Choices(const OrderedJson& schema, const char* keyword,
                                     const std::string& path, int32_t from, int32_t to) {
  const OrderedJson& choices = schema[keyword];
  if (!choices.is_array() || choices.empty() || choices.size() > kMostChoices) {
    return Bad(path, StrCat("'", keyword, "' must be an array of 1 to ", kMostChoices, " schemas"));
  }
  OrderedJson rest = schema;
  rest.erase(keyword);
  for (auto it = rest.begin(); it != rest.end();)
    it = IsAnnotation(it.key()) ? rest.erase(it) : std::next(it);
  if (std::string_view(keyword) == "oneOf") {
    int steps = kMostComparisons;
    for (size_t i = 0; i < choices.size(); ++i) {
      for (size_t j = i + 1; j < choices.size(); ++j) {
        if (Disjoint(document_, choices[i], choices[j], &steps)) continue;
        return Bad(path, StrCat("'oneOf' is not supported where a value may satisfy two schemas: ",
                                i, " and ", j,
                                " (use anyOf, or tell them apart by type or by a "
                                "required member with other values)"));
      }
    }
  }
  for (size_t i = 0; i < choices.size(); ++i) {
    const std::string place = StrCat(path, ".", keyword, "[", i, "]");
    if (rest.empty()) {
      RETURN_IF_ERROR(Value(choices[i], place, from, to));
      continue;
    }
    const auto merged = MergeSchemas(document_, rest, choices[i]);
    if (!merged.ok()) return Bad(place, ToStd(merged.status().message()));
    RETURN_IF_ERROR(Value(*merged, place, from, to));
  }
  return absl::OkStatus();
}

absl::Status SchemaCompiler::Flat(const OrderedJson& schema, const std::string& path, int32_t from,
                                  int32_t to) {
  if (const auto type = schema.find("type"); type != schema.end()) {
    const OrderedJson list = type->is_array() ? *type : OrderedJson::array({*type});
    for (const OrderedJson& one : list) {
      static const std::set<std::string> kTypes = {"string", "integer", "number", "boolean",
                                                   "null",   "object",  "array"};
      if (!one.is_string() || !kTypes.contains(one.get<std::string>()))
        return Bad(path, StrCat("'type' ", one.dump(), " is none of JSON Schema's"));
    }
  }
  if (schema.contains("enum") || schema.contains("const")) return Listed(schema, path, from, to);
  const std::vector<std::string> types = TypesOf(schema);
  if (types.size() == 7) {
    out_.Call(from, AnyValue(), to);
    return absl::OkStatus();
  }
  for (const std::string& type : types) {
    // Each integer is a number.
    if (type == "integer" && std::find(types.begin(), types.end(), "number") != types.end())
      continue;
    RETURN_IF_ERROR(Typed(schema, type, path, from, to));
  }
  return absl::OkStatus();
}

absl::Status SchemaCompiler::Listed(const OrderedJson& schema, const std::string& path,
                                    int32_t from, int32_t to) {
  for (const auto& [word, value] : schema.items()) {
    if (word != "enum" && word != "const" && word != "type" && !IsAnnotation(word))
      return Bad(path, StrCat("'", word, "' is not supported beside enum or const"));
  }
  OrderedJson values = OrderedJson::array();
  if (schema.contains("enum")) {
    values = schema["enum"];
    if (!values.is_array() || values.size() > kMostListed)
      return Bad(path, StrCat("'enum' must be an array of up to ", kMostListed, " values"));
  } else {
    values.push_back(schema["const"]);
  }
  const std::vector<std::string> types = TypesOf(schema);
  Literals literals(&out_, from, to);
  for (const OrderedJson& value : values) {
    const bool typed = std::any_of(types.begin(), types.end(),
                                   [&](const std::string& t) { return HasType(value, t); });
    if (typed && (!schema.contains("const") || value == schema["const"]))
      literals.Add(value.dump());
  }
  return absl::OkStatus();
}

absl::Status SchemaCompiler::Typed(const OrderedJson& schema, const std::string& type,
                                   const std::string& path, int32_t from, int32_t to) {
  if (type == "object") return Object(schema, path, from, to);
  if (type == "array") return Array(schema, path, from, to);
  if (type == "string") return Text(schema, path, from, to);
  if (type == "integer" || type == "number")
    return Number(schema, type == "integer", path, from, to);
  if (type == "null") {
    out_.TextTo(from, "null", to);
  } else {
    out_.TextTo(from, "true", to);
    out_.TextTo(from, "false", to);
  }
  return absl::OkStatus();
}

absl::Status SchemaCompiler::Reference(const OrderedJson& ref, const std::string& path,
                                       int32_t from, int32_t to) {
  if (!ref.is_string()) return Bad(path, "'$ref' must be a string");
  const auto target = Resolve(document_, ref.get<std::string>());
  if (!target.ok()) return Bad(path, ToStd(target.status().message()));
  auto it = rules_.find(*target);
  if (it == rules_.end()) {
    it = rules_.emplace(*target, out_.AddRule()).first;
    todo_.push_back({*target, ref.get<std::string>(), it->second});
  }
  out_.Call(from, it->second.id, to);
  return absl::OkStatus();
}

void SchemaCompiler::Separator(int32_t from, char mark, int32_t to) {
  const int32_t behind = out_.Text(from, {&mark, 1});
  out_.Byte(behind, ' ', ' ', to);
  out_.Empty(behind, to);
}

/// Rules for everything that JSON can say, made when something first asks for them.
int32_t SchemaCompiler::AnyValue() {
  if (any_ >= 0) return any_;
  const Builder::Rule value = out_.AddRule(), object = out_.AddRule(), array = out_.AddRule();
  any_ = value.id;
  any_object_ = object.id;
  any_array_ = array.id;
  out_.Call(value.entry, object.id, value.exit);
  out_.Call(value.entry, array.id, value.exit);
  out_.String(out_.Text(value.entry, "\""), 0, kUnbounded, value.exit);
  AnyNumber(&out_, value.entry, value.exit);
  for (const char* word : {"true", "false", "null"}) out_.TextTo(value.entry, word, value.exit);

  const int32_t open = out_.Text(object.entry, "{");
  const int32_t key = out_.AddNode(), named = out_.AddNode(), colon = out_.AddNode(),
                member = out_.AddNode();
  out_.Byte(open, '}', '}', object.exit);
  out_.Empty(open, key);
  out_.String(out_.Text(key, "\""), 0, kUnbounded, named);
  Separator(named, ':', colon);
  out_.Call(colon, value.id, member);
  Separator(member, ',', key);
  out_.Byte(member, '}', '}', object.exit);

  const int32_t list = out_.Text(array.entry, "[");
  const int32_t item = out_.AddNode(), done = out_.AddNode();
  out_.Byte(list, ']', ']', array.exit);
  out_.Empty(list, item);
  out_.Call(item, value.id, done);
  Separator(done, ',', item);
  out_.Byte(done, ']', ']', array.exit);
  return any_;
}

}  // namespace deepseek::agent::grammar
