#include "base/status.h"

#include <algorithm>
#include <string_view>

#include "base/utf8.h"

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
