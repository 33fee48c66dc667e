#pragma once
// Durations and quantities as people write them in manifests.

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace deepseek::api {

inline constexpr int kMaxDurationLength = 32;
inline constexpr int kMaxQuantityLength = 64;
inline constexpr char kDurationPattern[] = "^([0-9]+(ms|s|m|h))+$";
/// That of k8s.io/apimachinery's Quantity, without a sign: nothing here may be negative.
inline constexpr char kQuantityPattern[] =
    "^(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?[0-9]+))?$";

/// "1h30m", "250ms"; units ms, s, m, h; at most 10 years.
absl::StatusOr<absl::Duration> ParseDuration(std::string_view text);

/// "90s", "1h30m", "250ms": the form that the agent's flags take.
std::string DurationText(absl::Duration duration);

/// Canonical text of a quantity, for comparison: "1000m" and "1" are both "1"; "1Gi" and
/// "1073741824" are equal too.
absl::StatusOr<std::string> CanonicalQuantity(std::string_view text);

/// A whole number of bytes (rounded up), at most 2^62.
absl::StatusOr<int64_t> ParseBytes(std::string_view text);

}  // namespace deepseek::api
