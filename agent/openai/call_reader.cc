#include "agent/openai/call_reader.h"

#include <algorithm>
#include <utility>

namespace deepseek::agent {

bool IsCallSpace(std::string_view text) {
  return text.find_first_not_of(kCallSpace) == std::string_view::npos;
}

void CallReader::Push(std::string_view text, std::string* content, std::vector<ToolDelta>* calls) {
  content_ = content;
  out_ = calls;
  while (!text.empty()) {
    if (half_mark_) {
      half_mark_ = false;
      const std::string spelled = SpellMarks(std::string{kMarkByte, text[0]});
      if (inside_) raw_ += spelled;
      const bool outside = !inside_;
      Mark(text[0]);
      // A token that begins nothing here is text.
      if (outside && !inside_) *content_ += std::exchange(held_, {}) + spelled;
      text.remove_prefix(1);
      continue;
    }
    const size_t mark = std::min(text.find(kMarkByte), text.size());
    if (mark > 0) {
      held_ += text.substr(0, mark);
      if (inside_) {
        raw_ += text.substr(0, mark);
        Text();
      } else if (Opens()) {
        raw_ = held_;
        inside_ = true;
        Text();
      } else {
        const size_t sure = held_.size() - Lead();
        *content_ += held_.substr(0, sure);
        held_.erase(0, sure);
      }
    }
    half_mark_ = mark < text.size();
    text.remove_prefix(std::min(mark + 1, text.size()));
  }
}

void CallReader::Flush(std::string* content, std::vector<ToolDelta>* calls) {
  content_ = content;
  out_ = calls;
  if (inside_) {
    End();
  } else if (calls_ == 0 || !IsCallSpace(held_)) {
    *content_ += std::exchange(held_, {});
  }
}

size_t CallReader::Lead() const {
  const size_t last = held_.find_last_not_of(kCallSpace);
  return last == std::string::npos ? held_.size() : held_.size() - last - 1;
}

void CallReader::Enter(char mark) {
  raw_ = std::exchange(held_, {}) + SpellMarks(std::string{kMarkByte, mark});
  inside_ = true;
}

void CallReader::Leave() {
  raw_.clear();
  held_.clear();
  inside_ = false;
}

void CallReader::GiveUp() {
  *content_ += std::exchange(raw_, {});
  held_.clear();
  open_ = inside_ = false;
}

void CallReader::BreakOff() {
  syntax_.constrained ? Leave() : GiveUp();
}

bool CallReader::Offered(std::string_view name) const {
  return std::find(syntax_.names.begin(), syntax_.names.end(), name) != syntax_.names.end();
}

void CallReader::Send(std::string_view arguments) {
  if (open_ && arguments.empty()) return;
  ToolDelta& delta = out_->emplace_back();
  if (!open_) {
    delta.name = name_;
    open_ = true;
    ++calls_;
  }
  delta.index = calls_ - 1;
  delta.arguments = arguments;
}

void CallReader::Done() {
  open_ = false;
  held_.clear();
  raw_.clear();
}

}  // namespace deepseek::agent
