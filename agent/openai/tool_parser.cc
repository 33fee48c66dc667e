#include "agent/openai/tool_parser.h"

#include <algorithm>
#include <array>
#include <utility>

#include "agent/openai/stop_matcher.h"
#include "base/json.h"
#include "base/json_full.h"
#include "base/strings.h"

namespace deepseek::agent {
namespace {

constexpr std::string_view kSpace = " \t\r\n";
constexpr std::string_view kFenceOpen = "\n```json\n";
constexpr std::string_view kFenceClose = "\n```";

enum MarkCode : char {
  kCallsBegin = 'B',
  kCallsEnd = 'E',
  kCallBegin = 'b',
  kCallEnd = 'e',
  kSeparator = 's'
};

constexpr std::array<std::pair<char, std::string_view>, 5> kSpelled = {
    std::pair{kCallsBegin, "<｜tool▁calls▁begin｜>"},
    {kCallsEnd, "<｜tool▁calls▁end｜>"},
    {kCallBegin, "<｜tool▁call▁begin｜>"},
    {kCallEnd, "<｜tool▁call▁end｜>"},
    {kSeparator, "<｜tool▁sep｜>"}};

bool IsSpace(std::string_view text) {
  return text.find_first_not_of(kSpace) == std::string_view::npos;
}

}  // namespace

std::string MarkOf(const grammar::CallTokens& tokens, int32_t id) {
  char code = 0;
  if (id == tokens.calls_begin) code = kCallsBegin;
  if (id == tokens.calls_end) code = kCallsEnd;
  if (id == tokens.call_begin) code = kCallBegin;
  if (id == tokens.call_end) code = kCallEnd;
  if (id == tokens.separator) code = kSeparator;
  return code == 0 ? std::string() : std::string{kMarkByte, code};
}

std::string SpellMarks(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != kMarkByte || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    ++i;
    for (const auto& [code, spelled] : kSpelled) {
      if (text[i] == code) out += spelled;
    }
  }
  return out;
}

void ToolParser::Push(std::string_view text, std::string* content, std::vector<ToolDelta>* calls) {
  while (!text.empty()) {
    if (half_mark_) {
      half_mark_ = false;
      Mark(text[0], content, calls);
      text.remove_prefix(1);
      continue;
    }
    const size_t mark = std::min(text.find(kMarkByte), text.size());
    if (mark > 0) Text(text.substr(0, mark), content, calls);
    half_mark_ = mark < text.size();
    text.remove_prefix(std::min(mark + 1, text.size()));
  }
}

void ToolParser::Mark(char mark, std::string* content, std::vector<ToolDelta>* calls) {
  const std::string spelled = SpellMarks(std::string{kMarkByte, mark});
  const bool begins = mark == kCallsBegin && (state_ == State::kText || state_ == State::kAfter);
  if (begins) {
    raw_ = std::exchange(held_, {}) + spelled;  // held_ is the white space before it
    state_ = State::kBetween;
    return;
  }
  if (state_ == State::kText || state_ == State::kAfter) {
    *content += std::exchange(held_, {}) + spelled;
    return;
  }
  raw_ += spelled;
  if (state_ == State::kBetween && mark == kCallBegin && IsSpace(held_)) {
    held_.clear();
    state_ = State::kName;
  } else if (state_ == State::kBetween && mark == kCallsEnd && IsSpace(held_)) {
    held_.clear();
    raw_.clear();
    state_ = State::kAfter;
  } else if (state_ == State::kName && mark == kSeparator) {
    const std::string head = std::exchange(held_, {});
    if (syntax_.style == grammar::CallStyle::kFenced) {
      state_ = State::kFence;
    } else {
      Open(head, content);
    }
  } else if (state_ == State::kArguments && mark == kCallEnd) {
    Close(content, calls);
  } else {
    GiveUp(content);
  }
}

void ToolParser::Text(std::string_view text, std::string* content, std::vector<ToolDelta>* calls) {
  held_ += text;
  if (state_ == State::kText || state_ == State::kAfter) {
    const size_t last = held_.find_last_not_of(kSpace);
    const size_t sure = last == std::string::npos ? 0 : last + 1;
    *content += held_.substr(0, sure);
    held_.erase(0, sure);
    return;
  }
  raw_ += text;
  if (state_ == State::kFence) {
    const size_t line = held_.find('\n');
    const std::string_view rest = std::string_view(held_).substr(std::min(line, held_.size()));
    if (rest.starts_with(kFenceOpen)) {
      const std::string name = held_.substr(0, line);
      held_.erase(0, line + kFenceOpen.size());
      Open(name, content);
    } else if (!kFenceOpen.starts_with(rest)) {
      return GiveUp(content);
    }
  }
  if (state_ == State::kArguments && syntax_.constrained) SendArguments(false, calls);
}

void ToolParser::Open(std::string_view name, std::string* content) {
  const size_t first = name.find_first_not_of(kSpace);
  if (first != std::string_view::npos)
    name_ = name.substr(first, name.find_last_not_of(kSpace) + 1 - first);
  if (first == std::string_view::npos ||
      std::find(syntax_.names.begin(), syntax_.names.end(), name_) == syntax_.names.end()) {
    return GiveUp(content);
  }
  opened_ = false;
  state_ = State::kArguments;
}

/// Sends what is certain to belong to the arguments: not the end of the fence.
void ToolParser::SendArguments(bool all, std::vector<ToolDelta>* calls) {
  size_t sure = held_.size();
  if (!all && syntax_.style == grammar::CallStyle::kFenced) {
    const size_t fence = held_.find(kFenceClose);
    sure = fence != std::string::npos ? fence : sure - PartialSuffix(held_, kFenceClose);
  }
  if (sure == 0 && opened_) return;
  ToolDelta& delta = calls->emplace_back();
  if (!opened_) {
    delta.name = name_;
    opened_ = true;
    ++calls_;
  }
  delta.index = calls_ - 1;
  delta.arguments = held_.substr(0, sure);
  held_.erase(0, sure);
}

void ToolParser::Close(std::string* content, std::vector<ToolDelta>* calls) {
  if (syntax_.style == grammar::CallStyle::kFenced) {
    // The last fence ends the arguments; a model may leave it out.
    const size_t fence = held_.rfind(kFenceClose);
    if (fence != std::string::npos && IsSpace(std::string_view(held_).substr(fence + 4)))
      held_.erase(fence);
  }
  if (!syntax_.constrained) {
    const auto arguments = ParseJson(IsSpace(held_) ? "{}" : held_, "arguments");
    if (!arguments.ok() || !arguments->is_object()) return GiveUp(content);
    if (IsSpace(held_)) held_ = "{}";
  }
  SendArguments(true, calls);
  held_.clear();
  raw_.clear();
  state_ = State::kBetween;
}

/// Not a call after all: everything since it began is text.
void ToolParser::GiveUp(std::string* content) {
  *content += std::exchange(raw_, {});
  held_.clear();
  state_ = State::kText;
}

void ToolParser::Flush(std::string* content, std::vector<ToolDelta>* calls) {
  if (state_ == State::kText) {
    *content += std::exchange(held_, {});
  } else if (state_ == State::kArguments && syntax_.constrained) {
    // Cut off: what there is of the arguments, as OpenAI does.
    SendArguments(false, calls);
  } else if (!(state_ == State::kBetween && calls_ > 0) && state_ != State::kAfter) {
    GiveUp(content);
  }
}

}  // namespace deepseek::agent
