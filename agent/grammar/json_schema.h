#pragma once
// JSON Schema (2020-12 and draft 7) into a grammar of the JSON texts that satisfy it.
//
// The grammar may say less than the schema allows, never more: members come in the order of
// `properties`; members beyond these only where additionalProperties asks for them; one blank at
// most behind ',' and ':', none elsewhere; integers of at most 15 digits unless bounds ask for
// more; enumerated values as JSON without blanks.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/grammar/grammar.h"
#include "base/json.h"

namespace deepseek::agent::grammar {

/// Compiles values of one schema document into a builder. kInvalidArgument: what is not supported
/// or contradicts itself, by keyword and place ("$.properties.age: 'multipleOf' is not supported").
class SchemaCompiler {
 public:
  /// Both must outlive it. `document` is what "$ref" points into.
  SchemaCompiler(Builder* out, const OrderedJson& document) : out_(*out), document_(document) {}

  /// The document itself, from one node to another.
  absl::Status Compile(int32_t from, int32_t to);
  /// A schema that is a part of the document.
  absl::Status Member(const OrderedJson& schema, int32_t from, int32_t to);
  /// Any JSON object.
  absl::Status AnyObject(int32_t from, int32_t to);

 private:
  absl::Status Value(const OrderedJson& schema, const std::string& path, int32_t from, int32_t to);
  absl::Status Flat(const OrderedJson& schema, const std::string& path, int32_t from, int32_t to);
  absl::Status Choices(const OrderedJson& schema, const char* keyword, const std::string& path,
                       int32_t from, int32_t to);
  absl::Status Listed(const OrderedJson& schema, const std::string& path, int32_t from, int32_t to);
  absl::Status Typed(const OrderedJson& schema, const std::string& type, const std::string& path,
                     int32_t from, int32_t to);
  absl::Status Object(const OrderedJson& schema, const std::string& path, int32_t from, int32_t to);
  absl::Status More(const std::vector<std::string>& names, int32_t from, int32_t to);
  absl::Status Array(const OrderedJson& schema, const std::string& path, int32_t from, int32_t to);
  absl::Status Text(const OrderedJson& schema, const std::string& path, int32_t from, int32_t to);
  absl::Status Number(const OrderedJson& schema, bool integer, const std::string& path,
                      int32_t from, int32_t to);
  absl::Status Reference(const OrderedJson& ref, const std::string& path, int32_t from, int32_t to);
  absl::Status WorkOff();
  int32_t AnyValue();
  void Separator(int32_t from, char mark, int32_t to);

  Builder& out_;
  const OrderedJson& document_;
  struct Todo {
    const OrderedJson* schema;
    std::string path;
    Builder::Rule rule;
  };
  std::vector<Todo> todo_;
  std::map<const OrderedJson*, Builder::Rule> rules_;  // of schemas that something refers to
  int32_t any_ = -1, any_object_ = -1, any_array_ = -1;
  int depth_ = 0;
  int values_ = 0;  ///< schemas looked at: references inside of allOf can multiply
};

/// What `ref` ("#/$defs/x") points at within `document`.
absl::StatusOr<const OrderedJson*> Resolve(const OrderedJson& document, const std::string& ref);

/// One schema that asks for what both ask for.
absl::StatusOr<OrderedJson> MergeSchemas(const OrderedJson& document, const OrderedJson& a,
                                         const OrderedJson& b);

/// True: no value satisfies both, as far as types, listed values and members that both require
/// show. False: maybe one does.
/// `steps`: comparisons that may still be made; without any left: false.
bool Disjoint(const OrderedJson& document, const OrderedJson& a, const OrderedJson& b, int* steps);

/// "string", "integer", ... that `schema` admits: its `type`, or what its keywords speak of; all
/// seven if it says nothing. Empty: a contradiction.
std::vector<std::string> TypesOf(const OrderedJson& schema);
bool HasType(const OrderedJson& value, const std::string& type);

/// "a", "b", ... of a word that only comments: title, description, default, ...
bool IsAnnotation(const std::string& keyword);

/// The pattern of a `format` that is supported; null: it is not.
const char* PatternOfFormat(const std::string& format);

}  // namespace deepseek::agent::grammar
