// {% macro %}: a function of the template's own, whose value is the text that its body writes.

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "engine/tokenizer/jinja_eval.h"

namespace deepseek::engine::jinja {

// As in jinja2, the body sees its parameters and the names around its definition, never those of
// the caller, and the names that it sets end with it.
absl::StatusOr<Value> Evaluator::CallMacro(const Macro& macro, const Arguments& arguments) {
  const Node& node = *macro.node;
  const std::string& name = node.name;
  const size_t count = node.targets.size();
  if (arguments.positional.size() > count)
    return Fail(StrCat("the macro ", name, " takes at most ", count, " arguments"));
  for (const auto& [key, value] : arguments.keywords) {
    const auto first = node.targets.begin() + static_cast<ptrdiff_t>(arguments.positional.size());
    if (std::find(first, node.targets.end(), key) == node.targets.end())
      return Fail(StrCat("the macro ", name, " takes no argument ", key, " here"));
  }
  // Kept in a namespace, a macro outlives the loop that it is written in.
  if (macro.scopes > scopes_.size())
    return Fail(StrCat("the macro ", name, " is called outside of the block that has it"));
  std::vector<Scope> inner = SetAside(macro.scopes);
  const size_t outer_ahead = std::exchange(ahead_, SIZE_MAX);  // its own loops may look ahead
  scopes_.emplace_back();
  for (size_t i = 0; i < count; ++i) {
    const size_t without = count - node.defaults.size();
    const Value* given = arguments.Get(i, node.targets[i]);
    Value value(Value::Variant(Undefined{node.targets[i]}));
    if (given != nullptr) {
      value = *given;
    } else if (i >= without) {
      ASSIGN_OR_RETURN(value, Eval(*node.defaults[i - without]));
    }
    Set(node.targets[i], std::move(value));
  }
  ++macros_;
  MarkedText outer = std::exchange(out_, MarkedText());
  RETURN_IF_ERROR(Run(node.body));
  ASSIGN_OR_RETURN(Value text, budget_.String(std::exchange(out_, std::move(outer))));
  --macros_;
  scopes_.pop_back();
  PutBack(std::move(inner));
  ahead_ = outer_ahead;
  return text;
}

}  // namespace deepseek::engine::jinja
