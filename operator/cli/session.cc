#include "operator/cli/session.h"

#include "base/json_full.h"
#include "base/strings.h"
#include "base/utf8.h"

namespace deepseek::cli {
namespace {

std::string Paint(bool colour, const char* code, std::string_view text) {
  return colour ? StrCat("\x1b[", code, "m", text, "\x1b[0m") : std::string(text);
}

}  // namespace

std::string Style::Good(std::string_view text) const {
  return Paint(colour, "32", text);
}
std::string Style::Bad(std::string_view text) const {
  return Paint(colour, "31", text);
}
std::string Style::Dim(std::string_view text) const {
  return Paint(colour, "2", text);
}

std::string Age(absl::Duration age) {
  const int64_t seconds = std::max<int64_t>(0, absl::ToInt64Seconds(age));
  if (seconds < 120) return StrCat(seconds, "s");
  if (seconds < 2 * 3600) return StrCat(seconds / 60, "m");
  if (seconds < 48 * 3600) return StrCat(seconds / 3600, "h");
  return StrCat(seconds / 86400, "d");
}

std::string Short(std::string_view text, size_t width) {
  std::string line(text.substr(0, text.find('\n')));
  if (line.size() <= width) return line;
  return StrCat(Clip(line, width > 3 ? width - 3 : 0), "...");
}

std::string PrettyJson(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace deepseek::cli
