#pragma once
// When a refused request has a better chance: travels as the payload of its status.

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"

namespace deepseek::engine {

inline constexpr char kRetryAfterPayload[] = "deepseek/retry-after";

/// kResourceExhausted that says when to come back.
inline absl::Status Refused(const std::string& message, absl::Duration retry_after) {
  absl::Status status = absl::ResourceExhaustedError(message);
  status.SetPayload(kRetryAfterPayload, absl::Cord(absl::FormatDuration(retry_after)));
  return status;
}

/// What Refused was told; nothing for any other status.
inline std::optional<absl::Duration> RetryAfter(const absl::Status& status) {
  const auto payload = status.GetPayload(kRetryAfterPayload);
  absl::Duration after;
  if (!payload || !absl::ParseDuration(std::string(*payload), &after)) return std::nullopt;
  return after;
}

}  // namespace deepseek::engine
