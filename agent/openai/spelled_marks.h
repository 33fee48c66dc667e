#pragma once
// Marks in a streamed answer, for tokenizers that have no tokens for them: text in, text with marks
// out. Pure.

#include <string>
#include <string_view>

namespace deepseek::agent {

/// Control tokens travel through the text of an answer as two bytes, of which the first is never
/// part of UTF-8: what merely looks like a control token stays text.
inline constexpr char kMarkByte = '\xFF';

/// For the marks of V3 and R1, which the R1 distills write letter by letter.
class SpelledMarks {
 public:
  /// What `text` makes certain; the beginning of a mark is held back.
  std::string Push(std::string_view text);
  /// What was held back, at the end of the answer.
  std::string Flush();

 private:
  std::string held_;
};

}  // namespace deepseek::agent
