#include "agent/openai/reasoning_splitter.h"

#include <algorithm>
#include <utility>

#include "agent/openai/stop_matcher.h"

namespace deepseek::agent {
namespace {

constexpr std::string_view kOpen = "<think>";
constexpr std::string_view kClose = "</think>";
constexpr std::string_view kSpace = " \t\r\n";

}  // namespace

bool EndsThinking(std::string_view prompt) {
  const size_t last = prompt.find_last_not_of(kSpace);
  if (last == std::string_view::npos) return false;
  return prompt.substr(0, last + 1).ends_with(kOpen);
}

void ReasoningSplitter::Thinking(AnswerPiece* out) {
  if (!reasoning_begun_) {
    held_.erase(0, held_.find_first_not_of(kSpace));
    if (held_.empty()) return;
  }
  const size_t close = held_.find(kClose);
  const bool ended = close != std::string::npos;
  // White space at the end waits: </think> may follow, and then it belongs to the mark.
  size_t end = ended ? close : held_.size() - PartialSuffix(held_, kClose);
  const size_t text_end = std::string_view(held_).substr(0, end).find_last_not_of(kSpace);
  end = text_end == std::string_view::npos ? 0 : text_end + 1;
  out->reasoning += held_.substr(0, end);
  reasoning_begun_ = reasoning_begun_ || end > 0;
  held_.erase(0, ended ? close + kClose.size() : end);
  if (ended) state_ = State::kAfter;
}

AnswerPiece ReasoningSplitter::Push(std::string_view text) {
  AnswerPiece out;
  held_ += text;
  if (state_ == State::kStart) {
    const size_t first = held_.find_first_not_of(kSpace);
    if (first == std::string::npos) return out;
    const std::string_view word = std::string_view(held_).substr(first);
    if (word.starts_with(kOpen)) {
      held_.erase(0, first + kOpen.size());
      state_ = State::kThinking;
    } else if (kOpen.starts_with(word)) {
      return out;
    } else {
      state_ = State::kContent;
    }
  }
  if (state_ == State::kThinking) Thinking(&out);
  if (state_ == State::kAfter) {
    held_.erase(0, held_.find_first_not_of(kSpace));
    if (!held_.empty()) state_ = State::kContent;
  }
  if (state_ == State::kContent) out.content = std::exchange(held_, {});
  return out;
}

AnswerPiece ReasoningSplitter::Flush() {
  AnswerPiece out;
  (state_ == State::kThinking ? out.reasoning : out.content) = std::exchange(held_, {});
  if (state_ == State::kAfter) out.content.clear();
  return out;
}

}  // namespace deepseek::agent
