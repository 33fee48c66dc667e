#include "agent/openai/spelled_marks.h"

#include <algorithm>
#include <span>
#include <utility>

#include "agent/openai/call_reader.h"
#include "agent/openai/stop_matcher.h"

namespace deepseek::agent {
namespace {

// None begins like another one ends, and none is part of another.
constexpr std::span kMarks(kMarkTexts.data(), kLetterMarks);

}  // namespace

std::string SpelledMarks::Push(std::string_view text) {
  held_ += text;
  std::string out;
  for (size_t at = held_.find('<'); at != std::string::npos; at = held_.find('<', at)) {
    const auto mark = std::find_if(kMarks.begin(), kMarks.end(), [&](const auto& m) {
      return std::string_view(held_).substr(at).starts_with(m.second);
    });
    if (mark == kMarks.end()) {
      ++at;
      continue;
    }
    out.append(held_, 0, at);
    out += kMarkByte;
    out += static_cast<char>(mark->first);
    held_.erase(0, at + mark->second.size());
    at = 0;
  }
  size_t keep = 0;
  for (const auto& mark : kMarks) keep = std::max(keep, PartialSuffix(held_, mark.second));
  out.append(held_, 0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return out;
}

std::string SpelledMarks::Flush() {
  return std::exchange(held_, {});
}

}  // namespace deepseek::agent
