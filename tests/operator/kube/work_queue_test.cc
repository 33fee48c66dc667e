#include "operator/kube/work_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "base/strings.h"

namespace deepseek::kube {
namespace {

class WorkQueueTest : public ::testing::Test {
 protected:
  absl::Time now_ = absl::UnixEpoch();
  WorkQueue queue_{[this] { return now_; }};
};

TEST_F(WorkQueueTest, KeysComeInOrderAndOnce) {
  queue_.Add("a");
  queue_.Add("b");
  queue_.Add("a");
  EXPECT_EQ(queue_.due(), 2u);
  EXPECT_EQ(queue_.TryTake(), "a");
  EXPECT_EQ(queue_.due(), 1u);
  EXPECT_EQ(queue_.TryTake(), "b");
  EXPECT_EQ(queue_.TryTake(), std::nullopt);
}

TEST_F(WorkQueueTest, AKeyInAWorkersHandsComesAgainWhenDone) {
  queue_.Add("a");
  ASSERT_EQ(queue_.TryTake(), "a");
  queue_.Add("a");
  queue_.Add("a");
  EXPECT_EQ(queue_.TryTake(), std::nullopt);  // one worker per key
  queue_.Done("a");
  EXPECT_EQ(queue_.TryTake(), "a");
  queue_.Done("a");
  EXPECT_EQ(queue_.TryTake(), std::nullopt);
}

TEST_F(WorkQueueTest, ADelayedKeyWaitsAndAnEarlierTimeWins) {
  queue_.AddAt("a", now_ + absl::Seconds(10));
  queue_.AddAt("a", now_ + absl::Seconds(5));
  queue_.AddAt("a", now_ + absl::Seconds(20));
  now_ += absl::Seconds(4);
  EXPECT_EQ(queue_.TryTake(), std::nullopt);
  now_ += absl::Seconds(1);
  EXPECT_EQ(queue_.TryTake(), "a");
  queue_.Done("a");
  now_ += absl::Hours(1);
  EXPECT_EQ(queue_.TryTake(), std::nullopt);
}

TEST_F(WorkQueueTest, AnEventOvertakesTheDelay) {
  queue_.AddAt("a", now_ + absl::Hours(1));
  queue_.Add("a");
  EXPECT_EQ(queue_.TryTake(), "a");
  queue_.Done("a");
  now_ += absl::Hours(2);
  EXPECT_EQ(queue_.TryTake(), std::nullopt);  // the delay is spent
}

TEST_F(WorkQueueTest, ADelayThatEndsInAWorkersHandsIsNotLost) {
  queue_.Add("a");
  ASSERT_EQ(queue_.TryTake(), "a");
  queue_.AddAt("a", now_ + absl::Seconds(1));
  now_ += absl::Seconds(2);
  EXPECT_EQ(queue_.TryTake(), std::nullopt);
  queue_.Done("a");
  EXPECT_EQ(queue_.TryTake(), "a");
}

TEST_F(WorkQueueTest, NamespacesTakeTurns) {
  for (int i = 0; i < 100; ++i) queue_.Add(StrCat("big/", i));
  queue_.Add("small/a");
  queue_.Add("small/b");
  queue_.Add("other/a");
  std::vector<std::string> first;
  first.reserve(6);
  for (int i = 0; i < 6; ++i) first.push_back(*queue_.TryTake());
  EXPECT_EQ(first,
            (std::vector<std::string>{"big/0", "small/a", "other/a", "big/1", "small/b", "big/2"}));
  for (int i = 3; i < 100; ++i) EXPECT_EQ(queue_.TryTake(), StrCat("big/", i));
  EXPECT_EQ(queue_.TryTake(), std::nullopt);
}

TEST_F(WorkQueueTest, TellsWhenTheNextDelayEnds) {
  EXPECT_EQ(queue_.NextDue(), absl::InfiniteFuture());
  queue_.AddAt("a", now_ + absl::Seconds(10));
  queue_.AddAt("b", now_ + absl::Seconds(5));
  EXPECT_EQ(queue_.NextDue(), now_ + absl::Seconds(5));
  queue_.Add("b");
  EXPECT_EQ(queue_.NextDue(), now_ + absl::Seconds(10));
}

TEST_F(WorkQueueTest, NeverMeansNever) {
  queue_.AddAt("a", absl::InfiniteFuture());
  EXPECT_EQ(queue_.NextDue(), absl::InfiniteFuture());
}

// What operators watch for a backlog: a controller at rest has none, although each key has its next
// look.
TEST_F(WorkQueueTest, DueAreThoseThatAWorkerCouldTakeNow) {
  queue_.AddAt("ns/a", now_ + absl::Seconds(1));
  queue_.AddAt("ns/b", now_ + absl::Seconds(2));
  EXPECT_EQ(queue_.due(), 0u);
  now_ += absl::Seconds(1);
  EXPECT_EQ(queue_.due(), 1u);
  ASSERT_EQ(queue_.TryTake(), "ns/a");
  queue_.Add("ns/a");
  queue_.AddAt("ns/a", now_);
  EXPECT_EQ(queue_.due(), 0u) << "in a worker's hands";
  queue_.Done("ns/a");
  EXPECT_EQ(queue_.due(), 1u);
}

TEST_F(WorkQueueTest, AKeyWaitsFromItsFirstAddOrFromWhenItIsDue) {
  std::vector<absl::Duration> waited;
  WorkQueue queue([this] { return now_; }, {},
                  [&](absl::Duration duration) { waited.push_back(duration); });
  queue.Add("a");
  now_ += absl::Seconds(2);
  queue.Add("a");
  now_ += absl::Seconds(1);
  ASSERT_EQ(queue.TryTake(), "a");
  EXPECT_EQ(waited.back(), absl::Seconds(3));
  queue.Add("a");  // it comes again, and waits for the worker
  now_ += absl::Seconds(4);
  queue.Done("a");
  ASSERT_EQ(queue.Take(), "a");
  EXPECT_EQ(waited.back(), absl::Seconds(4));
  queue.AddAt("b", now_ + absl::Seconds(5));
  now_ += absl::Seconds(7);
  ASSERT_EQ(queue.TryTake(), "b");
  EXPECT_EQ(waited.back(), absl::Seconds(2));
  queue.AddAt("c", now_ + absl::Seconds(1));
  now_ += absl::Seconds(7);
  queue.Add("c");  // nobody has looked since it was due
  ASSERT_EQ(queue.TryTake(), "c");
  EXPECT_EQ(waited.back(), absl::Seconds(6));
  EXPECT_EQ(queue.TryTake(), std::nullopt);
  EXPECT_EQ(waited.size(), 4U);
}

TEST_F(WorkQueueTest, AddsAreKeysThatDidNotWaitYet) {
  queue_.Add("a");
  queue_.Add("a");
  EXPECT_EQ(queue_.figures().adds, 1);
  ASSERT_EQ(queue_.TryTake(), "a");
  queue_.Add("a");
  queue_.AddAt("b", now_ + absl::Seconds(1));
  EXPECT_EQ(queue_.figures().adds, 2) << "b is not due";
  now_ += absl::Seconds(1);
  ASSERT_EQ(queue_.TryTake(), "b");
  EXPECT_EQ(queue_.figures().adds, 3);
}

TEST_F(WorkQueueTest, TellsHowLongWorkersHaveHadTheirKeys) {
  EXPECT_EQ(queue_.figures().work, absl::ZeroDuration());
  queue_.Add("a");
  queue_.Add("b");
  ASSERT_EQ(queue_.TryTake(), "a");
  now_ += absl::Seconds(3);
  ASSERT_EQ(queue_.TryTake(), "b");
  now_ += absl::Seconds(4);
  EXPECT_EQ(queue_.figures().work, absl::Seconds(11));
  EXPECT_EQ(queue_.figures().oldest, absl::Seconds(7));
  queue_.Done("a");
  EXPECT_EQ(queue_.figures().work, absl::Seconds(4));
  EXPECT_EQ(queue_.figures().oldest, absl::Seconds(4));
  EXPECT_EQ(queue_.figures().depth, 0U);
}

TEST_F(WorkQueueTest, BackoffDoublesFromFiveMillisecondsToAThousandSeconds) {
  absl::Duration expected = absl::Milliseconds(5);
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(queue_.AddAfterFailure("a"), std::min(expected, absl::Seconds(1000))) << i;
    expected = std::min(2 * expected, absl::Hours(10));
  }
  EXPECT_EQ(queue_.failures("a"), 40);
  EXPECT_EQ(queue_.AddAfterFailure("a", absl::Seconds(10)), absl::Seconds(10));
  EXPECT_EQ(queue_.AddAfterFailure("b"), absl::Milliseconds(5));  // each key has its own
  queue_.Forget("a");
  EXPECT_EQ(queue_.AddAfterFailure("a"), absl::Milliseconds(5));
}

TEST_F(WorkQueueTest, StopWakesWorkersAndDropsWhatWaits) {
  queue_.Add("a");
  ASSERT_EQ(queue_.Take(), "a");
  std::thread worker([this] { EXPECT_EQ(queue_.Take(), std::nullopt); });
  queue_.Stop();
  worker.join();
  queue_.Add("b");
  queue_.AddAt("b", now_);
  queue_.Done("a");
  EXPECT_EQ(queue_.TryTake(), std::nullopt);
  EXPECT_EQ(queue_.due(), 0u);
}

TEST(WorkQueueThreads, NoKeyIsEverInTwoHandsAndNoneIsLost) {
  WorkQueue queue([] { return absl::Now(); });
  constexpr int kKeys = 7, kRounds = 2000;
  std::vector<std::atomic<int>> hands(kKeys), last(kKeys), added(kKeys);
  std::vector<std::thread> threads;
  threads.reserve(3);
  for (int w = 0; w < 3; ++w) {
    threads.emplace_back([&] {
      while (auto key = queue.Take()) {
        const int k = std::stoi(*key);
        EXPECT_EQ(hands[k].fetch_add(1), 0);
        last[k].store(added[k].load());
        hands[k].fetch_sub(1);
        queue.Done(*key);
      }
    });
  }
  for (int i = 0; i < kRounds; ++i) {
    const int k = i % kKeys;
    added[k].fetch_add(1);
    if (i % 3 == 0) {
      queue.AddAt(StrCat(k), absl::Now() + absl::Milliseconds(1));
    } else {
      queue.Add(StrCat(k));
    }
  }
  // Every add is followed by a run that sees it.
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  const auto caught_up = [&] {
    for (int k = 0; k < kKeys; ++k) {
      if (last[k].load() != added[k].load()) return false;
    }
    return true;
  };
  while (!caught_up() && absl::Now() < deadline) std::this_thread::yield();
  EXPECT_TRUE(caught_up());
  queue.Stop();
  for (std::thread& thread : threads) thread.join();
}

TEST(WorkQueueThreads, ADelayedKeyIsTakenInTimeByThoseWhoNap) {
  WorkQueue queue([] { return absl::Now(); });
  queue.AddAt("far", absl::Now() + absl::Hours(1));  // their naps are long
  std::atomic<int> taken{0};
  const auto work = [&] {
    while (auto key = queue.Take()) {
      ++taken;
      queue.Done(*key);
    }
  };
  std::thread first(work), second(work);
  for (int round = 1; round <= 20; ++round) {
    queue.AddAt("near", absl::Now() + absl::Milliseconds(5));
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (taken < round && absl::Now() < deadline) std::this_thread::yield();
    EXPECT_EQ(taken, round);
    if (taken != round) break;
  }
  queue.Stop();
  first.join();
  second.join();
}

TEST(WorkQueueThreads, ADelayedKeyIsTakenInTimeWhoeverIsBusy) {
  WorkQueue queue([] { return absl::Now(); });
  queue.AddAt("far", absl::Now() + absl::Hours(1));  // those who wait may nap for long
  std::atomic<int> near{0}, busy{0}, in_time{0};
  const auto until = [](const auto& done) {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (!done() && absl::Now() < deadline) std::this_thread::yield();
    return done();
  };
  const auto work = [&] {
    while (auto key = queue.Take()) {
      if (*key == "near") {
        ++near;
      } else if (*key == "busy") {
        const int round = ++busy;
        if (until([&] { return near >= round; })) ++in_time;
      }
      queue.Done(*key);
    }
  };
  std::thread first(work), second(work);
  for (int round = 1; round <= 20; ++round) {
    queue.AddAt("near", absl::Now() + absl::Milliseconds(5));
    queue.Add("busy");
    const bool done = until([&] { return busy == round && in_time == round; });
    EXPECT_TRUE(done) << "round " << round;
    if (!done) break;
  }
  queue.Stop();
  first.join();
  second.join();
}

}  // namespace
}  // namespace deepseek::kube
