// When to look again, and cases that take more than one hand to bring about.

#include <gtest/gtest.h>

#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/decide/json_read.h"
#include "operator/decide/resolve.h"
#include "tests/operator/decide/world.h"

namespace deepseek::decide {
namespace {

Json Serving() {
  return {{"state", "serving"},
          {"loaded_bytes", 10},
          {"total_bytes", 10},
          {"model", {{"family", "f"}, {"parameters", 1}, {"digest", "sha256:aa"}}}};
}

TEST(RequeueTest, SoonWhileAnythingIsUnderWay) {
  World w;
  EXPECT_EQ(w.Reconcile().requeue_after, absl::Seconds(5));
  w.Step();
  w.now += absl::Seconds(1);
  w.Step();
  EXPECT_EQ(w.Reconcile().requeue_after, absl::Seconds(5)) << "full, and now marked so";
  EXPECT_EQ(w.Reconcile().requeue_after, absl::InfiniteDuration());
  w.pods[0].ready = false;
  EXPECT_EQ(w.Reconcile().requeue_after, absl::Seconds(5)) << "a replica is lost";
}

TEST(RequeueTest, AtTheDeadlineAndNotInAHurryAfterIt) {
  World w;
  w.Edit({{"rollout", {{"progressDeadline", "4s"}}}});
  w.fates[w.last_hash8] = Fate::kLoading;
  w.Reconcile();
  w.now += absl::Seconds(3);
  EXPECT_EQ(w.Reconcile().requeue_after, absl::Seconds(1));
  w.now += absl::Seconds(1);
  EXPECT_EQ(w.Reconcile().requeue_after, absl::Seconds(5)) << "on the instant";
  w.now += absl::Seconds(1);
  EXPECT_EQ(w.Reconcile().requeue_after, absl::Seconds(5));
}

TEST(RequeueTest, AnAgentThatWasNotHeardIsAskedInAMinute) {
  World w;
  w.Edit({{"replicas", 2}});
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.Reconcile().requeue_after, absl::InfiniteDuration()) << "nobody asks";
  w.answer = [](const WorldPod&) { return Json(); };
  EXPECT_EQ(w.Reconcile().requeue_after, absl::Minutes(1));
  w.Edit({{"replicas", 0}});
  w.Settle();
  EXPECT_EQ(w.Reconcile().requeue_after, absl::InfiniteDuration()) << "there is nobody to ask";
  w.Edit({{"replicas", 2}});
  w.Settle();
  w.answer = [](const WorldPod&) { return Serving(); };
  w.Reconcile();
  EXPECT_EQ(w.Reconcile().requeue_after, absl::InfiniteDuration()) << "it is known";
  w.answer = [](const WorldPod&) { return Json(); };
  EXPECT_EQ(w.Reconcile().requeue_after, absl::InfiniteDuration());
}

TEST(RecordModelTest, OnlyAReadyAgentsWordCounts) {
  World w;
  w.answer = [](const WorldPod&) { return Serving(); };
  w.fates[w.last_hash8] = Fate::kLoading;
  w.Settle(5);
  EXPECT_FALSE(w.children.contains(StrCat("ConfigMap demo-", w.last_hash8)))
      << "it may yet refuse what it read";
  w.fates.clear();
  w.now += absl::Seconds(1);
  w.Step();
  const Plan plan = w.Reconcile();
  ASSERT_FALSE(plan.decisions.empty());
  EXPECT_EQ(plan.decisions.back().action, "RecordModel");
  EXPECT_EQ(plan.decisions.back().reason, "ModelLoaded");
  EXPECT_EQ(plan.decisions.back().message,
            StrCat("revision demo-", w.last_hash8, " stands for the weights sha256:aa that pod ",
                   w.pods[0].name, " found"));
  EXPECT_EQ(plan.workloads.at(0).model_digest, "sha256:aa") << "in the same pass";
}

TEST(RecordModelTest, AnOldPodsWordIsNotOfTheNewRevision) {
  World w;
  ASSERT_TRUE(w.Settle());
  w.Edit({{"engine", {{"maxBatch", 2}}}});
  w.fates[w.last_hash8] = Fate::kLoading;
  w.Settle(5);
  w.answer = [](const WorldPod&) { return Serving(); };
  w.Reconcile();
  EXPECT_FALSE(w.children.contains(StrCat("ConfigMap demo-", w.last_hash8)));
}

TEST(RecordModelTest, AnEmptyDigestIsPassedOver) {
  World w;
  w.Edit({{"replicas", 2}});
  ASSERT_TRUE(w.Settle());
  Observed observed = Read(w.Observe());
  observed.pods.at(0).agent = observed.pods.at(1).agent = AgentReport();
  observed.pods.at(1).agent->digest = "sha256:bb";
  const Plan plan = Decide(observed, w.defaults, w.now);
  EXPECT_EQ(plan.workloads.at(0).model_digest, "sha256:bb");
}

TEST(RecordModelTest, WhatIsRecordedIsNotRecordedAnew) {
  World w;
  ASSERT_TRUE(w.Settle());
  w.answer = [](const WorldPod&) { return Serving(); };
  w.Reconcile();
  Observed observed = Read(w.Observe());
  observed.pods.at(0).agent = AgentReport();
  observed.pods.at(0).agent->digest = "sha256:bb";
  const Plan plan = Decide(observed, w.defaults, w.now);
  EXPECT_TRUE(plan.decisions.empty());
  EXPECT_EQ(plan.workloads.at(0).model_digest, "sha256:aa");
}

// A newer operator may have a higher floor. What was made under a lower one serves on.
TEST(StoredRevisionTest, IsNotHeldAgainstTodaysFloor) {
  World w;
  ASSERT_TRUE(w.Settle());
  Json revision = w.children.at(StrCat("ControllerRevision demo-", w.last_hash8));
  w.Edit({{"workload", {{"template", {{"spec", {{"hostNetwork", true}}}}}}}});
  const std::string hash = Sha256Hex(api::Parse(*w.Observe().dsd)->canonical_intent);
  const std::string name = StrCat("demo-", w.last_hash8);
  revision["metadata"]["name"] = name;
  revision["metadata"]["labels"][api::kRevisionLabel] = w.last_hash8;
  revision["metadata"]["annotations"][api::kIntentHashAnnotation] = hash;
  w.children["ControllerRevision " + name] = revision;
  EXPECT_TRUE(w.Reconcile().manage);
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.Condition("Ready"), "True/AllReplicasReady");
}

TEST(StatusEdgeTest, WhatTheCurrentRevisionWasMadeWithIsToldNotTodays) {
  World w;
  ASSERT_TRUE(w.Settle());
  w.defaults.agent_image = "agent:2";
  w.children.at(StrCat("ControllerRevision demo-", w.last_hash8))["data"]["resolved"]["device"] =
      "tpu";
  w.Reconcile();
  EXPECT_EQ(w.status["revisions"][0]["image"], "agent:1");
  EXPECT_EQ(w.status["device"], "tpu") << "as it stands, where there is no other word";
}

TEST(StatusEdgeTest, ARevisionWhosePodsAreGoingIsNotListed) {
  World w;
  ASSERT_TRUE(w.Settle());
  w.Edit({{"engine", {{"maxBatch", 2}}}});
  for (int i = 0; i < 10; ++i) {
    w.now += absl::Seconds(1);
    w.Reconcile();
    w.Step();
    bool stopping = false;
    for (const WorldPod& pod : w.pods) stopping = stopping || pod.stopping;
    if (!stopping) continue;
    w.Reconcile();
    ASSERT_EQ(w.status["revisions"].size(), 1u);
    EXPECT_EQ(w.status["revisions"][0]["name"], StrCat("demo-", w.last_hash8));
    return;
  }
  FAIL() << "the old pod never stopped";
}

}  // namespace
}  // namespace deepseek::decide
