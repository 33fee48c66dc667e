#pragma once
// UTF-8 one character at a time, with the error rule of the Unicode standard (table 3-7, "maximal
// subparts"): a broken sequence costs one U+FFFD per longest prefix that could still have become a
// character.

#include <cstdint>
#include <string>
#include <string_view>

namespace deepseek::engine {

enum class Utf8 { kComplete, kInvalid, kIncomplete };

struct Utf8Char {
  Utf8 state = Utf8::kInvalid;
  uint32_t code_point = 0xFFFD;  ///< U+FFFD unless complete
  size_t length = 0;             ///< bytes used; for kIncomplete all that is left
};

/// First character of `text`, which is not empty. kIncomplete: `text` ends inside a sequence that
/// is valid so far.
Utf8Char FirstChar(std::string_view text);

bool IsValidUtf8(std::string_view text);

void AppendUtf8(uint32_t code_point, std::string* out);

/// `text` with U+FFFD for every maximal invalid prefix, an incomplete tail included.
std::string RepairUtf8(std::string_view text);

/// White space as Python's str.strip() and str.split() see it.
bool IsPythonSpace(uint32_t code_point);

}  // namespace deepseek::engine
