// Rollouts that go as planned: changes, reverts, pauses, deadlines.

#include "tests/operator/decide/transcript.h"

#include <gtest/gtest.h>

namespace deepseek::decide {
namespace {

TEST(TranscriptTest, Rolling) {
  Transcript t;
  t.Edit("apply, 3 replicas", Three());
  t.Run();
  t.Edit("a change, maxSurge 1, maxUnavailable 0", Batch(8));
  t.Run();
  t.Edit("revert", Three());
  t.Run();
  t.Expect("rolling");
}

TEST(TranscriptTest, BadModel) {
  Transcript t;
  t.Edit("apply, 3 replicas", Three());
  t.Run();
  t.Edit("a change to a model that the agent refuses", Batch(8));
  t.world.fates[t.world.last_hash8] = Fate::kInvalid;
  t.Run();
  t.Edit("another change, good", Batch(9));
  t.Run();
  t.Expect("bad_model");
}

TEST(TranscriptTest, RevertInMidRollout) {
  Transcript t;
  t.Edit("apply, 3 replicas", Three());
  t.Run();
  t.Edit("a change that stays loading", Batch(8));
  t.world.fates[t.world.last_hash8] = Fate::kLoading;
  t.Run(5);
  t.Edit("revert: stable's pods are not touched", Three());
  t.Run();
  t.Expect("revert_in_mid_rollout");
}

TEST(TranscriptTest, Recreate) {
  Transcript t;
  t.Edit("apply, 3 replicas", Three());
  t.Run();
  t.Edit("a change with strategy Recreate", Batch(8, {{"rollout", {{"strategy", "Recreate"}}}}));
  t.Run();
  t.Expect("recreate");
}

TEST(TranscriptTest, PauseScaleResume) {
  Transcript t;
  t.Edit("apply, 3 replicas", Three());
  t.Run();
  t.Edit("a change", Batch(8));
  t.Run(3);
  t.Edit("pause", Batch(8, {{"rollout", {{"paused", true}}}}));
  t.Run(5);
  t.Edit("5 replicas while paused", Batch(8, {{"rollout", {{"paused", true}}}, {"replicas", 5}}));
  t.Run(5);
  t.Edit("resume", Batch(8, {{"replicas", 5}}));
  t.Run();
  t.Expect("pause_scale_resume");
}

TEST(TranscriptTest, Deadline) {
  Transcript t;
  t.Edit("apply, 3 replicas, progressDeadline 10s, loading for ever",
         Three({{"rollout", {{"progressDeadline", "10s"}}}}));
  t.world.fates[t.world.last_hash8] = Fate::kLoading;
  t.Run(20);
  t.Say("loaded after all");
  t.world.fates.clear();
  t.Run();
  t.Expect("deadline");
}

TEST(TranscriptTest, NoRoomForASurge) {
  Transcript t;
  t.Edit("apply, 3 replicas", Three());
  t.Run();
  t.Edit("a change, maxSurge 0, maxUnavailable 1",
         Batch(8, {{"rollout", {{"maxSurge", 0}, {"maxUnavailable", 1}}}}));
  t.Run();
  t.Expect("no_surge");
}

}  // namespace
}  // namespace deepseek::decide
