#include "base/clock.h"

#include <gtest/gtest.h>

namespace deepseek {
namespace {

// CLOCK_MONOTONIC stands still while the machine is suspended, CLOCK_REALTIME can be set.
TEST(ClockTest, IsTheOneThatGoesOnWhileTheMachineSleeps) {
  const auto read = [] {
    timespec t{};
    EXPECT_EQ(clock_gettime(CLOCK_BOOTTIME, &t), 0);
    return absl::TimeFromTimespec(t);
  };
  const absl::Time before = read(), now = MonotonicNow(), after = read();
  EXPECT_LE(before, now);
  EXPECT_LE(now, after);
}

}  // namespace
}  // namespace deepseek
