#include "operator/api/validate.h"

#include <map>
#include <memory>
#include <regex>

#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "operator/api/units.h"

namespace deepseek::api {
namespace {

// The rows as a tree. Nodes without a row cannot occur: parents come before children.
struct Node {
  const Field* field = nullptr;
  std::unique_ptr<std::regex> pattern;
  std::map<std::string, Node> children;  // "[]" and "{}" included
};

Node BuildTree(const Fields& fields) {
  Node root;
  for (const Field& field : fields) {
    Node* node = &root;
    for (const std::string& segment : Segments(field.path)) node = &node->children[segment];
    node->field = &field;
    if (!field.pattern.empty()) node->pattern = std::make_unique<std::regex>(field.pattern);
  }
  return root;
}

absl::Status Bad(const std::string& path, std::string_view why) {
  return absl::InvalidArgumentError(StrCat(path, ": ", why));
}

std::string Short(const Json& value) {
  return DumpJson(value).substr(0, 64);
}

absl::Status CheckString(const Json& value, const Node& node, const std::string& path) {
  const Field& field = *node.field;
  if (!value.is_string()) return Bad(path, StrCat("must be a string, not ", Short(value)));
  const auto& text = value.get_ref<const std::string&>();
  if (field.type == Type::kEnum) {
    std::string all;
    for (const std::string& allowed : field.values) {
      if (text == allowed) return absl::OkStatus();
      StrAppend(&all, all.empty() ? "" : ", ", allowed);
    }
    return Bad(path, StrCat("must be one of ", all, ", not ", Short(value)));
  }
  if (field.type == Type::kDuration) {
    const auto duration = ParseDuration(text);
    return duration.ok() ? absl::OkStatus() : Bad(path, ToStd(duration.status().message()));
  }
  if (CountCharacters(text) > static_cast<size_t>(MaxLength(field))) {
    return Bad(path, StrCat("is longer than ", MaxLength(field), " characters"));
  }
  if (node.pattern != nullptr && !std::regex_match(text, *node.pattern)) {
    return Bad(path, StrCat(Short(value), " does not match ", field.pattern));
  }
  return absl::OkStatus();
}

absl::Status CheckScalar(const Json& value, const Node& node, const std::string& path) {
  const Field& field = *node.field;
  switch (field.type) {
    case Type::kInteger: {
      if (!value.is_number_integer())
        return Bad(path, StrCat("must be an integer, not ", Short(value)));
      const bool huge = value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX;
      const int64_t number = huge ? INT64_MAX : value.get<int64_t>();
      if (huge || number < field.min || number > field.max) {
        return Bad(path,
                   StrCat("must be from ", field.min, " to ", field.max, ", not ", Short(value)));
      }
      return absl::OkStatus();
    }
    case Type::kBoolean:
      return value.is_boolean() ? absl::OkStatus() : Bad(path, "must be true or false");
    case Type::kQuantity: {
      const auto quantity =
          CanonicalQuantity(value.is_string() ? value.get<std::string>() : DumpJson(value));
      return quantity.ok() ? absl::OkStatus() : Bad(path, ToStd(quantity.status().message()));
    }
    case Type::kIntOrString:
      return value.is_number_integer() || value.is_string()
                 ? absl::OkStatus()
                 : Bad(path, "must be an integer or a string");
    default:
      return CheckString(value, node, path);
  }
}

absl::Status Check(const Json& value, const Node& node, const std::string& path);

absl::Status CheckObject(const Json& value, const Node& node, const std::string& path) {
  if (!value.is_object()) return Bad(path, "must be an object");
  for (const auto& [key, item] : value.items()) {
    const auto child = node.children.find(key);
    if (child == node.children.end() || key == "[]" || key == "{}") {
      return Bad(StrCat(path, ".", key.substr(0, 64)), "unknown field");
    }
    RETURN_IF_ERROR(Check(item, child->second, StrCat(path, ".", key)));
  }
  for (const auto& [key, child] : node.children) {
    if (child.field->required && !value.contains(key))
      return Bad(StrCat(path, ".", key), "required");
  }
  return absl::OkStatus();
}

absl::Status Check(const Json& value, const Node& node, const std::string& path) {
  const Type type = node.field == nullptr ? Type::kObject : node.field->type;
  if (type == Type::kObject) return CheckObject(value, node, path);
  if (type == Type::kFree)
    return value.is_object() ? absl::OkStatus() : Bad(path, "must be an object");
  if (type != Type::kList && type != Type::kMap) return CheckScalar(value, node, path);

  const bool list = type == Type::kList;
  if (list ? !value.is_array() : !value.is_object())
    return Bad(path, list ? "must be a list" : "must be a map");
  if (value.size() > static_cast<size_t>(MaxItems(*node.field))) {
    return Bad(path, StrCat("has more than ", MaxItems(*node.field), " items"));
  }
  const Node& item = node.children.at(list ? "[]" : "{}");
  if (list) {
    for (size_t i = 0; i < value.size(); ++i) {
      RETURN_IF_ERROR(Check(value[i], item, StrCat(path, "[", i, "]")));
    }
  } else {
    for (const auto& [key, entry] : value.items()) {
      RETURN_IF_ERROR(Check(entry, item, StrCat(path, "[", key.substr(0, 64), "]")));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Validate(const Json& value, const Fields& fields, const std::string& root) {
  // Built once per table: both tables live for the whole program.
  static const Node* const spec = new Node(BuildTree(SpecFields()));
  if (&fields == &SpecFields()) return Check(value, *spec, root);
  return Check(value, BuildTree(fields), root);
}

}  // namespace deepseek::api
