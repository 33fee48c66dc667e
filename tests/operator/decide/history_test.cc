#include "operator/decide/history.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "operator/api/names.h"
#include "tests/operator/decide/world.h"

namespace deepseek::decide {
namespace {

Json Batch(int batch) {
  return {{"engine", {{"maxBatch", batch}}}, {"revisionHistoryLimit", 2}};
}

std::vector<int64_t> Numbers(const World& w) {
  std::vector<int64_t> out;
  for (const Revision& revision : Read(w.Observe()).revisions) out.push_back(revision.number);
  return out;
}

std::string ActionsOf(const Plan& plan) {
  std::string out;
  for (const Decision& decision : plan.decisions)
    StrAppend(&out, decision.action, "/", decision.reason, " ");
  return out;
}

TEST(HistoryTest, TheFirstRevisionIsMadeWithEverythingResolved) {
  World w;
  const Plan plan = w.Reconcile();
  ASSERT_TRUE(plan.revision.has_value());
  EXPECT_EQ(plan.revision->number, 1);
  EXPECT_EQ(plan.revision->name, StrCat("demo-", w.last_hash8));
  EXPECT_EQ(plan.revision->resolved.image, "agent:1");
  EXPECT_EQ(plan.revision->state.at(api::kIntentHashAnnotation).size(), 64u);
  EXPECT_EQ(ActionsOf(plan), "CreateRevision/Creating ScaleUp/Creating ");
}

TEST(HistoryTest, CompletionIsMarkedOnce) {
  World w;
  ASSERT_TRUE(w.Settle());
  const Revision revision = Read(w.Observe()).revisions.at(0);
  EXPECT_TRUE(revision.Completed());
  w.now += absl::Hours(1);
  EXPECT_FALSE(w.Reconcile().revision.has_value());
}

TEST(HistoryTest, ARestoredRevisionGetsTheHighestNumberAndANewStart) {
  World w;
  w.Edit(Batch(1));
  ASSERT_TRUE(w.Settle());
  w.Edit(Batch(2));
  ASSERT_TRUE(w.Settle());
  w.now += absl::Minutes(1);
  w.Edit(Batch(1));
  const Plan plan = w.Reconcile();
  EXPECT_EQ(ActionsOf(plan).substr(0, 26), "RestoreRevision/Reverting ");
  EXPECT_EQ(plan.revision->number, 3);
  EXPECT_NE(plan.revision->stored, nullptr) << "its stored data is kept as it is";
  EXPECT_EQ(plan.revision->state.at(api::kStartedAtAnnotation), MarkText(w.now));
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.Picture(), "r3 1/1");
  EXPECT_EQ(Numbers(w), (std::vector<int64_t>{3, 2}));
}

TEST(HistoryTest, BeyondTheLimitTheOldestGo) {
  World w;
  for (int batch = 1; batch <= 6; ++batch) {
    w.Edit(Batch(batch));
    ASSERT_TRUE(w.Settle());
    EXPECT_LE(Numbers(w).size(), 3u);
  }
  EXPECT_EQ(Numbers(w), (std::vector<int64_t>{6, 5, 4}))
      << "the current one and two that can be restored";
}

TEST(HistoryTest, TheStableRevisionOutlivesFailedOnes) {
  World w;
  w.Edit(Batch(1));
  ASSERT_TRUE(w.Settle());
  const std::string stable = w.last_hash8;
  for (int batch = 2; batch <= 8; ++batch) {
    w.Edit(Batch(batch));
    w.fates[w.last_hash8] = Fate::kInvalid;
    w.Settle(30);
    EXPECT_EQ(w.Ready(), 1) << "stable serves on";
  }
  bool found = false;
  for (const Revision& revision : Read(w.Observe()).revisions)
    found = found || revision.hash8 == stable;
  EXPECT_TRUE(found);
  EXPECT_EQ(w.status["stableRevision"], StrCat("demo-", stable));
  w.Edit(Batch(1));
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.Condition("Ready"), "True/AllReplicasReady");
}

TEST(HistoryTest, SupersededDeploymentsAndServicesGoOnlyWithoutPods) {
  World w;
  ASSERT_TRUE(w.Settle());
  const std::string old = StrCat("demo-", w.last_hash8);
  w.Edit(Batch(3));
  bool had_both = false;
  for (int i = 0; i < 30; ++i) {
    w.now += absl::Seconds(1);
    w.Reconcile();
    const bool exists = w.children.contains("Deployment " + old);
    for (const WorldPod& pod : w.pods) {
      if (StrCat("demo-", pod.hash8) == old) {
        EXPECT_TRUE(exists) << "a Deployment with pods is not deleted";
      }
    }
    EXPECT_EQ(exists, w.children.contains("Service " + old));
    had_both = had_both || exists;
    w.Step();
  }
  EXPECT_TRUE(had_both);
  EXPECT_FALSE(w.children.contains("Deployment " + old));
  EXPECT_TRUE(w.children.contains("ControllerRevision " + old));
}

TEST(HistoryTest, ARetryTokenTakesUnreadyPodsOnce) {
  World w;
  w.fates[w.last_hash8] = Fate::kInvalid;
  w.Settle(20);
  const std::string first = w.pods.at(0).name;
  w.Edit({{"rollout", {{"retryToken", "a"}}}});
  w.now += absl::Minutes(1);
  EXPECT_TRUE(w.Reconcile().deletions.empty()) << "the mark is written before the act";
  EXPECT_EQ(w.Reconcile().deletions.size(), 1u);
  w.Settle(20);
  ASSERT_EQ(w.pods.size(), 1u);
  EXPECT_NE(w.pods[0].name, first);
  const std::string second = w.pods[0].name;
  w.now += absl::Hours(1);
  w.Settle(20);
  EXPECT_EQ(w.pods[0].name, second) << "one token, one restart";
}

TEST(HistoryTest, ARetryTokenLeavesReadyPodsAlone) {
  World w;
  ASSERT_TRUE(w.Settle());
  const std::string pod = w.pods.at(0).name;
  w.Edit({{"rollout", {{"retryToken", "a"}}}});
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.pods.at(0).name, pod);
  // Nor does a pod that falls ill much later remember it.
  w.now += absl::Hours(9);
  w.pods[0].ready = false;
  w.fates[w.last_hash8] = Fate::kLoading;
  EXPECT_TRUE(w.Reconcile().deletions.empty());
}

TEST(HistoryTest, MarksKeepTheirOrderWithinASecond) {
  const absl::Time time = absl::FromUnixSeconds(1'700'000'000);
  EXPECT_EQ(MarkText(time), "2023-11-14T22:13:20Z");
  EXPECT_LT(MarkText(time + absl::Milliseconds(1)), MarkText(time + absl::Milliseconds(2)));
}

TEST(HistoryTest, ADeploymentWithoutItsRevisionKeepsItsPodsUntilTheyAreReplaced) {
  World w;
  ASSERT_TRUE(w.Settle());
  const std::string old = StrCat("demo-", w.last_hash8);
  w.children.erase("ControllerRevision " + old);  // somebody deleted it
  w.Edit(Batch(4));
  for (int i = 0; i < 20; ++i) {
    w.now += absl::Seconds(1);
    w.Reconcile();
    w.Step();
    EXPECT_GE(w.Ready(), 1);
  }
  EXPECT_EQ(w.Condition("Ready"), "True/AllReplicasReady");
  EXPECT_FALSE(w.children.contains("Deployment " + old));
}

}  // namespace
}  // namespace deepseek::decide
