#include "tests/support/agent/schema_checker.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <regex>

#include "base/json_full.h"

namespace deepseek::testing {
namespace {

bool IsType(const OrderedJson& value, const std::string& type) {
  if (type == "integer") {
    return value.is_number_integer() ||
           (value.is_number() && std::floor(value.get<double>()) == value.get<double>());
  }
  return (type == "object" && value.is_object()) || (type == "array" && value.is_array()) ||
         (type == "string" && value.is_string()) || (type == "number" && value.is_number()) ||
         (type == "boolean" && value.is_boolean()) || (type == "null" && value.is_null());
}

/// UTF-32, so that a regular expression counts characters.
std::wstring Wide(const std::string& text) {
  std::wstring out;
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t bytes = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    uint32_t point = bytes == 1 ? lead : lead & (0x7FU >> bytes);
    for (size_t b = 1; b < bytes; ++b)
      point = (point << 6) | (static_cast<unsigned char>(text[i + b]) & 0x3FU);
    out += static_cast<wchar_t>(point);
    i += bytes;
  }
  return out;
}

size_t Characters(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

bool IsFormat(const std::string& text, const std::string& format) {
  int y = 0, m = 0, d = 0, h = 0, min = 0, s = 0, a = 0, b = 0, c = 0, e = 0, n = 0;
  const auto date = [&] {
    constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return m >= 1 && m <= 12 && d >= 1 && d <= kDays[m - 1] + (leap && m == 2 ? 1 : 0);
  };
  const auto clock = [&] { return h < 24 && min < 60 && s < 60; };
  const auto zone = [](const std::string& rest) {
    return std::regex_match(rest, std::regex("(\\.\\d+)?(Z|[+-]\\d\\d:\\d\\d)"));
  };
  if (format == "date")
    return std::sscanf(text.c_str(), "%4d-%2d-%2d%n", &y, &m, &d, &n) == 3 && n == 10 &&
           text.size() == 10 && date();
  if (format == "time")
    return std::sscanf(text.c_str(), "%2d:%2d:%2d%n", &h, &min, &s, &n) == 3 && clock() &&
           zone(text.substr(static_cast<size_t>(n)));
  if (format == "date-time")
    return std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &y, &m, &d, &h, &min, &s, &n) ==
               6 &&
           date() && clock() && zone(text.substr(static_cast<size_t>(n)));
  if (format == "ipv4")
    return std::sscanf(text.c_str(), "%d.%d.%d.%d%n", &a, &b, &c, &e, &n) == 4 &&
           static_cast<size_t>(n) == text.size() && std::max({a, b, c, e}) < 256;
  if (format == "uuid") {
    return text.size() == 36 && text.find_first_not_of("0123456789abcdefABCDEF-") == text.npos &&
           text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-';
  }
  return format == "email" && std::count(text.begin(), text.end(), '@') == 1;
}

class Checker {
 public:
  explicit Checker(const OrderedJson& document) : document_(document) {}

  std::string Check(const OrderedJson& schema, const OrderedJson& value) const {
    if (schema.is_boolean()) return schema.get<bool>() ? "" : "nothing satisfies false";
    if (schema.contains("$ref")) {
      const std::string ref = schema["$ref"].get<std::string>();
      const OrderedJson& target =
          ref == "#" ? document_ : document_.at(OrderedJson::json_pointer(ref.substr(1)));
      if (std::string why = Check(target, value); !why.empty()) return why;
    }
    for (const auto& [word, part] : schema.items()) {
      const std::string why = Word(schema, word, part, value);
      if (!why.empty()) return word + ": " + why + " in " + value.dump();
    }
    return "";
  }

 private:
  std::string Word(const OrderedJson& schema, const std::string& word, const OrderedJson& part,
                   const OrderedJson& value) const {
    const auto need = [](bool good, const char* why) { return good ? std::string() : why; };
    const auto count = [&](const OrderedJson& list) {
      return std::count_if(list.begin(), list.end(),
                           [&](const OrderedJson& s) { return Check(s, value).empty(); });
    };
    if (word == "type") {
      const OrderedJson types = part.is_array() ? part : OrderedJson::array({part});
      return need(std::any_of(types.begin(), types.end(),
                              [&](const OrderedJson& t) { return IsType(value, t); }),
                  "wrong");
    }
    if (word == "enum")
      return need(std::find(part.begin(), part.end(), value) != part.end(), "none of them");
    if (word == "const") return need(part == value, "another");
    if (word == "anyOf") return need(count(part) >= 1, "none");
    if (word == "oneOf") return need(count(part) == 1, "not exactly one");
    if (word == "allOf") return need(count(part) == static_cast<ptrdiff_t>(part.size()), "not all");
    if (value.is_object()) return Object(schema, word, part, value);
    if (value.is_array()) return Array(schema, word, part, value);
    if (value.is_string()) {
      const std::string text = value.get<std::string>();
      if (word == "minLength") return need(Characters(text) >= part.get<size_t>(), "too short");
      if (word == "maxLength") return need(Characters(text) <= part.get<size_t>(), "too long");
      if (word == "format") return need(IsFormat(text, part), "not of it");
      if (word == "pattern")
        return need(std::regex_search(Wide(text), std::wregex(Wide(part.get<std::string>()))),
                    "no match");
    }
    if (value.is_number()) {
      const double number = value.get<double>();
      if (word == "minimum") return need(number >= part.get<double>(), "below");
      if (word == "maximum") return need(number <= part.get<double>(), "above");
      if (word == "exclusiveMinimum") return need(number > part.get<double>(), "not above");
      if (word == "exclusiveMaximum") return need(number < part.get<double>(), "not below");
    }
    return "";
  }

  std::string Object(const OrderedJson& schema, const std::string& word, const OrderedJson& part,
                     const OrderedJson& value) const {
    if (word == "required") {
      for (const OrderedJson& name : part) {
        if (!value.contains(name.get<std::string>())) return "no " + name.dump();
      }
    }
    if (word != "properties" && word != "additionalProperties") return "";
    for (const auto& [name, member] : value.items()) {
      const bool known = schema.contains("properties") && schema["properties"].contains(name);
      if (known == (word == "properties")) {
        const std::string why = Check(known ? part[name] : part, member);
        if (!why.empty()) return name + ": " + why;
      }
    }
    return "";
  }

  std::string Array(const OrderedJson& schema, const std::string& word, const OrderedJson& part,
                    const OrderedJson& value) const {
    if (word == "minItems" && value.size() < part.get<size_t>()) return "too few";
    if (word == "maxItems" && value.size() > part.get<size_t>()) return "too many";
    if (word == "prefixItems" || word == "items") {
      const size_t first =
          word == "items" && schema.contains("prefixItems") ? schema["prefixItems"].size() : 0;
      for (size_t i = first; i < value.size(); ++i) {
        if (word == "prefixItems" && i >= part.size()) break;
        const std::string why = Check(word == "items" ? part : part[i], value[i]);
        if (!why.empty()) return why;
      }
    }
    return "";
  }

  const OrderedJson& document_;
};

}  // namespace

std::string SchemaViolation(const OrderedJson& document, const OrderedJson& schema,
                            const OrderedJson& value) {
  return Checker(document).Check(schema, value);
}

}  // namespace deepseek::testing
