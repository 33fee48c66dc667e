#include "operator/api/yaml.h"

#include <cctype>

#include "base/json_full.h"

namespace deepseek::api {
namespace {

// Words that YAML 1.1 readers take for something else than a string.
bool IsReserved(const std::string& s) {
  for (const char* word : {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "~"}) {
    std::string lower = s;
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (lower == word) return true;
  }
  return false;
}

bool IsPlain(const std::string& s) {
  if (s.empty() || IsReserved(s) || std::isalpha(static_cast<unsigned char>(s[0])) == 0)
    return false;
  for (const char c : s) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '_' && c != '.' &&
        c != '/') {
      return false;
    }
  }
  return true;
}

std::string Scalar(const OrderedJson& json) {
  if (json.is_string() && IsPlain(json.get_ref<const std::string&>()))
    return json.get<std::string>();
  return json.dump();
}

std::string Key(const std::string& key) {
  return IsPlain(key) ? key : OrderedJson(key).dump();
}

void Write(const OrderedJson& json, int indent, std::string* out);

// The value after "key:" or "-".
void WriteValue(const OrderedJson& json, int indent, std::string* out) {
  if (!json.is_structured() || json.empty()) {
    *out += " " + Scalar(json) + "\n";
    return;
  }
  *out += "\n";
  Write(json, indent, out);
}

void Write(const OrderedJson& json, int indent, std::string* out) {
  const std::string pad(static_cast<size_t>(indent), ' ');
  if (json.is_object()) {
    for (const auto& [key, value] : json.items()) {
      *out += pad + Key(key) + ":";
      WriteValue(value, value.is_array() ? indent : indent + 2, out);
    }
  } else if (json.is_array()) {
    for (const OrderedJson& item : json) {
      if (item.is_object() && !item.empty()) {
        // "- " takes the place of the first key's indentation.
        std::string block;
        Write(item, indent + 2, &block);
        *out += pad;
        *out += "- ";
        out->append(block, static_cast<size_t>(indent) + 2);
      } else {
        *out += pad + "-";
        WriteValue(item, indent + 2, out);
      }
    }
  } else {
    *out += pad + Scalar(json) + "\n";
  }
}

}  // namespace

std::string ToYaml(const OrderedJson& json) {
  std::string out;
  Write(json, 0, &out);
  return out;
}

}  // namespace deepseek::api
