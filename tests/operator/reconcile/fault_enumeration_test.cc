// Every single fault at every single point of every story: the end is that of the undisturbed run,
// and no pod is made that it did not make.
//
// DEEPSEEK_FAULT_SHARE=N runs every Nth point only, with another offset in each story and kind of
// fault (the share of everyday test runs); 1 or unset runs all.

#include <gtest/gtest.h>

#include <cstdio>

#include "base/log.h"
#include "base/strings.h"
#include "tests/operator/reconcile/faults.h"
#include "tests/operator/reconcile/stories.h"

namespace deepseek::reconcile {
namespace {

class FaultEnumeration : public ::testing::TestWithParam<size_t> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(log::SetLevelByName("error").ok());
    Harness h;
    std::unique_ptr<PointCounter> counter;
    calm_ = Play(story(), &h, [&] { counter = std::make_unique<PointCounter>(&h); });
    ASSERT_FALSE(HasFailure());
    points_ = counter->Count();
    ASSERT_GT(points_.events, 0);
  }
  const Story& story() const { return Stories()[GetParam()]; }

  // Every `points` of this kind, or this run's share of them.
  void Enumerate(Fault fault, int points) {
    static int salt = 0;
    const int share = FaultShare();
    for (fault.point = 1 + ++salt % share; fault.point <= points; fault.point += share) {
      SCOPED_TRACE(fault.ToString());
      Harness h;
      auto happened = std::make_shared<bool>(false);
      const Outcome outcome = Play(story(), &h, [&] { Inject(fault, &h, happened); });
      ASSERT_TRUE(*happened);
      ASSERT_EQ(outcome.end_state, calm_.end_state);
      ASSERT_EQ(Restarts(story(), outcome, calm_), "");
      ASSERT_FALSE(HasFailure());
      ++runs_;
    }
    RecordProperty("runs", runs_);
    std::printf("%d runs\n", runs_);
  }

  Outcome calm_;
  Points points_;
  int runs_ = 0;
};

TEST_P(FaultEnumeration, CrashAfterEveryWrite) {
  Enumerate({Fault::Kind::kCrashAfterWrite}, points_.writes);
}

TEST_P(FaultEnumeration, CrashAndAStalePicture) {
  Enumerate({Fault::Kind::kCrashThenStaleLists}, points_.writes);
}

TEST_P(FaultEnumeration, EveryEventLost) {
  Enumerate({Fault::Kind::kDropEvent}, points_.events);
}

TEST_P(FaultEnumeration, EveryEventDelayed) {
  for (const int rounds : {2, 7}) {
    Enumerate({.kind = Fault::Kind::kDelayEvent, .rounds = rounds}, points_.events);
  }
}

TEST_P(FaultEnumeration, EveryWatchCutAndTooOld) {
  Enumerate({.kind = Fault::Kind::kCutWatchAndCompact, .rounds = 1}, points_.events);
}

TEST_P(FaultEnumeration, EveryListStale) {
  Enumerate({Fault::Kind::kStaleList}, points_.lists);
}

TEST_P(FaultEnumeration, EveryCallFailsOnce) {
  for (const char* answer : Answers()) {
    Enumerate({.kind = Fault::Kind::kFailCall, .answer = answer}, points_.calls);
  }
}

INSTANTIATE_TEST_SUITE_P(Stories, FaultEnumeration, ::testing::Range(size_t{0}, Stories().size()),
                         [](const auto& info) { return Stories()[info.param].name; });

}  // namespace
}  // namespace deepseek::reconcile
