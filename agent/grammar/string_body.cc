#include "agent/grammar/string_body.h"

#include <string_view>

namespace deepseek::agent::grammar {
namespace {

constexpr StringMove kNo{};

constexpr StringMove Inside(StringState next, bool begins_char = false) {
  return {StringMove::kInside, next, begins_char};
}

StringMove Begin(uint8_t byte) {
  if (byte == '"') return {StringMove::kClosed, StringState::kText, false};
  if (byte == '\\') return Inside(StringState::kEscape, true);
  if (byte < 0x20) return kNo;
  if (byte < 0x80) return Inside(StringState::kText, true);
  if (byte < 0xC2 || byte > 0xF4) return kNo;
  if (byte < 0xE0) return Inside(StringState::kTail1, true);
  if (byte == 0xE0) return Inside(StringState::kTailE0, true);
  if (byte == 0xED) return Inside(StringState::kTailED, true);
  if (byte < 0xF0) return Inside(StringState::kTail2, true);
  if (byte == 0xF0) return Inside(StringState::kTailF0, true);
  if (byte == 0xF4) return Inside(StringState::kTailF4, true);
  return Inside(StringState::kTail3, true);
}

bool IsHex(uint8_t byte) {
  return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') ||
         (byte >= 'A' && byte <= 'F');
}

StringMove Tail(uint8_t byte, uint8_t low, uint8_t high, StringState next) {
  return byte >= low && byte <= high ? Inside(next) : kNo;
}

}  // namespace

StringMove StringStep(StringState state, uint8_t byte) {
  using S = StringState;
  switch (state) {
    case S::kText:
      return Begin(byte);
    case S::kEscape:
      if (byte == 'u') return Inside(S::kHex4);
      return std::string_view("\"\\/bfnrt").find(static_cast<char>(byte)) != std::string_view::npos
                 ? Inside(S::kText)
                 : kNo;
    case S::kHex4:
      if (!IsHex(byte)) return kNo;
      return Inside(byte == 'd' || byte == 'D' ? S::kHex3Low : S::kHex3);
    case S::kHex3Low:
      return byte >= '0' && byte <= '7' ? Inside(S::kHex2) : kNo;
    case S::kHex3:
      return IsHex(byte) ? Inside(S::kHex2) : kNo;
    case S::kHex2:
      return IsHex(byte) ? Inside(S::kHex1) : kNo;
    case S::kHex1:
      return IsHex(byte) ? Inside(S::kText) : kNo;
    case S::kTail1:
      return Tail(byte, 0x80, 0xBF, S::kText);
    case S::kTail2:
      return Tail(byte, 0x80, 0xBF, S::kTail1);
    case S::kTail3:
      return Tail(byte, 0x80, 0xBF, S::kTail2);
    case S::kTailE0:
      return Tail(byte, 0xA0, 0xBF, S::kTail1);
    case S::kTailED:
      return Tail(byte, 0x80, 0x9F, S::kTail1);
    case S::kTailF0:
      return Tail(byte, 0x90, 0xBF, S::kTail2);
    case S::kTailF4:
      return Tail(byte, 0x80, 0x8F, S::kTail2);
  }
  return kNo;
}

int32_t BytesToFinish(StringState state) {
  using S = StringState;
  switch (state) {
    case S::kText:
      return 0;
    case S::kEscape:
    case S::kHex1:
    case S::kTail1:
      return 1;
    case S::kHex2:
    case S::kTail2:
    case S::kTailE0:
    case S::kTailED:
      return 2;
    case S::kHex3:
    case S::kHex3Low:
    case S::kTail3:
    case S::kTailF0:
    case S::kTailF4:
      return 3;
    case S::kHex4:
      return 4;
  }
  return 0;
}

}  // namespace deepseek::agent::grammar
