// Changes on top of changes: edits, scales and pauses that meet on the way.

#include <gtest/gtest.h>

#include "tests/operator/decide/transcript.h"

namespace deepseek::decide {
namespace {

class TranscriptChangeTest : public ::testing::Test {
 protected:
  TranscriptChangeTest() {
    t_.Edit("apply, 3 replicas", Three());
    t_.Run();
  }
  Transcript t_;
};

TEST_F(TranscriptChangeTest, TwoEdits) {
  t_.Edit("a change", Batch(8));
  t_.Run(4);
  t_.Edit("another before the first is done", Batch(9));
  t_.Run();
  t_.Expect("two_edits");
}

TEST_F(TranscriptChangeTest, ScaledUpInMidRollout) {
  t_.Edit("a change", Batch(8));
  t_.Run(4);
  t_.Edit("5 replicas", Batch(8, {{"replicas", 5}}));
  t_.Run();
  t_.Expect("scale_up_in_mid_rollout");
}

TEST_F(TranscriptChangeTest, ScaledDownInMidRollout) {
  t_.Edit("a change", Batch(8));
  t_.Run(4);
  t_.Edit("1 replica", Batch(8, {{"replicas", 1}}));
  t_.Run();
  t_.Expect("scale_down_in_mid_rollout");
}

TEST_F(TranscriptChangeTest, TwoMayBeMissing) {
  t_.Edit("5 replicas", Three({{"replicas", 5}}));
  t_.Run();
  t_.Edit("a change, maxSurge 1, maxUnavailable 2",
          Batch(8, {{"replicas", 5}, {"rollout", {{"maxUnavailable", 2}}}}));
  t_.Run();
  t_.Expect("max_unavailable");
}

TEST_F(TranscriptChangeTest, ASurgeOfAll) {
  t_.Edit("a change, maxSurge 3", Batch(8, {{"rollout", {{"maxSurge", 3}}}}));
  t_.Run();
  t_.Expect("surge_of_all");
}

TEST_F(TranscriptChangeTest, ToZeroAndBack) {
  t_.Edit("0 replicas", Three({{"replicas", 0}}));
  t_.Run();
  t_.Edit("a change while there are none", Batch(8, {{"replicas", 0}}));
  t_.Run();
  t_.Edit("2 replicas", Batch(8, {{"replicas", 2}}));
  t_.Run();
  t_.Expect("zero");
}

TEST_F(TranscriptChangeTest, EditsWhilePaused) {
  t_.Edit("pause", Three({{"rollout", {{"paused", true}}}}));
  t_.Run(5);
  t_.Edit("a change", Batch(8, {{"rollout", {{"paused", true}}}}));
  t_.Run(5);
  t_.Edit("another", Batch(9, {{"rollout", {{"paused", true}}}}));
  t_.Run(5);
  t_.Edit("resume", Batch(9));
  t_.Run();
  t_.Expect("paused_edits");
}

TEST_F(TranscriptChangeTest, RecreateIsPausedWhileNothingRuns) {
  t_.Edit("a change with strategy Recreate", Batch(8, {{"rollout", {{"strategy", "Recreate"}}}}));
  t_.Run(1);
  t_.Edit("pause", Batch(8, {{"rollout", {{"strategy", "Recreate"}, {"paused", true}}}}));
  t_.Run(5);
  t_.Edit("resume", Batch(8, {{"rollout", {{"strategy", "Recreate"}}}}));
  t_.Run();
  t_.Expect("recreate_paused");
}

TEST_F(TranscriptChangeTest, History) {
  for (int batch = 1; batch <= 4; ++batch) {
    t_.Edit("a change, revisionHistoryLimit 2", Batch(batch, {{"revisionHistoryLimit", 2}}));
    t_.Run();
  }
  t_.Edit("back to the second, which is kept", Batch(2, {{"revisionHistoryLimit", 2}}));
  t_.Run();
  t_.Edit("back to the first of all, which is not", Three({{"revisionHistoryLimit", 2}}));
  t_.Run();
  t_.Expect("history");
}

TEST_F(TranscriptChangeTest, AnOperatorUpgrade) {
  t_.Say("the operator is upgraded: its agent is another image");
  t_.world.defaults = {"agent:2", "IfNotPresent", "0.2.0"};
  t_.Run();
  t_.Edit("the next change brings it", Batch(8));
  t_.Run();
  t_.Edit("revert: to the image that was tried then", Three());
  t_.Run();
  t_.Expect("operator_upgrade");
}

TEST_F(TranscriptChangeTest, TheMeansOfRollingAreChangedOnTheWay) {
  t_.Edit("a change, maxSurge 0, maxUnavailable 1",
          Batch(8, {{"rollout", {{"maxSurge", 0}, {"maxUnavailable", 1}}}}));
  t_.Run(3);
  t_.Edit("Recreate instead", Batch(8, {{"rollout", {{"strategy", "Recreate"}}}}));
  t_.Run();
  t_.Expect("recreate_on_the_way");
}

}  // namespace
}  // namespace deepseek::decide
