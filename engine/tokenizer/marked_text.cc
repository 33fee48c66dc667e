#include "engine/tokenizer/marked_text.h"

#include <algorithm>

namespace deepseek::engine {

void MarkedText::Append(std::string_view text, bool input) {
  if (text.empty()) return;
  text_ += text;
  if (!runs_.empty() && runs_.back().input == input) {
    runs_.back().end = text_.size();
  } else {
    runs_.push_back({text_.size(), input});
  }
}

size_t MarkedText::RunAt(size_t at) const {
  const auto it = std::upper_bound(runs_.begin(), runs_.end(), at,
                                   [](size_t value, const Run& run) { return value < run.end; });
  return static_cast<size_t>(it - runs_.begin());
}

void MarkedText::Append(const MarkedText& other, size_t begin, size_t end) {
  const std::string_view text = other.text_;
  for (size_t run = other.RunAt(begin); begin < end; ++run) {
    const size_t stop = std::min(end, other.runs_[run].end);
    Append(text.substr(begin, stop - begin), other.runs_[run].input);
    begin = stop;
  }
}

MarkedText MarkedText::Slice(size_t begin, size_t end) const {
  MarkedText out;
  out.Append(*this, begin, end);
  return out;
}

bool MarkedText::IsInput(size_t at) const {
  return runs_[RunAt(at)].input;
}

bool MarkedText::HasInput() const {
  return std::any_of(runs_.begin(), runs_.end(), [](const Run& run) { return run.input; });
}

}  // namespace deepseek::engine
