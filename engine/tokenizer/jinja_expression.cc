#include "engine/tokenizer/jinja_expression.h"

#include <algorithm>
#include <charconv>

#include "base/status.h"
#include "base/strings.h"

namespace deepseek::engine::jinja {
namespace {

constexpr int kMaxHeight = 200;  // of a tree
constexpr int kMaxNesting =
    100;  // of brackets and unary operators, each of which costs a dozen stack frames here

std::vector<ExprRef> Args(ExprRef a) {
  std::vector<ExprRef> args;
  args.push_back(std::move(a));
  return args;
}

std::vector<ExprRef> Args(ExprRef a, ExprRef b) {
  std::vector<ExprRef> args = Args(std::move(a));
  args.push_back(std::move(b));
  return args;
}

}  // namespace

bool ExpressionParser::TakeName(std::string_view name) {
  if (!IsName(name)) return false;
  Take();
  return true;
}

bool ExpressionParser::TakeOperator(std::string_view op) {
  if (!IsOperator(op)) return false;
  Take();
  return true;
}

absl::Status ExpressionParser::ErrorAt(int line, std::string_view why) const {
  return absl::InvalidArgumentError(StrCat("chat template: line ", line, ": ", why));
}

absl::Status ExpressionParser::Unsupported(int line, std::string_view what) const {
  return absl::UnimplementedError(
      StrCat("chat template: line ", line, ": ", what, " is not supported"));
}

absl::Status ExpressionParser::Expect(TokenKind kind) {
  if (!Kind(kind)) return Error(StrCat("unexpected '", Peek().text, "'"));
  Take();
  return absl::OkStatus();
}

absl::StatusOr<ExprRef> ExpressionParser::Make(Op op, int line, std::vector<ExprRef> args,
                                               std::string name) {
  auto expr = std::make_unique<Expr>();
  expr->op = op;
  expr->line = line;
  expr->name = std::move(name);
  for (const ExprRef& arg : args) {
    if (arg != nullptr) expr->height = std::max(expr->height, arg->height + 1);
  }
  expr->args = std::move(args);
  if (expr->height > kMaxHeight)
    return ErrorAt(line, "an expression is too long or too deeply nested");
  return expr;
}

absl::StatusOr<ExprRef> ExpressionParser::TupleOf(Method element) {
  const int line = Peek().line;
  ASSIGN_OR_RETURN(ExprRef first, (this->*element)());
  if (!IsOperator(",")) return first;
  std::vector<ExprRef> items = Args(std::move(first));
  while (TakeOperator(",")) {
    if (Kind(TokenKind::kVariableEnd) || Kind(TokenKind::kBlockEnd) || IsOperator(")")) break;
    ASSIGN_OR_RETURN(ExprRef item, (this->*element)());
    items.push_back(std::move(item));
  }
  return Make(Op::kList, line, std::move(items), "tuple");
}

absl::StatusOr<ExprRef> ExpressionParser::Tuple() {
  return TupleOf(&ExpressionParser::Expression);
}

absl::StatusOr<ExprRef> ExpressionParser::TupleWithoutCondition() {
  return TupleOf(&ExpressionParser::Or);
}

absl::StatusOr<ExprRef> ExpressionParser::Expression() {
  if (++depth_ > kMaxNesting) return Error("an expression is too deeply nested");
  ASSIGN_OR_RETURN(ExprRef value, Or());
  while (IsName("if")) {
    const int line = Take().line;
    std::vector<ExprRef> args = Args(std::move(value));
    ASSIGN_OR_RETURN(ExprRef condition, Or());
    args.push_back(std::move(condition));
    ExprRef otherwise;
    if (TakeName("else")) {
      ASSIGN_OR_RETURN(otherwise, Expression());
    }
    args.push_back(std::move(otherwise));
    ASSIGN_OR_RETURN(value, Make(Op::kConditional, line, std::move(args)));
  }
  --depth_;
  return value;
}

absl::StatusOr<ExprRef> ExpressionParser::Or() {
  ASSIGN_OR_RETURN(ExprRef left, And());
  while (IsName("or")) {
    const int line = Take().line;
    ASSIGN_OR_RETURN(ExprRef right, And());
    ASSIGN_OR_RETURN(left, Make(Op::kOr, line, Args(std::move(left), std::move(right))));
  }
  return left;
}

absl::StatusOr<ExprRef> ExpressionParser::And() {
  ASSIGN_OR_RETURN(ExprRef left, Not());
  while (IsName("and")) {
    const int line = Take().line;
    ASSIGN_OR_RETURN(ExprRef right, Not());
    ASSIGN_OR_RETURN(left, Make(Op::kAnd, line, Args(std::move(left), std::move(right))));
  }
  return left;
}

absl::StatusOr<ExprRef> ExpressionParser::Not() {
  if (!IsName("not")) return Compare();
  if (++depth_ > kMaxNesting) return Error("an expression is too deeply nested");
  const int line = Take().line;
  ASSIGN_OR_RETURN(ExprRef value, Not());
  --depth_;
  return Make(Op::kNot, line, Args(std::move(value)));
}

absl::StatusOr<ExprRef> ExpressionParser::Compare() {
  const int line = Peek().line;
  ASSIGN_OR_RETURN(ExprRef first, Sum());
  std::vector<ExprRef> operands = Args(std::move(first));
  std::vector<std::string> operators;
  while (true) {
    std::string op;
    for (const std::string_view known : {"==", "!=", "<", "<=", ">", ">="}) {
      if (IsOperator(known)) op = known;
    }
    if (IsName("in")) op = "in";
    if (IsName("not") && tokens_[at_ + 1].kind == TokenKind::kName &&
        tokens_[at_ + 1].text == "in") {
      Take();
      op = "not in";
    }
    if (op.empty()) break;
    Take();
    ASSIGN_OR_RETURN(ExprRef operand, Sum());
    operands.push_back(std::move(operand));
    operators.push_back(std::move(op));
  }
  if (operators.empty()) return std::move(operands[0]);
  ASSIGN_OR_RETURN(ExprRef compare, Make(Op::kCompare, line, std::move(operands)));
  compare->operators = std::move(operators);
  return compare;
}

absl::StatusOr<ExprRef> ExpressionParser::Sum() {
  ASSIGN_OR_RETURN(ExprRef left, Concat());
  while (IsOperator("+") || IsOperator("-")) {
    const Token& op = Take();
    ASSIGN_OR_RETURN(ExprRef right, Concat());
    ASSIGN_OR_RETURN(left, Make(op.text == "+" ? Op::kAdd : Op::kSubtract, op.line,
                                Args(std::move(left), std::move(right))));
  }
  return left;
}

absl::StatusOr<ExprRef> ExpressionParser::Concat() {
  ASSIGN_OR_RETURN(ExprRef left, Product());
  while (IsOperator("~")) {
    const int line = Take().line;
    ASSIGN_OR_RETURN(ExprRef right, Product());
    ASSIGN_OR_RETURN(left, Make(Op::kConcat, line, Args(std::move(left), std::move(right))));
  }
  return left;
}

absl::StatusOr<ExprRef> ExpressionParser::Product() {
  ASSIGN_OR_RETURN(ExprRef left, Power());
  while (IsOperator("*") || IsOperator("/") || IsOperator("//") || IsOperator("%")) {
    const Token& op = Take();
    const Op kind = op.text == "*"    ? Op::kMultiply
                    : op.text == "/"  ? Op::kDivide
                    : op.text == "//" ? Op::kFloorDivide
                                      : Op::kModulo;
    ASSIGN_OR_RETURN(ExprRef right, Power());
    ASSIGN_OR_RETURN(left, Make(kind, op.line, Args(std::move(left), std::move(right))));
  }
  return left;
}

absl::StatusOr<ExprRef> ExpressionParser::Power() {
  ASSIGN_OR_RETURN(ExprRef left, Unary(true));
  while (IsOperator("**")) {
    const int line = Take().line;
    ASSIGN_OR_RETURN(ExprRef right, Unary(true));
    ASSIGN_OR_RETURN(left, Make(Op::kPower, line, Args(std::move(left), std::move(right))));
  }
  return left;
}

absl::StatusOr<ExprRef> ExpressionParser::Unary(bool with_filters) {
  ExprRef value;
  if (IsOperator("-") || IsOperator("+")) {
    if (++depth_ > kMaxNesting) return Error("an expression is too deeply nested");
    const Token& op = Take();
    ASSIGN_OR_RETURN(ExprRef operand, Unary(false));
    --depth_;
    ASSIGN_OR_RETURN(
        value, Make(op.text == "-" ? Op::kNegate : Op::kPlus, op.line, Args(std::move(operand))));
  } else {
    ASSIGN_OR_RETURN(value, Primary());
  }
  ASSIGN_OR_RETURN(value, Postfix(std::move(value)));
  if (!with_filters) return value;
  return Filters(std::move(value));
}

absl::StatusOr<ExprRef> ExpressionParser::Primary() {
  const Token token = Take();
  ASSIGN_OR_RETURN(ExprRef expr, Make(Op::kConstant, token.line, {}));
  if (token.kind == TokenKind::kString) {
    std::string text = token.text;
    while (Kind(TokenKind::kString)) text += Take().text;
    expr->constant = Value::String(text, false);
    return expr;
  }
  if (token.kind == TokenKind::kInteger) {
    int64_t value = 0;
    const auto [end, error] =
        std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
    if (error != std::errc())
      return ErrorAt(token.line, StrCat("the number ", token.text, " is too large"));
    expr->constant = Value::Integer(value);
    return expr;
  }
  if (token.kind == TokenKind::kFloat) {
    double value = 0;
    std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
    expr->constant = Value(Value::Variant(value));
    return expr;
  }
  if (token.kind == TokenKind::kName) {
    const std::string& name = token.text;
    if (name == "true" || name == "True" || name == "false" || name == "False") {
      expr->constant = Value::Boolean(name == "true" || name == "True");
    } else if (name == "none" || name == "None") {
      expr->constant = Value::Nothing();
    } else if (in_macro_ > 0 && (name == "varargs" || name == "kwargs" || name == "caller")) {
      return Unsupported(token.line, StrCat(name, " in a macro"));
    } else {
      expr->op = Op::kName;
      expr->name = name;
    }
    return expr;
  }
  if (token.text == "(" && token.kind == TokenKind::kOperator) {
    if (TakeOperator(")")) return Make(Op::kList, token.line, {}, "tuple");
    ASSIGN_OR_RETURN(ExprRef inner, Tuple());
    if (!TakeOperator(")")) return Error(") is missing");
    return inner;
  }
  if (token.text == "[" && token.kind == TokenKind::kOperator) {
    std::vector<ExprRef> items;
    while (!IsOperator("]")) {
      ASSIGN_OR_RETURN(ExprRef item, Expression());
      items.push_back(std::move(item));
      if (!TakeOperator(",")) break;
    }
    if (!TakeOperator("]")) return Error("] is missing");
    return Make(Op::kList, token.line, std::move(items));
  }
  if (token.text == "{" && token.kind == TokenKind::kOperator) return DictLiteral();
  return ErrorAt(token.line, StrCat("unexpected '", token.text, "'"));
}

absl::StatusOr<ExprRef> ExpressionParser::DictLiteral() {
  const int line = Peek().line;
  std::vector<ExprRef> entries;
  while (!IsOperator("}")) {
    ASSIGN_OR_RETURN(ExprRef key, Expression());
    if (!TakeOperator(":")) return Error(": is missing in a dict");
    ASSIGN_OR_RETURN(ExprRef value, Expression());
    entries.push_back(std::move(key));
    entries.push_back(std::move(value));
    if (!TakeOperator(",")) break;
  }
  if (!TakeOperator("}")) return Error("} is missing");
  return Make(Op::kDict, line, std::move(entries));
}

absl::StatusOr<ExprRef> ExpressionParser::Postfix(ExprRef value) {
  while (true) {
    const int line = Peek().line;
    if (TakeOperator(".")) {
      const Token name = Take();
      if (name.kind == TokenKind::kInteger) {
        ASSIGN_OR_RETURN(ExprRef index, Make(Op::kConstant, line, {}));
        index->constant = Value::Integer(std::atoll(name.text.c_str()));
        ASSIGN_OR_RETURN(value, Make(Op::kItem, line, Args(std::move(value), std::move(index))));
      } else if (name.kind == TokenKind::kName) {
        ASSIGN_OR_RETURN(value, Make(Op::kAttribute, line, Args(std::move(value)), name.text));
      } else {
        return ErrorAt(line, "a name is missing after a dot");
      }
    } else if (TakeOperator("[")) {
      ASSIGN_OR_RETURN(value, Subscript(std::move(value)));
    } else if (TakeOperator("(")) {
      ASSIGN_OR_RETURN(value, Call(std::move(value)));
    } else {
      return value;
    }
  }
}

absl::StatusOr<ExprRef> ExpressionParser::Subscript(ExprRef value) {
  const int line = Peek().line;
  std::vector<ExprRef> parts = Args(std::move(value));
  bool slice = false;
  ExprRef part;
  while (!IsOperator("]")) {
    if (TakeOperator(":")) {
      slice = true;
      parts.push_back(std::move(part));
      continue;
    }
    if (part != nullptr || parts.size() > 3) return Error("] is missing");
    ASSIGN_OR_RETURN(part, Expression());
  }
  Take();
  if (!slice && part == nullptr) return ErrorAt(line, "an index is missing");
  parts.push_back(std::move(part));
  if (!slice) return Make(Op::kItem, line, std::move(parts));
  if (parts.size() > 4) return ErrorAt(line, "a slice has too many parts");
  parts.resize(4);
  return Make(Op::kSlice, line, std::move(parts));
}

absl::Status ExpressionParser::Arguments(Expr* call) {
  while (!IsOperator(")")) {
    if (IsOperator("*") || IsOperator("**")) return Unsupported(Peek().line, "* in a call");
    ExprRef value;
    std::string keyword;
    if (Kind(TokenKind::kName) && tokens_[at_ + 1].kind == TokenKind::kOperator &&
        tokens_[at_ + 1].text == "=") {
      keyword = Take().text;
      Take();
    }
    ASSIGN_OR_RETURN(value, Expression());
    call->height = std::max(call->height, value->height + 1);
    if (call->height > kMaxHeight) return Error("an expression is too deeply nested");
    if (!keyword.empty()) {
      call->keywords.emplace_back(std::move(keyword), std::move(value));
    } else {
      call->args.push_back(std::move(value));
    }
    if (!TakeOperator(",")) break;
  }
  return TakeOperator(")") ? absl::OkStatus() : Error(") is missing");
}

absl::StatusOr<ExprRef> ExpressionParser::Call(ExprRef callee) {
  const int line = callee->line;
  if (callee->op == Op::kAttribute && !IsKnownMethod(callee->name))
    return Unsupported(line, StrCat("the method .", callee->name, "()"));
  if (callee->op == Op::kName && !IsKnownFunction(callee->name) && !macros_.contains(callee->name))
    return Unsupported(line, StrCat("the function ", callee->name, "()"));
  ASSIGN_OR_RETURN(ExprRef call, Make(Op::kCall, line, Args(std::move(callee))));
  RETURN_IF_ERROR(Arguments(call.get()));
  return call;
}

// The filter that map applies and the test by which the others choose, where they are written out.
absl::Status ExpressionParser::CheckNames(const Expr& filter) const {
  const bool map = filter.name == "map";
  const bool by_attribute = filter.name == "selectattr" || filter.name == "rejectattr";
  if (!map && !by_attribute && filter.name != "select" && filter.name != "reject")
    return absl::OkStatus();
  const size_t at = by_attribute ? 2 : 1;
  if (filter.args.size() <= at || filter.args[at]->op != Op::kConstant) return absl::OkStatus();
  const MarkedText* text = filter.args[at]->constant.text();
  if (text == nullptr) return absl::OkStatus();
  const std::string& name = text->text();
  // map in map has no end that a parser would see.
  if (map ? IsKnownFilter(name) && name != "map" : IsKnownTest(name)) return absl::OkStatus();
  return Unsupported(filter.line,
                     StrCat("the ", map ? "filter " : "test ", name, " in ", filter.name));
}

absl::StatusOr<ExprRef> ExpressionParser::Filters(ExprRef value) {
  while (true) {
    const int line = Peek().line;
    if (TakeOperator("|")) {
      if (!Kind(TokenKind::kName)) return Error("a filter's name is missing");
      const std::string name = Take().text;
      if (!IsKnownFilter(name)) return Unsupported(line, StrCat("the filter ", name));
      ASSIGN_OR_RETURN(value, Make(Op::kFilter, line, Args(std::move(value)), name));
      if (TakeOperator("(")) RETURN_IF_ERROR(Arguments(value.get()));
      RETURN_IF_ERROR(CheckNames(*value));
    } else if (TakeName("is")) {
      ASSIGN_OR_RETURN(value, Test(std::move(value)));
    } else if (TakeOperator("(")) {
      ASSIGN_OR_RETURN(value, Call(std::move(value)));
    } else {
      return value;
    }
  }
}

absl::StatusOr<ExprRef> ExpressionParser::Test(ExprRef value) {
  const int line = Peek().line;
  const bool negated = TakeName("not");
  if (!Kind(TokenKind::kName)) return Error("a test's name is missing");
  const std::string name = Take().text;
  if (!IsKnownTest(name)) return Unsupported(line, StrCat("the test ", name));
  ASSIGN_OR_RETURN(ExprRef test, Make(Op::kTest, line, Args(std::move(value)), name));
  if (TakeOperator("(")) {
    RETURN_IF_ERROR(Arguments(test.get()));
  } else {
    const bool word = Kind(TokenKind::kName) && !IsName("else") && !IsName("or") &&
                      !IsName("and") && !IsName("is") && !IsName("if") && !IsName("in") &&
                      !IsName("not");
    if (word || Kind(TokenKind::kString) || Kind(TokenKind::kInteger) || Kind(TokenKind::kFloat) ||
        IsOperator("[") || IsOperator("{")) {
      ASSIGN_OR_RETURN(ExprRef argument, Primary());
      ASSIGN_OR_RETURN(argument, Postfix(std::move(argument)));
      test->args.push_back(std::move(argument));
    }
  }
  if (!negated) return test;
  return Make(Op::kNot, line, Args(std::move(test)));
}

}  // namespace deepseek::engine::jinja
