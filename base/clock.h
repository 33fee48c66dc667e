#pragma once
// The clock of deadlines, leases and waiting.

#include <time.h>

#include "absl/time/time.h"

namespace deepseek {

/// Only goes forward, however the wall clock is set, and goes on while the machine is suspended
/// (CLOCK_BOOTTIME). It counts from the start of the machine: no date.
inline absl::Time MonotonicNow() {
  timespec t{};
  clock_gettime(CLOCK_BOOTTIME, &t);
  return absl::UnixEpoch() + absl::DurationFromTimespec(t);
}

}  // namespace deepseek
