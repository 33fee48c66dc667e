#include "agent/openai/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace deepseek::agent {

size_t PartialSuffix(std::string_view text, std::string_view word) {
  if (word.empty()) return 0;
  for (size_t n = std::min(text.size(), word.size() - 1); n > 0; --n) {
    if (text.substr(text.size() - n) == word.substr(0, n)) return n;
  }
  return 0;
}

StopMatcher::StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase_if(stops_, [](const std::string& s) { return s.empty(); });
}

std::string StopMatcher::Push(std::string_view text) {
  if (stopped()) return {};
  held_ += text;
  // The match that begins first wins; of two that begin together the longer one. A longer stop
  // string that begins earlier may still be incomplete while a later, shorter one is complete: the
  // shorter one is found first in the stream, and that is what ends the answer.
  size_t at = std::string::npos;
  for (const std::string& stop : stops_) {
    const size_t found = held_.find(stop);
    if (found == std::string::npos) continue;
    if (found < at || (found == at && stop.size() > found_.size())) {
      at = found;
      found_ = stop;
    }
  }
  if (stopped()) {
    std::string out = held_.substr(0, at);
    held_.clear();
    return out;
  }
  size_t keep = 0;
  for (const std::string& stop : stops_) keep = std::max(keep, PartialSuffix(held_, stop));
  std::string out = held_.substr(0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return out;
}

std::string StopMatcher::Flush() {
  return std::exchange(held_, {});
}

}  // namespace deepseek::agent
