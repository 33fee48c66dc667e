#pragma once
// Expressions, with Jinja's precedence: a filter binds tighter than any operator except unary
// minus's operand.

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/tokenizer/jinja_lexer.h"
#include "engine/tokenizer/jinja_parser.h"

namespace deepseek::engine::jinja {

/// A cursor over tokens (which outlive it) and the recursive descent for expressions. `macros` are
/// the template's own functions.
class ExpressionParser {
 public:
  ExpressionParser(const std::vector<Token>& tokens, std::set<std::string> macros)
      : tokens_(tokens), macros_(std::move(macros)) {}

  bool Kind(TokenKind kind) const { return Peek().kind == kind; }
  bool IsName(std::string_view name) const { return Kind(TokenKind::kName) && Peek().text == name; }
  bool IsOperator(std::string_view op) const {
    return Kind(TokenKind::kOperator) && Peek().text == op;
  }
  const Token& Take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool TakeName(std::string_view name);
  bool TakeOperator(std::string_view op);
  absl::Status Expect(TokenKind kind);
  absl::Status Error(std::string_view why) const { return ErrorAt(Peek().line, why); }
  absl::Status ErrorAt(int line, std::string_view why) const;
  absl::Status Unsupported(int line, std::string_view what) const;

  absl::StatusOr<ExprRef> Expression();
  /// 1: what follows is the body of a macro; -1: no longer.
  void EnterMacro(int by) { in_macro_ += by; }
  /// One or more expressions with commas between: a list if there are commas.
  absl::StatusOr<ExprRef> Tuple();
  /// As Tuple, but without `x if y`: after `for .. in`, the `if` is the loop's own.
  absl::StatusOr<ExprRef> TupleWithoutCondition();

 private:
  using Method = absl::StatusOr<ExprRef> (ExpressionParser::*)();
  const Token& Peek() const { return tokens_[at_]; }
  absl::StatusOr<ExprRef> Make(Op op, int line, std::vector<ExprRef> args, std::string name = "");
  absl::StatusOr<ExprRef> TupleOf(Method element);
  absl::StatusOr<ExprRef> Or();
  absl::StatusOr<ExprRef> And();
  absl::StatusOr<ExprRef> Not();
  absl::StatusOr<ExprRef> Compare();
  absl::StatusOr<ExprRef> Sum();
  absl::StatusOr<ExprRef> Concat();
  absl::StatusOr<ExprRef> Product();
  absl::StatusOr<ExprRef> Power();
  absl::StatusOr<ExprRef> Unary(bool with_filters);
  absl::StatusOr<ExprRef> FilteredUnary() { return Unary(true); }
  absl::StatusOr<ExprRef> Primary();
  absl::StatusOr<ExprRef> Postfix(ExprRef value);
  absl::StatusOr<ExprRef> Filters(ExprRef value);
  absl::StatusOr<ExprRef> Test(ExprRef value);
  absl::StatusOr<ExprRef> Subscript(ExprRef value);
  absl::StatusOr<ExprRef> Call(ExprRef callee);
  absl::StatusOr<ExprRef> DictLiteral();
  absl::Status Arguments(Expr* call);
  absl::Status CheckNames(const Expr& filter) const;

  const std::vector<Token>& tokens_;
  size_t at_ = 0;
  const std::set<std::string> macros_;
  int depth_ = 0;
  int in_macro_ = 0;
};

}  // namespace deepseek::engine::jinja
