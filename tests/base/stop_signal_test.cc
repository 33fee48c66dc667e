#include "base/stop_signal.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <csignal>
#include <thread>

namespace deepseek {
namespace {

bool IsReadable(const StopSignal& signal) {
  pollfd told{.fd = signal.fd(), .events = POLLIN, .revents = 0};
  return poll(&told, 1, 0) == 1;
}

TEST(StopSignalTest, IsToldOnceAndStays) {
  StopSignal signal;
  EXPECT_FALSE(signal.IsSet());
  EXPECT_FALSE(IsReadable(signal));
  EXPECT_FALSE(signal.Wait(absl::ZeroDuration()));
  EXPECT_FALSE(signal.Wait(-absl::Hours(1))) << "and returns";
  for (int i = 0; i < 3; ++i) {
    signal.Set();
    EXPECT_TRUE(signal.IsSet());
    EXPECT_TRUE(IsReadable(signal));
    EXPECT_TRUE(signal.Wait(absl::InfiniteDuration()));
  }
}

TEST(StopSignalTest, WakesThoseWhoWait) {
  StopSignal signal;
  std::thread first([&] { EXPECT_TRUE(signal.Wait(absl::InfiniteDuration())); });
  std::thread second([&] { EXPECT_TRUE(signal.Wait(absl::InfiniteDuration())); });
  signal.Set();
  first.join();
  second.join();
}

StopSignal* g_signal = nullptr;

TEST(StopSignalTest, MayBeToldInASignalHandler) {
  StopSignal signal;
  g_signal = &signal;
  const auto before = std::signal(SIGUSR1, [](int) { g_signal->Set(); });
  std::raise(SIGUSR1);
  std::signal(SIGUSR1, before);
  EXPECT_TRUE(IsReadable(signal));
}

}  // namespace
}  // namespace deepseek
