#pragma once
// The inside of a JSON string, byte by byte: valid UTF-8, escapes that every parser takes, no
// halves of surrogate pairs. Pure.

#include <cstdint>

namespace deepseek::agent::grammar {

/// Where in a character it is. kText: between two characters.
enum class StringState : uint8_t {
  kText,
  kEscape,   ///< behind a backslash
  kHex4,     ///< \u, four digits to come
  kHex3,     ///< three
  kHex3Low,  ///< three, the first of them 0-7: behind \ud
  kHex2,
  kHex1,
  kTail1,  ///< one continuation byte to come
  kTail2,
  kTail3,
  kTailE0,  ///< two, the first from A0
  kTailED,  ///< two, the first up to 9F
  kTailF0,  ///< three, the first from 90
  kTailF4,  ///< three, the first up to 8F
};
inline constexpr int kStringStates = 14;

struct StringMove {
  enum Kind : uint8_t { kRefused, kInside, kClosed } kind = kRefused;
  StringState next = StringState::kText;
  bool begins_char = false;
};
StringMove StringStep(StringState state, uint8_t byte);

/// Bytes that the character begun needs at least.
int32_t BytesToFinish(StringState state);

}  // namespace deepseek::agent::grammar
