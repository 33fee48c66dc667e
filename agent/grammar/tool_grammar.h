#pragma once
// Tool calls in the formats of the families, and an answer that may be JSON, calls, or either, as a
// grammar.

#include <cstdint>
#include <string>
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
};

/// Ids of the control tokens around calls; -1: not of this style.
struct CallTokens {
  int32_t calls_begin = -1, calls_end = -1, call_begin = -1, call_end = -1, separator = -1;
  int32_t dsml = -1;

  /// What only a call can follow.
  int32_t first() const {
    if (dsml >= 0) return dsml;
    return calls_begin >= 0 ? calls_begin : call_begin;
  }
};
/// False: the tokenizer does not have all those of the style as added tokens.
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
  bool behind_begin = false;   ///< the answer goes on behind tokens.first()
  std::string block;           ///< kDsml: name of the element around all calls
};

/// kInvalidArgument: the text's schema ("$...: why"), or a strict tool's ("tools[0]...: why").
absl::StatusOr<Grammar> CompileAnswer(const AnswerShape& shape);

}  // namespace deepseek::agent::grammar
