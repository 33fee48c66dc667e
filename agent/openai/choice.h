#pragma once
// One answer in the making: tokens in, text for the client out. Not thread-safe: Generation's lock
// covers it.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agent/openai/format.h"
#include "agent/openai/stop_matcher.h"
#include "engine/tokenizer/tokenizer.h"

namespace deepseek::agent {

struct ChoiceOptions {
  int32_t index = 0;
  int32_t prompt_tokens = 0;
  std::vector<std::string> stop;
  bool skip_special = true;  ///< special tokens have no text
  bool split_reasoning = false;
  bool begins_thinking = false;
  bool with_reasoning = true;  ///< false: what is split off is dropped
  bool with_logs = false;
  std::shared_ptr<const ToolSyntax> tools;  ///< calls are looked for; null: they are text
  size_t chars_before = 0;                  ///< characters that stand in front of the answer
  bool log_end = false;                     ///< the token that ends the answer has a log-prob too
};

class Choice {
 public:
  Choice(const engine::Tokenizer& tokenizer, ChoiceOptions options);

  /// The text that this token makes certain, with the log-probs that belong to it.
  ChoiceText Push(const engine::TokenEvent& token);
  /// What was held back; no finish_reason yet.
  ChoiceText Flush();

  /// A stop string was found: further tokens are ignored, the engine should be told to stop.
  bool stopped() const { return stops_.stopped(); }
  /// The answer, which must be flushed, calls tools.
  bool called() const { return parser_ && parser_->called(); }
  const ChoiceOptions& options() const { return options_; }

 private:
  ChoiceText Take(AnswerPiece piece, bool all_logs);
  /// The calls taken out of `piece`.
  std::vector<ToolDelta> TakeCalls(AnswerPiece* piece, bool last);

  const ChoiceOptions options_;
  engine::StreamDecoder decoder_;
  StopMatcher stops_;
  ReasoningSplitter splitter_;
  std::optional<ToolParser> parser_;
  bool calling_ = false;        ///< a call has begun: stop strings end nothing any more
  size_t decoded_ = 0;          ///< bytes that came out of the decoder
  size_t chars_ = 0;            ///< characters of the prompt's echo and of these bytes
  size_t released_ = 0;         ///< of these, bytes that the stop matcher let through
  std::vector<TokenLog> logs_;  ///< of text not yet released
};

}  // namespace deepseek::agent
