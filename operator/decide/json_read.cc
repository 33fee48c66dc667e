#include "operator/decide/json_read.h"

#include "base/json_full.h"
#include "base/strings.h"

namespace deepseek::decide {

const Json* Find(const Json& json, const std::string& path) {
  // By hand: json_pointer throws on an array index that is no number.
  const Json* at = &json;
  for (size_t start = 1; start <= path.size();) {
    const size_t end = std::min(path.find('/', start), path.size());
    if (!at->is_object()) return nullptr;
    const auto next = at->find(path.substr(start, end - start));
    if (next == at->end()) return nullptr;
    at = &*next;
    start = end + 1;
  }
  return at;
}

const Json& At(const Json& object, const char* key) {
  static const Json* const none = new Json();
  if (!object.is_object()) return *none;
  const auto at = object.find(key);
  return at == object.end() ? *none : *at;
}

std::string TextAt(const Json& json, const std::string& path) {
  const Json* at = Find(json, path);
  return at != nullptr && at->is_string() ? at->get<std::string>() : "";
}

int64_t IntegerAt(const Json& json, const std::string& path, int64_t otherwise) {
  const Json* at = Find(json, path);
  return at != nullptr && at->is_number_integer() ? at->get<int64_t>() : otherwise;
}

bool BoolAt(const Json& json, const std::string& path) {
  const Json* at = Find(json, path);
  return at != nullptr && at->is_boolean() && at->get<bool>();
}

std::optional<absl::Time> ParseTime(const std::string& text) {
  absl::Time time;
  if (text.empty() || !absl::ParseTime(absl::RFC3339_full, text, &time, nullptr))
    return std::nullopt;
  return time;
}

std::optional<absl::Time> TimeAt(const Json& json, const std::string& path) {
  return ParseTime(TextAt(json, path));
}

std::string MetadataAt(const Json& object, const char* map, const std::string& key) {
  const Json* entries = Find(object, StrCat("/metadata/", map));
  if (entries == nullptr || !entries->is_object()) return "";
  const auto entry = entries->find(key);
  return entry != entries->end() && entry->is_string() ? entry->get<std::string>() : "";
}

const Json* FindCondition(const Json& object, const std::string& type) {
  const Json* conditions = Find(object, "/status/conditions");
  if (conditions == nullptr || !conditions->is_array()) return nullptr;
  for (const Json& condition : *conditions) {
    if (TextAt(condition, "/type") == type) return &condition;
  }
  return nullptr;
}

}  // namespace deepseek::decide
