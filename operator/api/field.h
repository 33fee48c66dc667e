#pragma once
// One row of the table that describes the custom resource: the CRD, the reference page and the
// parser all come from it.

#include <cstdint>
#include <string>
#include <vector>

namespace deepseek::api {

enum class Type {
  kObject,
  kString,
  kEnum,  ///< a string, one of `values`
  kInteger,
  kBoolean,
  kDuration,     ///< "90s", "1h30m"
  kQuantity,     ///< Kubernetes quantity, integer or string
  kIntOrString,  ///< a port: number or name
  kTime,         ///< RFC 3339
  kList,         ///< its items are the row `path[]`
  kMap,          ///< string keys; its values are the row `path{}`
  kFree,  ///< an object that the schema leaves open; decide/floor.h checks what it makes of it
};

/// A CEL rule with a fixed message (messageExpression is refused by the API server's cost
/// estimate).
struct Rule {
  std::string cel;
  std::string message;
};

struct Field {
  std::string
      path;  ///< below spec or status: "model.source.builtin", "tolerations[].key", "limits{}"
  Type type = Type::kObject;
  std::string description;  ///< one or two sentences for kubectl explain and the reference page
  std::string default_text = "";  ///< what the operator does when the field is absent, for people
  std::vector<std::string> values = {};
  int64_t min = INT64_MIN, max = INT64_MAX;
  int max_length = 0;  ///< characters of a string, 0: 256
  int max_items = 0;   ///< of a list or map, 0: 32
  std::string pattern = "";
  std::vector<std::string> list_keys = {};  ///< listType map; empty: atomic
  bool required = false;
  std::vector<Rule> rules = {};
  /// Schema default; of the spec only `replicas` has one, all others are resolved per revision by
  /// the operator.
  std::string schema_default = "";
};

using Fields = std::vector<Field>;

/// The rows of spec and of status, in the order in which people read them; a parent comes before
/// its children.
const Fields& SpecFields();
const Fields& StatusFields();

/// Rules on the whole object.
const std::vector<Rule>& RootRules();

/// Limits that a row without its own has.
int MaxLength(const Field& field);
int MaxItems(const Field& field);

/// "a.b[].c" -> {"a", "b", "[]", "c"}.
std::vector<std::string> Segments(const std::string& path);

/// Appends `rows` with their paths put below `prefix`.
void Append(Fields* fields, const std::string& prefix, const Fields& rows);

}  // namespace deepseek::api
