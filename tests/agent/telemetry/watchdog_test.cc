#include "agent/telemetry/watchdog.h"

#include <gtest/gtest.h>

namespace deepseek::agent {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1000);

engine::Stats Figures(int running, int64_t steps, int64_t progress) {
  engine::Stats stats;
  stats.running = running;
  stats.steps = steps;
  stats.progress = progress;
  return stats;
}

class WatchdogTest : public ::testing::Test {
 protected:
  void See(int second, const engine::Stats& stats) {
    dog_.Observe(stats, kStart + absl::Seconds(second));
  }
  bool Hung(int second) const { return dog_.Hung(kStart + absl::Seconds(second)); }
  Watchdog dog_{absl::Seconds(20)};
};

TEST_F(WatchdogTest, IdleIsNotHung) {
  EXPECT_FALSE(Hung(0));
  See(0, Figures(0, 5, 5));
  See(100, Figures(0, 5, 5));
  EXPECT_FALSE(Hung(200));
}

TEST_F(WatchdogTest, PendingWithoutProgressIsHung) {
  See(0, Figures(1, 5, 5));
  See(10, Figures(1, 5, 5));
  EXPECT_FALSE(Hung(19));
  EXPECT_TRUE(Hung(20));
}

TEST_F(WatchdogTest, ALongStepIsNotHung) {
  for (int second = 0; second < 100; second += 10) See(second, Figures(1, 5, second));
  EXPECT_FALSE(Hung(100));
}

TEST_F(WatchdogTest, WorkAfterALongPauseStartsTheClock) {
  See(0, Figures(0, 5, 5));
  See(1000, Figures(1, 5, 5));
  EXPECT_FALSE(Hung(1019));
  EXPECT_TRUE(Hung(1020));
}

TEST_F(WatchdogTest, WaitingCountsAsPendingAndRecoveryIsSeen) {
  engine::Stats stats = Figures(0, 5, 5);
  stats.waiting = 1;
  See(0, stats);
  EXPECT_TRUE(Hung(20));
  stats.steps = 6;
  See(21, stats);
  EXPECT_FALSE(Hung(22));
}

}  // namespace
}  // namespace deepseek::agent
