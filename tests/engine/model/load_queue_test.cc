#include "engine/model/load_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <numeric>

namespace deepseek::engine {
namespace {

TEST(LoadQueue, RunsEachPieceOnceOnAnyNumberOfThreads) {
  for (const int threads : {0, 1, 2, 7}) {
    LoadQueue queue(threads, 10, nullptr);
    std::vector<std::atomic<int>> runs(1000);
    for (size_t i = 0; i < runs.size(); ++i) {
      ASSERT_TRUE(queue
                      .Add(static_cast<int64_t>(i % 30),
                           [&runs, i, threads](int thread) {
                             EXPECT_LT(thread, std::max(threads, 1));
                             ++runs[i];
                             return absl::OkStatus();
                           })
                      .ok());
    }
    ASSERT_TRUE(queue.Finish().ok());
    EXPECT_TRUE(std::all_of(runs.begin(), runs.end(), [](const auto& n) { return n == 1; }));
  }
}

TEST(LoadQueue, HoldsNoMoreThanItsWindow) {
  std::atomic<int64_t> pending{0};
  std::atomic<int64_t> most{0};
  LoadQueue queue(2, 5, nullptr);
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(queue
                    .Add(1,
                         [&](int) {
                           most = std::max(most.load(), pending.load());
                           --pending;
                           return absl::OkStatus();
                         })
                    .ok());
    ++pending;
  }
  ASSERT_TRUE(queue.Finish().ok());
  EXPECT_LE(most, 5 + 1);  // counted after Add returns
}

TEST(LoadQueue, OfSeveralFailuresTheFirstAddedIsReported) {
  for (int round = 0; round < 200; ++round) {
    LoadQueue queue(4, 1 << 20, nullptr);
    absl::Status status;
    for (int i = 0; i < 50 && status.ok(); ++i) {
      status = queue.Add(1, [i](int) {
        return i < 10 ? absl::OkStatus() : absl::DataLossError(std::to_string(i));
      });
    }
    EXPECT_EQ(queue.Finish().message(), "10");
    if (!status.ok()) {
      EXPECT_EQ(status.message(), "10");
    }
  }
}

TEST(LoadQueue, CancelStopsAndWakesTheCaller) {
  std::atomic<bool> cancel{false};
  std::atomic<int> runs{0};
  LoadQueue queue(2, 3, &cancel);
  absl::Status status;
  while (status.ok()) {  // the window is full all the time: Add waits
    status = queue.Add(1, [&](int) {
      if (++runs == 20) cancel = true;
      return absl::OkStatus();
    });
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(queue.Finish().code(), absl::StatusCode::kCancelled);
  EXPECT_LE(runs, 22);  // those that were running
}

TEST(LoadQueue, MayBeDroppedWithWorkLeft) {
  std::atomic<int> runs{0};
  {
    LoadQueue queue(1, 1 << 20, nullptr);
    for (int i = 0; i < 1000; ++i) {
      ASSERT_TRUE(queue
                      .Add(1,
                           [&](int) {
                             ++runs;
                             return absl::OkStatus();
                           })
                      .ok());
    }
  }
  EXPECT_LE(runs, 1000);
}

}  // namespace
}  // namespace deepseek::engine
