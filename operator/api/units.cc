#include "operator/api/units.h"

#include <cctype>
#include <optional>

#include "base/strings.h"

namespace deepseek::api {
namespace {

// Nano units of the largest quantity (2^62 * 10^9) need 92 bits.
__extension__ using Wide = __int128;

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

absl::Status Bad(std::string_view what, std::string_view text, std::string_view form) {
  return absl::InvalidArgumentError(
      StrCat("\"", text.substr(0, 64), "\" is not a ", what, " (", form, ")"));
}

// Value of a suffix as number * 10^-9; nullopt if it is none.
std::optional<Wide> Multiplier(std::string_view suffix) {
  constexpr Wide kNano = 1'000'000'000;
  if (suffix.empty()) return kNano;
  if (suffix == "n") return 1;
  if (suffix == "u") return 1'000;
  if (suffix == "m") return 1'000'000;
  if (suffix == "k") return kNano * 1'000;
  static constexpr std::string_view kLetters = "KMGTPE";
  const size_t power = kLetters.find(suffix[0]);
  if (power == std::string_view::npos) return std::nullopt;
  const bool binary = suffix.size() == 2 && suffix[1] == 'i';
  if (!binary && (suffix.size() != 1 || power == 0)) return std::nullopt;  // "K" alone is no suffix
  Wide value = kNano;
  for (size_t i = 0; i <= power; ++i) value *= binary ? 1024 : 1000;
  return value;
}

// The quantity in units of 10^-9, rounded up.
absl::StatusOr<Wide> Nano(std::string_view text) {
  constexpr Wide kMax = (Wide{1} << 62) * 1'000'000'000;
  const auto bad = [&] {
    return Bad("quantity", text, "a number with a suffix such as 500m, 2, 1.5, 16Gi");
  };
  if (text.empty() || text.size() > kMaxQuantityLength) return bad();
  Wide digits = 0, scale = 1;
  size_t i = 0;
  bool any = false, point = false;
  for (; i < text.size() && (IsDigit(text[i]) || (text[i] == '.' && !point)); ++i) {
    if (text[i] == '.') {
      point = true;
      continue;
    }
    any = true;
    if (point && scale >= 1'000'000'000) continue;  // finer than a nano: below what counts
    if (digits > kMax) return bad();
    digits = digits * 10 + (text[i] - '0');
    if (point) scale *= 10;
  }
  if (!any) return bad();
  std::string_view suffix = text.substr(i);
  Wide factor = 1'000'000'000;
  if (suffix.size() >= 2 && (suffix[0] == 'e' || suffix[0] == 'E') && suffix != "Ei") {
    std::string_view exponent = suffix.substr(1);
    const bool negative = exponent[0] == '-';
    if (exponent[0] == '-' || exponent[0] == '+') exponent.remove_prefix(1);
    if (exponent.empty() || exponent.size() > 2) return bad();
    int power = 0;
    for (const char c : exponent) {
      if (!IsDigit(c)) return bad();
      power = power * 10 + (c - '0');
    }
    if (power > 18) return bad();
    for (int p = 0; p < power; ++p) {
      if (negative) {
        scale *= 10;
      } else {
        factor *= 10;
      }
    }
  } else {
    const std::optional<Wide> known = Multiplier(suffix);
    if (!known) return bad();
    factor = *known;
  }
  const long double estimate = static_cast<long double>(digits) * static_cast<long double>(factor) /
                               static_cast<long double>(scale);
  if (estimate > static_cast<long double>(kMax)) return bad();
  // Divide first: digits * factor need not fit, while both terms below stay under 2^121.
  const Wide whole = digits / scale, rest = digits % scale;
  return whole * factor + (rest * factor + scale - 1) / scale;
}

std::string WideText(Wide value) {
  if (value == 0) return "0";
  std::string out;
  for (; value > 0; value /= 10)
    out.insert(out.begin(), static_cast<char>('0' + static_cast<int>(value % 10)));
  return out;
}

}  // namespace

absl::StatusOr<absl::Duration> ParseDuration(std::string_view text) {
  const auto bad = [&] { return Bad("duration", text, "such as 90s, 5m, 1h30m, 250ms"); };
  if (text.empty() || text.size() > kMaxDurationLength) return bad();
  absl::Duration total;
  for (size_t i = 0; i < text.size();) {
    int64_t number = 0;
    const size_t start = i;
    for (; i < text.size() && IsDigit(text[i]); ++i) {
      if (number > 100'000'000'000) return bad();
      number = number * 10 + (text[i] - '0');
    }
    if (i == start || i == text.size()) return bad();
    if (text[i] == 'h') {
      total += absl::Hours(number);
    } else if (text.substr(i, 2) == "ms") {
      total += absl::Milliseconds(number);
      ++i;
    } else if (text[i] == 'm') {
      total += absl::Minutes(number);
    } else if (text[i] == 's') {
      total += absl::Seconds(number);
    } else {
      return bad();
    }
    ++i;
  }
  if (total > absl::Hours(24 * 3650)) return bad();
  return total;
}

std::string DurationText(absl::Duration duration) {
  const int64_t ms = absl::ToInt64Milliseconds(duration);
  if (ms % 1000 != 0) return StrCat(ms, "ms");
  const int64_t s = ms / 1000;
  std::string out;
  if (s >= 3600) StrAppend(&out, s / 3600, "h");
  if (s % 3600 >= 60) StrAppend(&out, s % 3600 / 60, "m");
  if (s % 60 != 0 || s == 0) StrAppend(&out, s % 60, "s");
  return out;
}

absl::StatusOr<std::string> CanonicalQuantity(std::string_view text) {
  auto nano = Nano(text);
  if (!nano.ok()) return nano.status();
  constexpr Wide kNano = 1'000'000'000;
  if (*nano % kNano == 0) return WideText(*nano / kNano);
  return WideText(*nano) + "n";
}

absl::StatusOr<int64_t> ParseBytes(std::string_view text) {
  auto nano = Nano(text);
  if (!nano.ok()) return nano.status();
  constexpr Wide kNano = 1'000'000'000;
  return static_cast<int64_t>((*nano + kNano - 1) / kNano);
}

}  // namespace deepseek::api
