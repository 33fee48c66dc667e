#pragma once
// Values of the template language: Python's, as far as chat templates see them.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "base/json.h"
#include "engine/tokenizer/marked_text.h"

namespace deepseek::engine::jinja {

class Value;
struct Dict;
struct Loop;
struct Node;

/// A name or key that is not there: false, empty when printed or looped over, an error in most
/// other places.
struct Undefined {
  std::string name;
};
struct None {};
/// An integer above INT64_MAX, as JSON may have them: written with all its digits, a float to
/// operators.
struct LargeInteger {
  uint64_t value;
};
using Text = std::shared_ptr<const MarkedText>;
struct ListItems;
using List = std::shared_ptr<const ListItems>;
using DictRef = std::shared_ptr<const Dict>;
/// namespace(...): the only thing that a template can change.
using Namespace = std::shared_ptr<Dict>;
using LoopRef = std::shared_ptr<Loop>;
/// The name of a global function, or of a method that is not called on the spot.
struct Function {
  std::string name;
};

/// {% macro %}: its statement, which the template owns, and how many scopes it sees.
struct Macro {
  const Node* node;
  size_t scopes;
};

class Value {
 public:
  using Variant = std::variant<Undefined, None, bool, int64_t, LargeInteger, double, Text, List,
                               DictRef, Namespace, LoopRef, Function, Macro>;
  Value() : v_(Undefined{}) {}
  Value(Variant v) : v_(std::move(v)) {}  // NOLINT: every alternative is a value
  static Value String(std::string_view text, bool input);
  static Value String(MarkedText text);
  static Value Boolean(bool b) { return Value(Variant(b)); }
  static Value Integer(int64_t i) { return Value(Variant(i)); }
  static Value Nothing() { return Value(Variant(None{})); }

  template <typename T>
  const T* As() const {
    return std::get_if<T>(&v_);
  }
  bool undefined() const { return As<Undefined>() != nullptr; }
  bool none() const { return As<None>() != nullptr; }
  const MarkedText* text() const { return As<Text>() ? As<Text>()->get() : nullptr; }
  const std::vector<Value>* items() const;
  const Dict* dict() const;  ///< also a namespace's
  /// Integer value of a bool or of an int that is not too large.
  const int64_t* integer(int64_t* storage) const;
  /// Any number, as a double.
  bool number(double* out) const;

  bool Truth() const;
  /// Nesting of lists and dicts; limited when they are made, since destruction and printing
  /// recurse.
  int Depth() const;
  /// Values and bytes of text in it, each as often as it would be printed; limited like the depth,
  /// since a list may hold another twice, and that one a third twice.
  size_t Weight() const;
  /// Python's name of the type, for error messages.
  std::string_view TypeName() const;

 private:
  Variant v_;
};

struct ListItems {
  std::vector<Value> items;
  bool tuple = false;  // for repr(), ==, + and <
  int depth = 1;
  size_t weight = 1;
};

struct Dict {
  std::vector<std::pair<MarkedText, Value>> entries;  // in order of insertion
  int depth = 1;
  size_t weight = 1;
  const Value* Find(std::string_view key) const;
  void Set(MarkedText key, Value value);
};

/// State of a for loop, for `loop.first` and its like. A loop that has ended holds no items any
/// more: kept in a namespace and looped over again, such loops would hang on each other in a long
/// chain.
struct Loop {
  std::vector<Value> items;     ///< as far as they are known
  size_t index = 0, count = 0;  ///< of the round; known items
  Value seen;                   ///< by loop.changed()
  /// With a condition that is evaluated on the way: adds the next item that it keeps, false if
  /// there is none. Null: all are known.
  std::function<absl::StatusOr<bool>()> more;
};

constexpr int kMaxValueDepth = 100;
constexpr size_t kMaxValueWeight = size_t{256} << 20;

/// kResourceExhausted if nested deeper than kMaxValueDepth or heavier than kMaxValueWeight.
absl::StatusOr<Value> MakeList(std::vector<Value> items, bool tuple = false);
absl::StatusOr<Value> MakeDict(Dict dict);

bool Equal(const Value& a, const Value& b);

/// Everything in `json` becomes input.
absl::StatusOr<Value> FromJson(const OrderedJson& json, int depth = 0);

/// Python's str(). What is not a string counts as input.
MarkedText ToText(const Value& value);
/// Python's repr().
void AppendRepr(const Value& value, MarkedText* out);
/// Shortest text that reads back as the same number, as Python writes it.
std::string FloatRepr(double value);

struct JsonStyle {
  int indent = -1;  ///< below 0: one line
  std::string item_separator = ", ", key_separator = ": ";
  bool ensure_ascii = false, sort_keys = false;
};
/// json.dumps. kInvalidArgument for what has no JSON form (undefined, functions).
absl::Status AppendJson(const Value& value, const JsonStyle& style, int level, MarkedText* out);

}  // namespace deepseek::engine::jinja
