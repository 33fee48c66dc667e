#include "engine/tokenizer/jinja_eval.h"

#include <algorithm>
#include <iterator>

#include "base/status.h"
#include "base/strings.h"

namespace deepseek::engine::jinja {
namespace {

constexpr std::string_view kPrefix = "chat template";
// Within each other, macros included, since evaluation recurses: three times what the parser lets
// one expression have.
constexpr int kMaxExpressions = 600;

// Puts the line in front of an error that has no place yet.
absl::Status At(int line, const absl::Status& status) {
  if (status.ok() || ToStd(status.message()).substr(0, kPrefix.size()) == kPrefix) return status;
  return absl::Status(status.code(),
                      StrCat(kPrefix, ": line ", line, ": ", ToStd(status.message())));
}

}  // namespace

absl::Status Fail(std::string_view why) {
  return absl::InvalidArgumentError(ToAbsl(why));
}

absl::Status Budget::Charge(size_t steps) {
  steps_ -= static_cast<int64_t>(std::min(steps, size_t{1} << 40));
  if (steps_ >= 0) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      StrCat("the template takes more than ", limits_.max_steps, " steps"));
}

absl::Status Budget::ChargeText(size_t bytes) {
  if (bytes > limits_.max_output_bytes) {
    return absl::ResourceExhaustedError(
        StrCat("text grows beyond ", limits_.max_output_bytes, " bytes"));
  }
  if (bytes > text_bytes_) {
    return absl::ResourceExhaustedError(StrCat("the template copies more than ",
                                               kTextCopies * limits_.max_output_bytes,
                                               " bytes of text"));
  }
  text_bytes_ -= bytes;
  return Charge(1 + bytes / 512);
}

absl::StatusOr<Value> Budget::String(MarkedText text) {
  RETURN_IF_ERROR(ChargeText(text.size()));
  return Value::String(std::move(text));
}

const Value* Arguments::Get(size_t index, std::string_view name) const {
  if (index < positional.size()) return &positional[index];
  for (const auto& [key, value] : keywords) {
    if (key == name) return &value;
  }
  return nullptr;
}

absl::Status Arguments::Check(size_t positions,
                              std::initializer_list<std::string_view> names) const {
  if (positional.size() > positions) return Fail("too many arguments");
  for (const auto& [key, value] : keywords) {
    if (std::find(names.begin(), names.end(), key) == names.end())
      return Fail(StrCat("unknown argument ", key));
  }
  return absl::OkStatus();
}

Evaluator::~Evaluator() {
  // First everything is moved out, so that no destructor runs down a chain of namespaces.
  std::vector<std::vector<std::pair<MarkedText, Value>>> contents;
  for (const Namespace& space : namespaces_) contents.push_back(std::move(space->entries));
}

absl::StatusOr<MarkedText> Evaluator::Render(const Block& block) {
  RETURN_IF_ERROR(Run(block));
  return std::move(out_);
}

absl::Status Evaluator::Run(const Block& block) {
  if (++depth_ > budget_.limits().max_depth) {
    return absl::ResourceExhaustedError(
        StrCat("blocks are nested deeper than ", budget_.limits().max_depth));
  }
  for (const Node& node : block) {
    RETURN_IF_ERROR(At(node.line, budget_.Charge()));
    RETURN_IF_ERROR(At(node.line, RunNode(node)));
    if (flow_ != Flow::kNext) break;
  }
  --depth_;
  return absl::OkStatus();
}

absl::Status Evaluator::RunNode(const Node& node) {
  switch (node.kind) {
    case Statement::kText:
      out_.Append(*node.text.text());
      return budget_.ChargeText(
          out_.size() > budget_.limits().max_output_bytes ? out_.size() : node.text.text()->size());
    case Statement::kOutput: {
      ASSIGN_OR_RETURN(const Value value, Eval(*node.expr));
      const size_t before = out_.size();
      if (const MarkedText* text = value.text()) {
        out_.Append(*text);
      } else {
        RETURN_IF_ERROR(budget_.Charge(value.Weight() / 64));
        out_.Append(ToText(value));
      }
      RETURN_IF_ERROR(budget_.Charge((out_.size() - before) / 512));
      return budget_.ChargeText(out_.size() > budget_.limits().max_output_bytes ? out_.size() : 0);
    }
    case Statement::kIf:
      for (const auto& [condition, body] : node.branches) {
        bool taken = condition == nullptr;
        if (!taken) {
          ASSIGN_OR_RETURN(const Value value, Eval(*condition));
          taken = value.Truth();
        }
        if (taken) return Run(body);
      }
      return absl::OkStatus();
    case Statement::kFor:
      return RunFor(node);
    case Statement::kSet:
      return RunSet(node);
    case Statement::kMacro:
      Set(node.name, Value(Value::Variant(Macro{&node, scopes_.size()})));
      return absl::OkStatus();
    case Statement::kBreak:
      flow_ = Flow::kBreak;
      return absl::OkStatus();
    case Statement::kContinue:
      flow_ = Flow::kContinue;
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status Evaluator::RunFor(const Node& node) {
  ASSIGN_OR_RETURN(const Value value, Eval(*node.expr));
  ASSIGN_OR_RETURN(std::vector<Value> items, Iterate(budget_, value));
  const auto loop = std::make_shared<Loop>();
  if (node.filter == nullptr) {
    loop->items = std::move(items);
    loop->count = loop->items.size();
  } else {
    FilterLazily(node, std::move(items), loop.get());
  }
  ASSIGN_OR_RETURN(const bool ended, RunRounds(node, loop));
  loop->more = nullptr;
  loop->items.clear();
  return ended ? absl::OkStatus() : Run(node.otherwise);
}

// The scopes from `depth` on, which a condition or a macro does not see: the caller puts them back.
std::vector<Evaluator::Scope> Evaluator::SetAside(size_t depth) {
  const auto first = scopes_.begin() + static_cast<ptrdiff_t>(depth);
  std::vector<Scope> inner(std::make_move_iterator(first), std::make_move_iterator(scopes_.end()));
  scopes_.resize(depth);
  return inner;
}

void Evaluator::PutBack(std::vector<Scope> inner) {
  std::move(inner.begin(), inner.end(), std::back_inserter(scopes_));
}

// jinja2's condition is a generator: an item's turn comes right before its round, or when `loop`
// looks ahead, so it sees what the rounds before have changed. It does not see their names.
void Evaluator::FilterLazily(const Node& node, std::vector<Value> source, Loop* loop) {
  loop->more = [this, &node, loop, source = std::move(source), next = size_t{0},
                depth = scopes_.size(), frame = macros_]() mutable -> absl::StatusOr<bool> {
    // Not from within a condition that is evaluated for this loop or one around it, which a
    // namespace would allow, nor from within a macro: the names that it needs are set aside.
    if (depth >= ahead_ || frame != macros_)
      return Fail("the condition of a for loop looks ahead in a loop that waits for it");
    const size_t outer = std::exchange(ahead_, depth);
    std::vector<Scope> inner = SetAside(depth);
    bool found = false;
    while (!found && next < source.size()) {
      Value item = std::move(source[next++]);
      scopes_.emplace_back();
      RETURN_IF_ERROR(Assign(node.targets, item));
      ASSIGN_OR_RETURN(const Value condition, Eval(*node.filter));
      scopes_.pop_back();
      found = condition.Truth();
      if (found) loop->items.push_back(std::move(item));
    }
    loop->count = loop->items.size();
    PutBack(std::move(inner));
    ahead_ = outer;
    return found;
  };
}

// Whether a round came to its end: in jinja2 the `else` runs also where each was cut short.
absl::StatusOr<bool> Evaluator::RunRounds(const Node& node, const LoopRef& loop) {
  bool ended = false;
  for (size_t i = 0;; ++i) {
    if (i == loop->count) {
      if (loop->more == nullptr) return ended;
      ASSIGN_OR_RETURN(const bool found, loop->more());
      if (!found) return ended;
    }
    loop->index = i;
    // Names that are set in the body live for one round.
    scopes_.emplace_back();
    Set("loop", Value(Value::Variant(loop)));
    RETURN_IF_ERROR(Assign(node.targets, Value(loop->items[i])));
    RETURN_IF_ERROR(Run(node.body));
    scopes_.pop_back();
    const Flow flow = std::exchange(flow_, Flow::kNext);
    if (flow == Flow::kBreak) return ended;
    ended = ended || flow == Flow::kNext;
  }
}

absl::Status Evaluator::Assign(const std::vector<std::string>& targets, const Value& value) {
  if (targets.size() == 1) {
    Set(targets[0], value);
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(std::vector<Value> parts, Iterate(budget_, value));
  if (parts.size() != targets.size())
    return Fail(StrCat(targets.size(), " names for ", parts.size(), " values"));
  for (size_t i = 0; i < parts.size(); ++i) Set(targets[i], std::move(parts[i]));
  return absl::OkStatus();
}

absl::Status Evaluator::RunSet(const Node& node) {
  Value value;
  if (node.expr != nullptr) {
    ASSIGN_OR_RETURN(value, Eval(*node.expr));
  } else {
    MarkedText outer = std::exchange(out_, MarkedText());
    RETURN_IF_ERROR(Run(node.body));
    ASSIGN_OR_RETURN(value, budget_.String(std::exchange(out_, std::move(outer))));
  }
  if (node.attribute.empty()) return Assign(node.targets, value);
  const Value target = Lookup(node.targets[0]);
  const Namespace* space = target.As<Namespace>();
  if (space == nullptr) return Fail(StrCat(node.targets[0], " is not a namespace"));
  (*space)->Set(MarkedText(node.attribute, false), std::move(value));
  return absl::OkStatus();
}

Value Evaluator::Lookup(const std::string& name) const {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    for (const auto& [key, value] : *scope) {
      if (key == name) return value;
    }
  }
  if (IsKnownFunction(name)) return Value(Value::Variant(Function{name}));
  return Value(Value::Variant(Undefined{name}));
}

void Evaluator::Set(const std::string& name, Value value) {
  for (auto& [key, old] : scopes_.back()) {
    if (key == name) {
      old = std::move(value);
      return;
    }
  }
  scopes_.back().emplace_back(name, std::move(value));
}

absl::StatusOr<Value> Evaluator::Eval(const Expr& expr) {
  RETURN_IF_ERROR(At(expr.line, budget_.Charge()));
  if (++expressions_ > kMaxExpressions) {
    return At(expr.line, absl::ResourceExhaustedError(StrCat("more than ", kMaxExpressions,
                                                             " expressions wait for each other")));
  }
  absl::StatusOr<Value> value = EvalInner(expr);
  --expressions_;
  if (!value.ok()) return At(expr.line, value.status());
  return value;
}

absl::StatusOr<Value> Evaluator::EvalInner(const Expr& expr) {
  switch (expr.op) {
    case Op::kConstant:
      return expr.constant;
    case Op::kName:
      return Lookup(expr.name);
    case Op::kList: {
      std::vector<Value> items;
      for (const ExprRef& arg : expr.args) {
        ASSIGN_OR_RETURN(Value item, Eval(*arg));
        items.push_back(std::move(item));
      }
      return MakeList(std::move(items), expr.name == "tuple");
    }
    case Op::kDict: {
      Dict dict;
      for (size_t i = 0; i + 1 < expr.args.size(); i += 2) {
        ASSIGN_OR_RETURN(const Value key, Eval(*expr.args[i]));
        ASSIGN_OR_RETURN(Value value, Eval(*expr.args[i + 1]));
        if (key.text() == nullptr) return Fail("keys of a dict must be strings");
        dict.Set(*key.text(), std::move(value));
      }
      return MakeDict(std::move(dict));
    }
    case Op::kAttribute: {
      ASSIGN_OR_RETURN(const Value object, Eval(*expr.args[0]));
      return GetAttribute(object, expr.name);
    }
    case Op::kItem: {
      ASSIGN_OR_RETURN(const Value object, Eval(*expr.args[0]));
      ASSIGN_OR_RETURN(const Value key, Eval(*expr.args[1]));
      if (object.text() != nullptr) RETURN_IF_ERROR(budget_.Charge(object.text()->size() / 64));
      return GetItem(object, key);
    }
    case Op::kSlice:
      return EvalSlice(expr);
    case Op::kCall:
      return EvalCall(expr);
    case Op::kFilter: {
      ASSIGN_OR_RETURN(const Arguments arguments, EvalArguments(expr));
      ASSIGN_OR_RETURN(const Value input, Eval(*expr.args[0]));
      return ApplyFilter(budget_, expr.name, input, arguments);
    }
    case Op::kTest: {
      ASSIGN_OR_RETURN(const Arguments arguments, EvalArguments(expr));
      ASSIGN_OR_RETURN(const Value input, Eval(*expr.args[0]));
      ASSIGN_OR_RETURN(const bool holds, ApplyTest(expr.name, input, arguments));
      return Value::Boolean(holds);
    }
    case Op::kNot: {
      ASSIGN_OR_RETURN(const Value value, Eval(*expr.args[0]));
      return Value::Boolean(!value.Truth());
    }
    case Op::kNegate:
    case Op::kPlus: {
      ASSIGN_OR_RETURN(const Value value, Eval(*expr.args[0]));
      const Op op = expr.op == Op::kNegate ? Op::kSubtract : Op::kAdd;
      return Arithmetic(budget_, op, Value::Integer(0), value);
    }
    case Op::kAnd:
    case Op::kOr: {
      ASSIGN_OR_RETURN(Value left, Eval(*expr.args[0]));
      if (left.Truth() == (expr.op == Op::kOr)) return left;
      return Eval(*expr.args[1]);
    }
    case Op::kConditional: {
      ASSIGN_OR_RETURN(const Value condition, Eval(*expr.args[1]));
      if (condition.Truth()) return Eval(*expr.args[0]);
      return expr.args[2] == nullptr ? absl::StatusOr<Value>(Value()) : Eval(*expr.args[2]);
    }
    case Op::kCompare:
      return EvalCompare(expr);
    default: {
      ASSIGN_OR_RETURN(const Value left, Eval(*expr.args[0]));
      ASSIGN_OR_RETURN(const Value right, Eval(*expr.args[1]));
      return Arithmetic(budget_, expr.op, left, right);
    }
  }
}

absl::StatusOr<Value> Evaluator::EvalSlice(const Expr& expr) {
  Value parts[4];
  for (size_t i = 0; i < 4; ++i) {
    parts[i] = Value::Nothing();
    if (expr.args[i] == nullptr) continue;
    ASSIGN_OR_RETURN(parts[i], Eval(*expr.args[i]));
  }
  return GetSlice(budget_, parts[0], parts[1], parts[2], parts[3]);
}

absl::StatusOr<Arguments> Evaluator::EvalArguments(const Expr& expr) {
  Arguments arguments;
  for (size_t i = 1; i < expr.args.size(); ++i) {
    ASSIGN_OR_RETURN(Value value, Eval(*expr.args[i]));
    arguments.positional.push_back(std::move(value));
  }
  for (const auto& [name, arg] : expr.keywords) {
    ASSIGN_OR_RETURN(Value value, Eval(*arg));
    arguments.keywords.emplace_back(name, std::move(value));
  }
  return arguments;
}

absl::StatusOr<Value> Evaluator::EvalCall(const Expr& expr) {
  const Expr& callee = *expr.args[0];
  if (callee.op == Op::kAttribute) {
    ASSIGN_OR_RETURN(const Value self, Eval(*callee.args[0]));
    ASSIGN_OR_RETURN(const Arguments arguments, EvalArguments(expr));
    return CallMethod(budget_, callee.name, self, arguments);
  }
  ASSIGN_OR_RETURN(const Value function, Eval(callee));
  if (const Macro* macro = function.As<Macro>()) {
    ASSIGN_OR_RETURN(const Arguments arguments, EvalArguments(expr));
    return CallMacro(*macro, arguments);
  }
  const Function* known = function.As<Function>();
  if (known == nullptr || callee.op != Op::kName) {
    if (const Undefined* missing = function.As<Undefined>())
      return Fail(StrCat("'", missing->name, "' is undefined"));
    return Fail(StrCat("a value of type ", function.TypeName(), " cannot be called"));
  }
  ASSIGN_OR_RETURN(const Arguments arguments, EvalArguments(expr));
  return CallFunction(budget_, known->name, arguments, &namespaces_);
}

absl::StatusOr<Value> Evaluator::EvalCompare(const Expr& expr) {
  ASSIGN_OR_RETURN(Value left, Eval(*expr.args[0]));
  for (size_t i = 0; i < expr.operators.size(); ++i) {
    ASSIGN_OR_RETURN(Value right, Eval(*expr.args[i + 1]));
    if (right.text() == nullptr) RETURN_IF_ERROR(budget_.Charge(right.Weight() / 64));
    RETURN_IF_ERROR(budget_.Charge((right.text() != nullptr ? right.text()->size() / 512 : 0) +
                                   (right.items() != nullptr ? right.items()->size() : 0)));
    ASSIGN_OR_RETURN(const bool holds, Compare(expr.operators[i], left, right));
    if (!holds) return Value::Boolean(false);
    left = std::move(right);
  }
  return Value::Boolean(true);
}

}  // namespace deepseek::engine::jinja
