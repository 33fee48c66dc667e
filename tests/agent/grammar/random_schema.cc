#include "tests/agent/grammar/random_schema.h"

#include <algorithm>
#include <string>

#include "base/json_full.h"

namespace deepseek::testing {
namespace {

class Maker {
 public:
  explicit Maker(std::mt19937_64& random) : random_(random) {}

  OrderedJson Root() {
    OrderedJson root = Object(0);
    root["$defs"] = {{"leaf", Leaf()},
                     {"pair", Object(2)},
                     {"list",
                      {{"type", "object"},
                       {"properties",
                        {{"value", {{"type", "integer"}}},
                         {"next", {{"anyOf", {{{"$ref", "#/$defs/list"}}, {{"type", "null"}}}}}}}},
                       {"required", {"value", "next"}},
                       {"additionalProperties", false}}}};
    return root;
  }

 private:
  int Pick(int n) { return static_cast<int>(random_() % static_cast<uint64_t>(n)); }

  std::string Name() {
    static const char* kNames[] = {"id", "name", "city", "größe", "tags", "a b", "x\"y", "value"};
    return kNames[Pick(8)];
  }

  OrderedJson Number(const char* type) {
    OrderedJson schema = {{"type", type}};
    const int low = Pick(2000) - 1000;
    if (Pick(2)) schema[Pick(2) ? "minimum" : "exclusiveMinimum"] = low;
    if (Pick(2)) schema[Pick(2) ? "maximum" : "exclusiveMaximum"] = low + 2 + Pick(500);
    if (type == std::string("number") && schema.contains("minimum") && Pick(2))
      schema["minimum"] = low + 0.25;
    return schema;
  }

  OrderedJson Text() {
    static const char* kPatterns[] = {
        "^[a-z]{2,8}$",   "^(foo|bar)-[0-9]{1,4}$",   "^\\d{3}$", "^x", "[A-F]{2}$",
        "^[^\"<>]{0,6}$", "^\\w+@[a-z]+\\.(com|org)$"};
    static const char* kFormats[] = {"date", "time", "date-time", "uuid", "ipv4", "email"};
    switch (Pick(5)) {
      case 0:
        return {{"type", "string"}, {"pattern", kPatterns[Pick(7)]}};
      case 1:
        return {{"type", "string"}, {"format", kFormats[Pick(6)]}};
      case 2:
        return {{"type", "string"}, {"minLength", Pick(5)}, {"maxLength", 5 + Pick(30)}};
      case 3:
        return {{"type", "string"}, {"maxLength", Pick(4)}};
      default:
        return {{"type", "string"}};
    }
  }

  OrderedJson Leaf() {
    switch (Pick(7)) {
      case 0:
        return Number("integer");
      case 1:
        return Number("number");
      case 2:
        return {{"type", "boolean"}};
      case 3:
        return {{"enum", {"red", "green", "größe", 7, nullptr, {{"k", 1}}}}};
      case 4:
        return {{"const", "fixed \"value\""}};
      case 5:
        return {{"type", {"string", "null"}}, {"maxLength", 10}};
      default:
        return Text();
    }
  }

  OrderedJson Array(int depth) {
    OrderedJson schema = {{"type", "array"}, {"items", Value(depth + 1)}};
    const int least = Pick(3);
    if (Pick(2)) schema["minItems"] = least;
    if (Pick(4)) schema["maxItems"] = least + Pick(4);
    if (Pick(6) == 0) schema["prefixItems"] = OrderedJson::array({Leaf(), Leaf()});
    return schema;
  }

  OrderedJson Object(int depth) {
    OrderedJson schema = {{"type", "object"},
                          {"properties", OrderedJson::object()},
                          {"required", OrderedJson::array()}};
    for (int n = 1 + Pick(4); n > 0; --n) {
      const std::string name = Name();
      if (schema["properties"].contains(name)) continue;
      schema["properties"][name] = Value(depth + 1);
      if (Pick(3)) schema["required"].push_back(name);
    }
    if (Pick(3) == 0) schema["additionalProperties"] = Pick(2) ? OrderedJson(false) : Leaf();
    return schema;
  }

  OrderedJson Value(int depth) {
    if (depth > 3) return Leaf();
    switch (Pick(9)) {
      case 0:
        return Object(depth);
      case 1:
        return Array(depth);
      case 2:
        return {{"$ref", Pick(2) ? "#/$defs/leaf" : "#/$defs/list"}};
      case 3:
        return {{"anyOf", {Leaf(), Object(depth + 1), {{"$ref", "#/$defs/leaf"}}}}};
      case 4:
        return {
            {"oneOf",
             {{{"type", "string"}, {"maxLength", 5}}, {{"type", "integer"}}, {{"type", "null"}}}}};
      case 5:
        return {{"allOf", {{{"type", "integer"}, {"minimum", 3}}, {{"maximum", 40}}}}};
      default:
        return Leaf();
    }
  }

  std::mt19937_64& random_;
};

}  // namespace

OrderedJson RandomSchema(std::mt19937_64& random) {
  return Maker(random).Root();
}

}  // namespace deepseek::testing
