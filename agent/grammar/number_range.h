#pragma once
// Numbers as JSON writes them, within bounds: edges from one node to another.

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "agent/grammar/grammar.h"

namespace deepseek::agent::grammar {

/// Integers without bounds have at most so many digits: every parser reads them exactly.
inline constexpr int kFreeDigits = 15;

/// Any number: an integer, with or without a fraction of up to 15 digits and an exponent of two.
void AnyNumber(Builder* out, int32_t from, int32_t to);
void AnyInteger(Builder* out, int32_t from, int32_t to);
/// All of [low, high].
void IntegerRange(Builder* out, int32_t from, int64_t low, int64_t high, int32_t to);

/// A number times 10^digits.
struct Scaled {
  int64_t value = 0;
  int digits = 0;
};
/// As written in JSON. kInvalidArgument: more than six digits behind the point, or 10^12 and more.
absl::StatusOr<Scaled> ParseScaled(std::string_view number);
/// `number` with `digits` (not less than its own).
int64_t Rescale(const Scaled& number, int digits);

/// Numbers from low to high, both times 10^digits: integers, and fractions with up to `digits`
/// digits at the borders, with up to six between them.
void NumberRange(Builder* out, int32_t from, int64_t low, int64_t high, int digits, int32_t to);

}  // namespace deepseek::agent::grammar
