#include "agent/cli/bytes_flag.h"

#include <array>
#include <limits>
#include <string_view>
#include <utility>

#include "absl/strings/numbers.h"
#include "base/strings.h"

namespace deepseek::agent {

absl::StatusOr<int64_t> ParseBytesFlag(const std::string& flag, const std::string& value) {
  constexpr std::array<std::pair<std::string_view, int64_t>, 8> kSuffixes = {
      {{"Ki", int64_t{1} << 10},
       {"Mi", int64_t{1} << 20},
       {"Gi", int64_t{1} << 30},
       {"Ti", int64_t{1} << 40},
       {"k", 1000},
       {"M", 1'000'000},
       {"G", 1'000'000'000},
       {"T", 1'000'000'000'000}}};
  std::string_view digits = value;
  int64_t unit = 1;
  for (const auto& [suffix, bytes] : kSuffixes) {
    if (digits.ends_with(suffix)) {
      digits.remove_suffix(suffix.size());
      unit = bytes;
      break;
    }
  }
  int64_t number = 0;
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos ||
      !absl::SimpleAtoi(ToAbsl(digits), &number) ||
      number > std::numeric_limits<int64_t>::max() / unit) {
    return absl::InvalidArgumentError(StrCat(
        flag, ": '", value, "' is not a number of bytes (for example 1073741824, 512Mi, 4Gi)"));
  }
  return number * unit;
}

}  // namespace deepseek::agent
