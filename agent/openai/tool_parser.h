#pragma once
// Tool calls in a streamed answer: text in, text and calls out. Pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/grammar/tool_grammar.h"

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
  std::vector<std::string> names;  ///< of the tools that may be called
  /// The engine lets no other than whole calls be said: arguments go out as they come. Without
  /// that promise a call waits until it is complete and found right.
  bool constrained = false;
};

/// Control tokens travel through the text of an answer as two bytes, of which the first is never
/// part of UTF-8: what merely looks like a control token stays text.
inline constexpr char kMarkByte = '\xFF';
/// "" for ids that are none of the call tokens.
std::string MarkOf(const grammar::CallTokens& tokens, int32_t id);
/// The text with the tokens spelled out.
std::string SpellMarks(std::string_view text);

/// What is no proper call (a tool that was not offered, arguments that are no JSON object) stays
/// text, control tokens spelled out. White space between the text and the calls belongs to neither.
class ToolParser {
 public:
  /// `syntax` must outlive it.
  explicit ToolParser(const ToolSyntax& syntax) : syntax_(syntax) {}

  /// Appends to *content and *calls what `text` makes certain.
  void Push(std::string_view text, std::string* content, std::vector<ToolDelta>* calls);
  /// What was held back, at the end of the answer.
  void Flush(std::string* content, std::vector<ToolDelta>* calls);
  /// At least one call, and none that broke off.
  bool called() const { return calls_ > 0 && state_ != State::kArguments; }

 private:
  enum class State {
    kText,
    kBetween,  ///< behind calls_begin or a call
    kName,     ///< behind call_begin
    kFence,    ///< style kFenced, behind the separator
    kArguments,
    kAfter,  ///< behind calls_end
  };
  void Mark(char mark, std::string* content, std::vector<ToolDelta>* calls);
  void Text(std::string_view text, std::string* content, std::vector<ToolDelta>* calls);
  void Open(std::string_view name, std::string* content);
  void SendArguments(bool all, std::vector<ToolDelta>* calls);
  void Close(std::string* content, std::vector<ToolDelta>* calls);
  void GiveUp(std::string* content);

  const ToolSyntax& syntax_;
  State state_ = State::kText;
  std::string held_;  ///< not yet used text of the state
  std::string raw_;   ///< all of what would become text again
  std::string name_;
  bool half_mark_ = false;  ///< the first byte of a mark has come
  bool opened_ = false;     ///< the call in hand has been sent
  int32_t calls_ = 0;       ///< complete or sent
};

}  // namespace deepseek::agent
