#pragma once
// Splits a streamed answer at <think> ... </think> into reasoning and content. Pure.

#include <string>
#include <string_view>

namespace deepseek::agent {

/// A piece of an answer: either part may be empty.
struct AnswerPiece {
  std::string reasoning;
  std::string content;
  bool empty() const { return reasoning.empty() && content.empty(); }
};

/// The answer is reasoning from the beginning if the prompt ended in <think>, or if its own first
/// word is <think>; reasoning ends with the first </think>. White space next to the marks belongs
/// to neither part. Marks anywhere else are ordinary text.
class ReasoningSplitter {
 public:
  explicit ReasoningSplitter(bool begins_thinking)
      : state_(begins_thinking ? State::kThinking : State::kStart) {}

  AnswerPiece Push(std::string_view text);
  /// What was held back because it could have become a mark.
  AnswerPiece Flush();
  bool thinking() const { return state_ == State::kThinking; }

 private:
  enum class State { kStart, kThinking, kAfter, kContent };
  void Thinking(AnswerPiece* out);

  State state_;
  bool reasoning_begun_ = false;
  std::string held_;
};

/// True if a prompt puts the model into its thinking state: it ends in <think>, white space aside.
bool EndsThinking(std::string_view prompt);

}  // namespace deepseek::agent
