#pragma once
// Finds stop strings in streamed text. Pure.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace deepseek::agent {

/// Invariant: what Push and Flush have returned never contains a stop string, nor text that a found
/// one would have cut. Text is held back only while it can still become a stop string.
class StopMatcher {
 public:
  /// Empty strings are left out.
  explicit StopMatcher(std::vector<std::string> stops);

  /// Text that is certain to belong to the answer. After a stop string was found: nothing.
  std::string Push(std::string_view text);
  /// What was held back, at the end of the answer.
  std::string Flush();

  bool stopped() const { return !found_.empty(); }
  /// The stop string that ended the answer; the one that begins first, of those the longest.
  const std::string& found() const { return found_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  std::string found_;
};

/// Length of the longest end of `text` that is a beginning of `word`, without being all of it.
size_t PartialSuffix(std::string_view text, std::string_view word);

}  // namespace deepseek::agent
