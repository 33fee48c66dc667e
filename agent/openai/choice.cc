#include "agent/openai/choice.h"

#include <algorithm>
#include <utility>

#include "agent/openai/prompt_echo.h"

namespace deepseek::agent {

Choice::Choice(const engine::Tokenizer& tokenizer, ChoiceOptions options)
    : options_(std::move(options)),
      decoder_(tokenizer, options_.skip_special),
      stops_(options_.stop),
      splitter_(options_.begins_thinking) {
  if (options_.tools) parser_.emplace(*options_.tools);
  chars_ = options_.chars_before;
}

ChoiceText Choice::Push(const engine::TokenEvent& token) {
  if (options_.with_logs && !stopped() && (!token.ends || options_.log_end))
    logs_.push_back({token, decoded_, chars_});
  if (stopped() || token.ends) return Take({}, false);
  const std::string mark = parser_ ? MarkOf(options_.tools->tokens, token.id) : "";
  // A client never sees what a call is made of, and cannot mean it.
  calling_ = calling_ || (!mark.empty() && !splitter_.thinking());
  std::string text = mark.empty() ? decoder_.Push(token.id) : decoder_.Flush();
  decoded_ += text.size() + mark.size();
  chars_ += Characters(text) + Characters(mark);
  if (calling_) {
    text = stops_.Flush() + text + mark;
  } else {
    text = stops_.Push(text + mark);
  }
  released_ += text.size();
  if (!options_.split_reasoning) return Take({"", std::move(text)}, false);
  return Take(splitter_.Push(text), false);
}

ChoiceText Choice::Flush() {
  std::string text;
  if (!stopped()) {
    std::string tail = decoder_.Flush();
    decoded_ += tail.size();
    text = stops_.Push(tail);
    text += stops_.Flush();
    released_ += text.size();
  }
  if (!options_.split_reasoning) return Take({"", std::move(text)}, true);
  AnswerPiece piece = splitter_.Push(text);
  AnswerPiece rest = splitter_.Flush();
  piece.reasoning += rest.reasoning;
  piece.content += rest.content;
  return Take(std::move(piece), true);
}

std::vector<ToolDelta> Choice::TakeCalls(AnswerPiece* piece, bool last) {
  std::vector<ToolDelta> calls;
  if (!parser_) return calls;
  piece->reasoning = SpellMarks(piece->reasoning);
  std::string content;
  parser_->Push(piece->content, &content, &calls);
  if (last) parser_->Flush(&content, &calls);
  piece->content = std::move(content);
  return calls;
}

/// Log-probs go out with the text of their tokens: not before it, and never for tokens that a stop
/// string cut off.
ChoiceText Choice::Take(AnswerPiece piece, bool all_logs) {
  ChoiceText out;
  out.index = options_.index;
  out.with_logs = options_.with_logs;
  out.calls = TakeCalls(&piece, all_logs);
  out.piece = std::move(piece);
  if (!options_.with_reasoning) out.piece.reasoning.clear();
  if (out.empty() && !all_logs) return out;
  const auto cut = std::find_if(logs_.begin(), logs_.end(), [&](const TokenLog& log) {
    return log.text_offset >= released_ && (stopped() || !all_logs);
  });
  out.logs.assign(std::make_move_iterator(logs_.begin()), std::make_move_iterator(cut));
  logs_.erase(logs_.begin(), cut);
  return out;
}

}  // namespace deepseek::agent
