#pragma once
// Syntax tree of a template.

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/tokenizer/jinja_value.h"

namespace deepseek::engine::jinja {

enum class Op {
  kConstant,
  kName,
  kList,
  kDict,
  kAttribute,
  kItem,
  kSlice,
  kCall,
  kFilter,
  kTest,
  kNot,
  kNegate,
  kPlus,
  kAnd,
  kOr,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower,
  kConcat,
  kCompare,
  kConditional,
};

struct Expr;
using ExprRef = std::unique_ptr<Expr>;

/// `args` by operation: kDict key, value, ...; kItem object, index; kSlice object, start, stop,
/// step (null: absent); kCall callee, arguments; kFilter and kTest input, arguments; kConditional
/// value, condition, otherwise (or null); kCompare operands, with `operators` between them; the
/// others their operands.
struct Expr {
  Op op;
  int line;
  int height = 1;    ///< limited, since evaluation and destruction recurse
  std::string name;  ///< name, attribute, filter or test
  Value constant;
  std::vector<ExprRef> args;
  std::vector<std::pair<std::string, ExprRef>> keywords;
  std::vector<std::string> operators;
};

struct Node;
using Block = std::vector<Node>;

enum class Statement { kText, kOutput, kIf, kFor, kSet, kMacro, kBreak, kContinue };

struct Node {
  Node(Statement kind_of, int at_line) : kind(kind_of), line(at_line) {}
  Statement kind;
  int line;
  Value text;    ///< kText
  ExprRef expr;  ///< kOutput; kFor: what is looped over; kSet: the value (null: `body` is)
  std::vector<std::string> targets;                 ///< kFor, kSet: names; kMacro: parameters
  std::string attribute;                            ///< kSet: targets[0].attribute of a namespace
  ExprRef filter;                                   ///< kFor: condition or null
  std::vector<std::pair<ExprRef, Block>> branches;  ///< kIf: condition (null: else) and body
  Block body, otherwise;                            ///< kFor: body and else
  std::string name;                                 ///< kMacro
  std::vector<ExprRef> defaults;                    ///< kMacro: of the last parameters
};

/// kUnimplemented: a feature of Jinja that is not supported, with its line. kInvalidArgument: a
/// syntax error.
absl::StatusOr<Block> Parse(std::string_view source);

/// What the evaluator knows, so that unknown names are found when the template is read and not in
/// the first request.
bool IsKnownFilter(std::string_view name);
bool IsKnownTest(std::string_view name);
bool IsKnownMethod(std::string_view name);
bool IsKnownFunction(std::string_view name);

}  // namespace deepseek::engine::jinja
