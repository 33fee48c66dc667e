#include "agent/grammar/number_range.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/strings.h"

namespace deepseek::agent::grammar {
namespace {

constexpr int kMostDigits = 6;
constexpr int64_t kMostWhole = 1'000'000'000'000;
constexpr int kFreeFraction = 6;

int64_t PowerOfTen(int n) {
  int64_t power = 1;
  for (int i = 0; i < n; ++i) power *= 10;
  return power;
}

void Digit(Builder* out, int32_t from, char low, char high, int32_t to) {
  if (low <= high) out->Byte(from, static_cast<uint8_t>(low), static_cast<uint8_t>(high), to);
}

/// `least` to `most` digits of any kind.
void FreeDigits(Builder* out, int32_t from, int least, int most, int32_t to) {
  for (int i = 0; i <= most; ++i) {
    if (i >= least) out->Empty(from, to);
    if (i == most) return;
    const int32_t next = out->AddNode();
    Digit(out, from, '0', '9', next);
    from = next;
  }
}

/// Digits of one width, from `low` to `high`.
void SameWidth(Builder* out, int32_t from, const std::string& low, const std::string& high,
               int32_t to) {
  const size_t width = low.size();
  size_t i = 0;
  for (; i < width && low[i] == high[i]; ++i) {
    const int32_t next = out->AddNode();
    Digit(out, from, low[i], low[i], next);
    from = next;
  }
  if (i == width) return out->Empty(from, to);
  // [k]: k digits are still free. Shared by all branches that have left the borders.
  std::vector<int32_t> free(width - i);
  for (size_t k = 0; k < free.size(); ++k) {
    free[k] = k == 0 ? to : out->AddNode();
    if (k > 0) Digit(out, free[k], '0', '9', free[k - 1]);
  }
  size_t left = width - i - 1;
  Digit(out, from, static_cast<char>(low[i] + 1), static_cast<char>(high[i] - 1), free[left]);
  int32_t at_low = from, at_high = from;
  const auto follow = [&](int32_t* at, char digit) {
    const int32_t next = out->AddNode();
    Digit(out, *at, digit, digit, next);
    *at = next;
  };
  follow(&at_low, low[i]);
  follow(&at_high, high[i]);
  for (++i; i < width; ++i) {
    --left;
    Digit(out, at_low, static_cast<char>(low[i] + 1), '9', free[left]);
    Digit(out, at_high, '0', static_cast<char>(high[i] - 1), free[left]);
    follow(&at_low, low[i]);
    follow(&at_high, high[i]);
  }
  out->Empty(at_low, to);
  out->Empty(at_high, to);
}

void Natural(Builder* out, int32_t from, uint64_t low, uint64_t high, int32_t to) {
  const std::string first = StrCat(low), last = StrCat(high);
  if (first.size() == last.size()) return SameWidth(out, from, first, last, to);
  SameWidth(out, from, first, std::string(first.size(), '9'), to);
  SameWidth(out, from, "1" + std::string(last.size() - 1, '0'), last, to);
  const int between = static_cast<int>(last.size() - first.size()) - 1;
  if (between <= 0) return;
  const int32_t begun = out->AddNode();
  Digit(out, from, '1', '9', begun);
  FreeDigits(out, begun, static_cast<int>(first.size()), static_cast<int>(last.size()) - 2, to);
}

std::string Padded(int64_t value, int width) {
  std::string text = StrCat(value);
  return std::string(static_cast<size_t>(width) - text.size(), '0') + text;
}

/// whole.x with 1 to `digits` digits x, where x times 10^digits lies in [low, high].
void Fraction(Builder* out, int32_t from, int64_t whole, int64_t low, int64_t high, int digits,
              int32_t to) {
  const int32_t point = out->Text(from, StrCat(whole, "."));
  for (int d = 1; d <= digits; ++d) {
    const int64_t unit = PowerOfTen(digits - d);
    const int64_t first = (low + unit - 1) / unit, last = high / unit;
    if (first <= last) SameWidth(out, point, Padded(first, d), Padded(last, d), to);
  }
}

/// Numbers of [low, high], not below zero.
void Positive(Builder* out, int32_t from, int64_t low, int64_t high, int digits, int32_t to) {
  const int64_t scale = PowerOfTen(digits);
  const int64_t first = low / scale, last = high / scale;
  const int64_t low_rest = low % scale, high_rest = high % scale;
  const int64_t least = low_rest == 0 ? first : first + 1;
  if (least <= last)
    Natural(out, from, static_cast<uint64_t>(least), static_cast<uint64_t>(last), to);
  if (digits == 0) return;
  if (least <= last - 1) {
    const int32_t whole = out->AddNode();
    Natural(out, from, static_cast<uint64_t>(least), static_cast<uint64_t>(last - 1), whole);
    FreeDigits(out, out->Text(whole, "."), 1, kFreeFraction, to);
  }
  if (low_rest != 0)
    Fraction(out, from, first, low_rest, first == last ? high_rest : scale - 1, digits, to);
  if (least <= last) Fraction(out, from, last, 0, high_rest, digits, to);
}

}  // namespace

void AnyInteger(Builder* out, int32_t from, int32_t to) {
  const int32_t sign = out->AddNode(), begun = out->AddNode();
  out->Empty(from, sign);
  out->Byte(from, '-', '-', sign);
  out->Byte(sign, '0', '0', to);
  out->Byte(sign, '1', '9', begun);
  FreeDigits(out, begun, 0, kFreeDigits - 1, to);
}

void AnyNumber(Builder* out, int32_t from, int32_t to) {
  const int32_t whole = out->AddNode(), fraction = out->AddNode(), exponent = out->AddNode(),
                sign = out->AddNode();
  AnyInteger(out, from, whole);
  out->Empty(whole, fraction);
  FreeDigits(out, out->Text(whole, "."), 1, kFreeDigits, fraction);
  out->Empty(fraction, to);
  out->Byte(fraction, 'e', 'e', exponent);
  out->Byte(fraction, 'E', 'E', exponent);
  out->Empty(exponent, sign);
  out->Byte(exponent, '+', '+', sign);
  out->Byte(exponent, '-', '-', sign);
  FreeDigits(out, sign, 1, 2, to);
}

void IntegerRange(Builder* out, int32_t from, int64_t low, int64_t high, int32_t to) {
  const auto size = [](int64_t negative) { return uint64_t{0} - static_cast<uint64_t>(negative); };
  if (low < 0) Natural(out, out->Text(from, "-"), size(std::min<int64_t>(high, -1)), size(low), to);
  if (high >= 0) {
    Natural(out, from, static_cast<uint64_t>(std::max<int64_t>(low, 0)),
            static_cast<uint64_t>(high), to);
  }
}

absl::StatusOr<Scaled> ParseScaled(std::string_view number) {
  Scaled out;
  const bool negative = number.starts_with('-');
  if (negative) number.remove_prefix(1);
  int digits = -1;
  for (const char c : number) {
    if (c == '.' && digits < 0) {
      digits = 0;
      continue;
    }
    const bool zero_at_end = digits >= kMostDigits && c == '0';
    if (c < '0' || c > '9' || (digits >= kMostDigits && !zero_at_end) ||
        out.value > kMostWhole * PowerOfTen(std::max(digits, 0)) / 10) {
      return absl::InvalidArgumentError(
          StrCat(negative ? "-" : "", number,
                 ": a bound may have up to 12 digits before and 6 behind the point"));
    }
    if (zero_at_end) continue;
    out.value = out.value * 10 + (c - '0');
    if (digits >= 0) ++digits;
  }
  out.digits = std::max(digits, 0);
  if (negative) out.value = -out.value;
  return out;
}

int64_t Rescale(const Scaled& number, int digits) {
  return number.value * PowerOfTen(digits - number.digits);
}

void NumberRange(Builder* out, int32_t from, int64_t low, int64_t high, int digits, int32_t to) {
  if (low < 0) Positive(out, out->Text(from, "-"), -std::min<int64_t>(high, -1), -low, digits, to);
  if (high >= 0) Positive(out, from, std::max<int64_t>(low, 0), high, digits, to);
}

}  // namespace deepseek::agent::grammar
