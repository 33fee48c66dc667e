#pragma once
// The prompt in front of an answer (`echo`), with the log-probs of its tokens if they are wanted.
// Pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "agent/openai/format.h"
#include "engine/engine.h"
#include "engine/tokenizer/tokenizer.h"

namespace deepseek::agent {

struct EchoedText {
  std::string text;
  size_t added = 0;  ///< tokens that the server put before those of the text: they have no text
};

class PromptEcho {
 public:
  /// `tokenizer` must outlive it.
  PromptEcho(const engine::Tokenizer& tokenizer, std::vector<int32_t> ids, EchoedText echo,
             bool with_logs);

  /// What can be told before the engine has computed anything: the first token; without log-probs
  /// the whole text. Once, before all Push.
  ChoiceText Begin();
  /// What the engine's log-probs of the prompt's next tokens make certain. Its text is whole
  /// characters.
  ChoiceText Push(absl::Span<const engine::TokenEvent> tokens);

  bool complete() const { return !with_logs_ || next_ == ids_.size(); }
  size_t characters() const { return characters_; }  ///< of the whole text

 private:
  ChoiceText Take(absl::Span<const engine::TokenEvent> tokens, bool first);

  const std::vector<int32_t> ids_;
  const EchoedText echo_;
  const bool with_logs_;
  const size_t characters_;
  engine::StreamDecoder decoder_;
  size_t next_ = 0;     // of ids_
  size_t decoded_ = 0;  // bytes that the decoder gave
  size_t told_ = 0;     // bytes of the text
  size_t chars_ = 0;    // of them
};

/// Characters (code points) of UTF-8.
size_t Characters(std::string_view text);

}  // namespace deepseek::agent
