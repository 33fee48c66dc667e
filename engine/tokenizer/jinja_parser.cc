#include "engine/tokenizer/jinja_parser.h"

#include <set>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "engine/tokenizer/jinja_expression.h"

namespace deepseek::engine::jinja {
namespace {

constexpr int kMaxBlockDepth = 60;

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens)
      : tokens_(std::move(tokens)), expressions_(tokens_, MacroNames(tokens_)) {}

  absl::StatusOr<Block> Run() {
    ASSIGN_OR_RETURN(Block block, Body({}));
    return block;
  }

 private:
  using Names = std::vector<std::string_view>;

  // What may be called though it is no function of ours, before the macro is written or after.
  static std::set<std::string> MacroNames(const std::vector<Token>& tokens) {
    std::set<std::string> names;
    for (size_t i = 0; i + 2 < tokens.size(); ++i) {
      if (tokens[i].kind == TokenKind::kBlockBegin && tokens[i + 1].text == "macro")
        names.insert(tokens[i + 2].text);
    }
    return names;
  }

  // Statements up to one of the tags of `ends`, whose name is left as the current token; up to the
  // end if there are none.
  absl::StatusOr<Block> Body(const Names& ends) {
    if (++depth_ > kMaxBlockDepth) return e().Error("blocks are nested too deeply");
    Block block;
    while (true) {
      if (e().Kind(TokenKind::kEnd)) {
        if (!ends.empty()) return e().Error(StrCat(ends.back(), " is missing"));
        break;
      }
      const Token& token = e().Take();
      if (token.kind == TokenKind::kData) {
        Node node(Statement::kText, token.line);
        node.text = Value::String(token.text, false);
        block.push_back(std::move(node));
      } else if (token.kind == TokenKind::kVariableBegin) {
        Node node(Statement::kOutput, token.line);
        ASSIGN_OR_RETURN(node.expr, e().Tuple());
        RETURN_IF_ERROR(e().Expect(TokenKind::kVariableEnd));
        block.push_back(std::move(node));
      } else {  // a block begins
        bool stop = false;
        for (const std::string_view end : ends) stop = stop || e().IsName(end);
        if (stop) break;
        RETURN_IF_ERROR(Tag(&block));
      }
    }
    --depth_;
    return block;
  }

  absl::Status Tag(Block* block) {
    const Token name = e().Take();
    Node node(Statement::kIf, name.line);
    if (name.text == "if") {
      RETURN_IF_ERROR(If(&node));
    } else if (name.text == "for") {
      RETURN_IF_ERROR(For(&node));
    } else if (name.text == "set") {
      RETURN_IF_ERROR(Set(&node));
    } else if (name.text == "macro") {
      RETURN_IF_ERROR(Macro(&node));
    } else if (name.text == "break" || name.text == "continue") {
      if (loops_ == 0) return e().ErrorAt(name.line, StrCat(name.text, " outside of a for loop"));
      node.kind = name.text == "break" ? Statement::kBreak : Statement::kContinue;
      RETURN_IF_ERROR(e().Expect(TokenKind::kBlockEnd));
    } else if (name.text == "generation") {
      // transformers marks what the assistant said for training; the text is the same without.
      return Generation(block);
    } else if (name.kind != TokenKind::kName || name.text.substr(0, 3) == "end" ||
               name.text == "else" || name.text == "elif") {
      return e().ErrorAt(name.line, StrCat("unexpected {% ", name.text, " %}"));
    } else {
      return e().Unsupported(name.line, StrCat("{% ", name.text, " %}"));
    }
    block->push_back(std::move(node));
    return absl::OkStatus();
  }

  absl::Status Generation(Block* block) {
    RETURN_IF_ERROR(e().Expect(TokenKind::kBlockEnd));
    ASSIGN_OR_RETURN(Block body, Body({"endgeneration"}));
    e().Take();
    for (Node& node : body) block->push_back(std::move(node));
    return e().Expect(TokenKind::kBlockEnd);
  }

  absl::Status If(Node* node) {
    while (true) {
      ASSIGN_OR_RETURN(ExprRef condition, e().Tuple());
      RETURN_IF_ERROR(e().Expect(TokenKind::kBlockEnd));
      ASSIGN_OR_RETURN(Block body, Body({"elif", "else", "endif"}));
      node->branches.emplace_back(std::move(condition), std::move(body));
      const Token next = e().Take();
      if (next.text == "elif") continue;
      RETURN_IF_ERROR(e().Expect(TokenKind::kBlockEnd));
      if (next.text == "endif") return absl::OkStatus();
      ASSIGN_OR_RETURN(Block otherwise, Body({"endif"}));
      node->branches.emplace_back(nullptr, std::move(otherwise));
      e().Take();
      return e().Expect(TokenKind::kBlockEnd);
    }
  }

  absl::Status Targets(Node* node) {
    const bool bracket = e().TakeOperator("(");
    do {
      if (!e().Kind(TokenKind::kName)) return e().Error("a name is missing");
      node->targets.push_back(e().Take().text);
    } while (e().TakeOperator(","));
    if (bracket && !e().TakeOperator(")")) return e().Error(") is missing");
    return absl::OkStatus();
  }

  absl::Status For(Node* node) {
    node->kind = Statement::kFor;
    RETURN_IF_ERROR(Targets(node));
    if (!e().TakeName("in")) return e().Error("a for loop lacks its 'in'");
    ASSIGN_OR_RETURN(node->expr, e().TupleWithoutCondition());
    if (e().TakeName("if")) {
      ASSIGN_OR_RETURN(node->filter, e().Expression());
    }
    if (e().IsName("recursive")) return e().Unsupported(node->line, "a recursive for loop");
    RETURN_IF_ERROR(e().Expect(TokenKind::kBlockEnd));
    ++loops_;
    ASSIGN_OR_RETURN(node->body, Body({"else", "endfor"}));
    --loops_;
    if (e().TakeName("else")) {
      RETURN_IF_ERROR(e().Expect(TokenKind::kBlockEnd));
      ASSIGN_OR_RETURN(node->otherwise, Body({"endfor"}));
    }
    e().Take();
    return e().Expect(TokenKind::kBlockEnd);
  }

  absl::Status Macro(Node* node) {
    node->kind = Statement::kMacro;
    if (!e().Kind(TokenKind::kName)) return e().Error("a macro lacks its name");
    node->name = e().Take().text;
    if (!e().TakeOperator("(")) return e().Error("( is missing");
    while (!e().IsOperator(")")) {
      if (!e().Kind(TokenKind::kName)) return e().Error("a name is missing");
      node->targets.push_back(e().Take().text);
      if (e().TakeOperator("=")) {
        ASSIGN_OR_RETURN(ExprRef value, e().Expression());
        node->defaults.push_back(std::move(value));
      } else if (!node->defaults.empty()) {
        return e().Error("a parameter without a default follows one that has one");
      }
      if (!e().TakeOperator(",")) break;
    }
    if (!e().TakeOperator(")")) return e().Error(") is missing");
    RETURN_IF_ERROR(e().Expect(TokenKind::kBlockEnd));
    const int loops = std::exchange(loops_, 0);  // no break out of a macro
    e().EnterMacro(1);
    ASSIGN_OR_RETURN(node->body, Body({"endmacro"}));
    e().EnterMacro(-1);
    loops_ = loops;
    e().Take();
    return e().Expect(TokenKind::kBlockEnd);
  }

  absl::Status Set(Node* node) {
    node->kind = Statement::kSet;
    RETURN_IF_ERROR(Targets(node));
    if (node->targets.size() == 1 && e().TakeOperator(".")) {
      if (!e().Kind(TokenKind::kName)) return e().Error("a name is missing after the dot");
      node->attribute = e().Take().text;
    }
    if (e().TakeOperator("=")) {
      ASSIGN_OR_RETURN(node->expr, e().Tuple());
      return e().Expect(TokenKind::kBlockEnd);
    }
    if (node->targets.size() != 1) return e().Error("= is missing");
    if (e().IsOperator("|")) return e().Unsupported(node->line, "a filter on a {% set %} block");
    RETURN_IF_ERROR(e().Expect(TokenKind::kBlockEnd));
    ASSIGN_OR_RETURN(node->body, Body({"endset"}));
    e().Take();
    return e().Expect(TokenKind::kBlockEnd);
  }

  ExpressionParser& e() { return expressions_; }

  std::vector<Token> tokens_;
  ExpressionParser expressions_;
  int depth_ = 0;
  int loops_ = 0;
};

}  // namespace

absl::StatusOr<Block> Parse(std::string_view source) {
  ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(source));
  return Parser(std::move(tokens)).Run();
}

}  // namespace deepseek::engine::jinja
