#pragma once
// Tool calls in the formats of the families, and an answer that may be JSON, calls, or either, as a
// grammar.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/grammar/grammar.h"
#include "base/json.h"
#include "engine/tokenizer/tokenizer.h"

namespace deepseek::agent::grammar {

/// How a call stands between its tokens.
enum class CallStyle {
  kFenced,  ///< V3, R1: function <sep> NAME \n```json\n ARGUMENTS \n```, a line end between calls
  kPlain,   ///< V3.1: NAME <sep> ARGUMENTS, calls behind each other
  kTagged,  ///< Qwen: \n{"name": NAME, "arguments": ARGUMENTS}\n between <tool_call> tokens
  kDsml,    ///< V3.2, V4: elements whose names begin with one token, a parameter each
  kObject,  ///< Llama 3.1: {"name": NAME, "parameters": ARGUMENTS} is the whole answer
};

/// How the tokens of kFenced and kPlain read.
inline constexpr std::string_view kCallsBeginText = "<｜tool▁calls▁begin｜>";
inline constexpr std::string_view kCallsEndText = "<｜tool▁calls▁end｜>";
inline constexpr std::string_view kCallBeginText = "<｜tool▁call▁begin｜>";
inline constexpr std::string_view kCallEndText = "<｜tool▁call▁end｜>";
inline constexpr std::string_view kSeparatorText = "<｜tool▁sep｜>";

/// Ids of the control tokens around calls; -1: not of this style.
struct CallTokens {
  int32_t calls_begin = -1, calls_end = -1, call_begin = -1, call_end = -1, separator = -1;
  int32_t dsml = -1;
  int32_t python_tag = -1;  ///< kObject: may stand before a call
  /// kFenced, kPlain: the tokenizer knows none of them (the R1 distills'), they are written out.
  bool spelled = false;

  /// What only a call can follow; -1: there is no such token.
  int32_t first() const {
    if (dsml >= 0) return dsml;
    if (python_tag >= 0) return python_tag;
    return calls_begin >= 0 ? calls_begin : call_begin;
  }
};
/// False: the tokenizer does not have those that the style needs as added tokens.
bool FindCallTokens(const engine::Tokenizer& tokenizer, CallStyle style, CallTokens* tokens);

struct CallableTool {
  std::string name;
  const OrderedJson* parameters = nullptr;  ///< JSON Schema; null: anything
  bool strict = false;  ///< a schema that is not supported is an error, not just any object
};

/// What an answer (behind its reasoning) may be.
struct AnswerShape {
  const OrderedJson* schema = nullptr;  ///< text that satisfies it
  bool any_object = false;              ///< text that is a JSON object
  bool leading_space = false;           ///< up to two blanks or line ends before the text
  std::vector<CallableTool> tools;      ///< calls of these
  CallStyle style = CallStyle::kFenced;
  CallTokens tokens;
  bool parallel_calls = true;  ///< more than one
  bool behind_begin = false;   ///< the answer goes on behind tokens.first(), if there is one
  std::string block;           ///< kDsml: name of the element around all calls
};

/// What opens a call of `shape` in a text, besides tokens.first(): empty where only a token can.
/// kObject: only at the beginning of the answer.
std::vector<std::string> CallOpenings(const AnswerShape& shape);

/// kInvalidArgument: the text's schema ("$...: why"), or a strict tool's ("tools[0]...: why").
absl::StatusOr<Grammar> CompileAnswer(const AnswerShape& shape);

}  // namespace deepseek::agent::grammar
