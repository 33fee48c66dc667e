#include "agent/openai/prompt_echo.h"

#include <algorithm>
#include <utility>

namespace deepseek::agent {
namespace {

bool ContinuesCharacter(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

}  // namespace

size_t Characters(std::string_view text) {
  return text.size() -
         static_cast<size_t>(std::count_if(text.begin(), text.end(), ContinuesCharacter));
}

PromptEcho::PromptEcho(const engine::Tokenizer& tokenizer, std::vector<int32_t> ids,
                       EchoedText echo, bool with_logs)
    : ids_(std::move(ids)),
      echo_(std::move(echo)),
      with_logs_(with_logs),
      characters_(Characters(echo_.text)),
      decoder_(tokenizer) {}

ChoiceText PromptEcho::Begin() {
  if (with_logs_) {
    const engine::TokenEvent first{ids_.front(), 0, {}};
    return Take({&first, 1}, true);
  }
  ChoiceText out;
  out.piece.content = echo_.text;
  return out;
}

ChoiceText PromptEcho::Push(absl::Span<const engine::TokenEvent> tokens) {
  return Take(tokens, false);
}

ChoiceText PromptEcho::Take(absl::Span<const engine::TokenEvent> tokens, bool first) {
  ChoiceText out;
  out.with_logs = true;
  const std::string_view text = echo_.text;
  for (const engine::TokenEvent& token : tokens) {
    TokenLog& log = out.logs.emplace_back();
    log.token = token;
    log.char_offset = chars_;
    log.first = first;
    if (next_++ >= echo_.added) decoded_ += decoder_.Push(token.id).size();
    // A tokenizer that normalises decodes to another text than the one that came.
    size_t end = next_ == ids_.size() ? text.size() : std::min(decoded_, text.size());
    while (end > told_ && end < text.size() && ContinuesCharacter(text[end])) --end;
    end = std::max(end, told_);
    const std::string_view piece = text.substr(told_, end - told_);
    out.piece.content += piece;
    chars_ += Characters(piece);
    told_ = end;
  }
  return out;
}

}  // namespace deepseek::agent
