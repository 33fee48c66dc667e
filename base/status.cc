#include "base/status.h"

#include <algorithm>
#include <string_view>

namespace deepseek {

int ExitCode(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kUnimplemented:
      return 2;
    case absl::StatusCode::kResourceExhausted:
      return 3;
    case absl::StatusCode::kUnavailable:
      return 4;
    default:
      return 1;
  }
}

namespace {

// Bytes of the UTF-8 character that `text` begins with; 0: it is malformed (RFC 3629, section 4).
size_t CharacterBytes(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  const size_t n = lead < 0x80   ? 1
                   : lead < 0xC2 ? 0
                   : lead < 0xE0 ? 2
                   : lead < 0xF0 ? 3
                   : lead < 0xF5 ? 4
                                 : 0;
  if (n == 0 || text.size() < n) return 0;
  for (size_t i = 1; i < n; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if ((lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) > 0x9F) ||
      (lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) > 0x8F)) {
    return 0;
  }
  return n;
}

}  // namespace

std::string ErrorLine(const absl::Status& status) {
  std::string line = "error: ";
  std::string_view rest(status.message().data(), status.message().size());
  while (!rest.empty()) {
    const size_t n = CharacterBytes(rest);
    const auto c = static_cast<unsigned char>(rest[0]);
    // U+0080 to U+009F are control characters too: C2 80 to C2 9F.
    const bool control = n == 1   ? c < 0x20 || c == 0x7f
                         : n == 2 ? c == 0xC2 && static_cast<unsigned char>(rest[1]) < 0xA0
                                  : false;
    if (n == 0) {
      line += "\xEF\xBF\xBD";
    } else if (c == '\n' || c == '\t') {
      line += ' ';
    } else if (!control) {
      line.append(rest, 0, n);
    }
    rest.remove_prefix(std::max<size_t>(n, 1));
  }
  return line;
}

}  // namespace deepseek
