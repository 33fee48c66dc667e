#pragma once
// Tool calls in a streamed answer: text in, text and calls out. Pure.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/grammar/tool_grammar.h"
#include "agent/openai/spelled_marks.h"

namespace deepseek::agent {

/// A piece of a call: its name first, then its arguments as they come.
struct ToolDelta {
  int32_t index = 0;      ///< which call of the answer
  std::string name;       ///< of the first piece; empty later
  std::string arguments;  ///< JSON, to be appended
};

struct ToolSyntax {
  grammar::CallTokens tokens;
  grammar::CallStyle style = grammar::CallStyle::kFenced;
  std::string block;               ///< kDsml: name of the element around all calls
  std::vector<std::string> names;  ///< of the tools that may be called
  /// The engine lets no other than whole calls be said: arguments go out as they come. Without
  /// that promise a call waits until it is complete and found right.
  bool constrained = false;
};

/// "" for ids that are none of the call tokens.
std::string MarkOf(const grammar::CallTokens& tokens, int32_t id);
/// The text with the tokens spelled out.
std::string SpellMarks(std::string_view text);

class CallReader;

/// What is no proper call (a tool that was not offered, arguments that are no JSON object) stays
/// text, control tokens spelled out. White space between the text and the calls belongs to neither.
class ToolParser {
 public:
  /// `syntax` must outlive it.
  explicit ToolParser(const ToolSyntax& syntax);
  ~ToolParser();

  /// Appends to *content and *calls what `text` makes certain.
  void Push(std::string_view text, std::string* content, std::vector<ToolDelta>* calls);
  /// What was held back, at the end of the answer.
  void Flush(std::string* content, std::vector<ToolDelta>* calls);
  /// At least one call, and none that broke off.
  bool called() const;

 private:
  const std::unique_ptr<CallReader> reader_;
  std::optional<SpelledMarks> spelled_;  ///< the marks of this format are letters
};

}  // namespace deepseek::agent
