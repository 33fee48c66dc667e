#pragma once
// Runs a template. Filters, tests and methods live in jinja_filters.cc and jinja_methods.cc.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/tokenizer/chat_template.h"
#include "engine/tokenizer/jinja_parser.h"
#include "engine/tokenizer/jinja_value.h"

namespace deepseek::engine::jinja {

/// Work and memory that one rendering may still use. A hostile or broken template ends in
/// kResourceExhausted.
class Budget {
 public:
  explicit Budget(const RenderLimits& limits)
      : limits_(limits),
        steps_(limits.max_steps),
        text_bytes_(kTextCopies * limits.max_output_bytes) {}
  absl::Status Charge(size_t steps = 1);
  /// For text that has been or will be copied; refuses a single text over the output limit, and all
  /// texts of a rendering together over kTextCopies times as much: no template can hold more.
  absl::Status ChargeText(size_t bytes);
  /// `text` as a value, charged.
  absl::StatusOr<Value> String(MarkedText text);
  const RenderLimits& limits() const { return limits_; }

 private:
  static constexpr size_t kTextCopies = 16;
  const RenderLimits& limits_;
  int64_t steps_;
  size_t text_bytes_;
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> keywords;
  /// The argument at `index` or with `name`; null if neither is given.
  const Value* Get(size_t index, std::string_view name) const;
  /// Fails unless there are at most `positions` arguments and only the keywords of `names`.
  absl::Status Check(size_t positions, std::initializer_list<std::string_view> names = {}) const;
};

/// Errors without a place; the evaluator puts the line in front.
absl::Status Fail(std::string_view why);

absl::StatusOr<Value> ApplyFilter(Budget& budget, std::string_view name, const Value& input,
                                  const Arguments& arguments);
absl::StatusOr<bool> ApplyTest(std::string_view name, const Value& input,
                               const Arguments& arguments);
absl::StatusOr<Value> CallMethod(Budget& budget, std::string_view name, const Value& self,
                                 const Arguments& arguments);
absl::StatusOr<Value> CallFunction(Budget& budget, std::string_view name,
                                   const Arguments& arguments, std::vector<Namespace>* namespaces);
/// `object.name` and `object['name']` for a name that is known when it runs; undefined if there is
/// none.
absl::StatusOr<Value> GetAttribute(const Value& object, std::string_view name);
absl::StatusOr<Value> GetItem(const Value& object, const Value& key);
/// What an `attribute` argument of a filter means: 'a.0.b' is object['a'][0]['b'], none the object.
/// `otherwise` (unless null or none) takes the place of what is undefined on the way.
absl::StatusOr<Value> GetPath(Budget& budget, const Value& object, const Value& path,
                              const Value* otherwise);
absl::StatusOr<Value> GetSlice(Budget& budget, const Value& object, const Value& start,
                               const Value& stop, const Value& step);
/// What a for loop goes through.
absl::StatusOr<std::vector<Value>> Iterate(Budget& budget, const Value& value);
absl::StatusOr<Value> Arithmetic(Budget& budget, Op op, const Value& left, const Value& right);
absl::StatusOr<bool> Compare(std::string_view op, const Value& left, const Value& right);
absl::StatusOr<MarkedText> Strip(const MarkedText& text, const Value* characters, bool left,
                                 bool right);
absl::StatusOr<MarkedText> Replace(Budget& budget, const MarkedText& text, const MarkedText& from,
                                   const MarkedText& to, int64_t count);
/// str.splitlines.
std::vector<Value> SplitLines(const MarkedText& text, bool keep_ends);
/// upper, lower, title (str.title), words (the filter `title`) or capitalize, character by
/// character.
MarkedText ChangeCase(const MarkedText& text, std::string_view how);
/// Byte offsets of the characters of `text`, its size at the end.
std::vector<size_t> CharacterOffsets(std::string_view text);

class Evaluator {
 public:
  Evaluator(const RenderLimits& limits, std::vector<std::pair<std::string, Value>> variables)
      : budget_(limits) {
    scopes_.push_back(std::move(variables));
  }
  ~Evaluator();
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  absl::StatusOr<MarkedText> Render(const Block& block);

 private:
  using Scope = std::vector<std::pair<std::string, Value>>;
  enum class Flow { kNext, kBreak, kContinue };

  absl::Status Run(const Block& block);
  absl::Status RunNode(const Node& node);
  absl::Status RunFor(const Node& node);
  std::vector<Scope> SetAside(size_t depth);
  void PutBack(std::vector<Scope> inner);
  absl::StatusOr<bool> RunRounds(const Node& node, const LoopRef& loop);
  void FilterLazily(const Node& node, std::vector<Value> source, Loop* loop);
  absl::Status RunSet(const Node& node);
  absl::Status Assign(const std::vector<std::string>& targets, const Value& value);
  absl::StatusOr<Value> Eval(const Expr& expr);
  absl::StatusOr<Value> EvalInner(const Expr& expr);
  absl::StatusOr<Value> CallMacro(const Macro& macro, const Arguments& arguments);
  absl::StatusOr<Value> EvalCall(const Expr& expr);
  absl::StatusOr<Value> EvalCompare(const Expr& expr);
  absl::StatusOr<Value> EvalSlice(const Expr& expr);
  absl::StatusOr<Arguments> EvalArguments(const Expr& expr);
  Value Lookup(const std::string& name) const;
  void Set(const std::string& name, Value value);

  Budget budget_;
  std::vector<Scope> scopes_;
  std::vector<Namespace>
      namespaces_;  // all that were made: emptied at the end, since they may hold each other
  MarkedText out_;
  Flow flow_ = Flow::kNext;
  int depth_ = 0;
  int expressions_ = 0;      // that wait for the value of an inner one
  int macros_ = 0;           // that are being called
  size_t ahead_ = SIZE_MAX;  // scopes around the loop whose condition is evaluated
};

}  // namespace deepseek::engine::jinja
