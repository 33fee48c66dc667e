// What is deleted, when, and what must stay.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/decide/reasons.h"
#include "tests/operator/decide/world.h"

namespace deepseek::decide {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

Json Batch(int batch, int limit = 2) {
  return {{"engine", {{"maxBatch", batch}}}, {"revisionHistoryLimit", limit}};
}

std::vector<std::string> Deleted(const Plan& plan) {
  std::vector<std::string> out;
  for (const Deletion& deletion : plan.deletions)
    out.push_back(StrCat(deletion.kind, " ", deletion.name));
  return out;
}

// Puts a child of ours into the world, as if it had been left behind.
void Leave(World* w, const std::string& kind, const std::string& name) {
  w->children[StrCat(kind, " ", name)] = {
      {"kind", kind},
      {"metadata",
       {{"name", name},
        {"uid", "left-uid"},
        {"resourceVersion", "77"},
        {"ownerReferences", Json::array({{{"apiVersion", api::kApiVersion},
                                          {"kind", api::kKind},
                                          {"name", "demo"},
                                          {"uid", "dsd-uid"},
                                          {"controller", true}}})}}}};
}

TEST(PruningTest, WhatNoRevisionHasIsTakenByUidAndVersion) {
  World w;
  ASSERT_TRUE(w.Settle());
  Leave(&w, "ConfigMap", "demo-00000000");
  Leave(&w, "Service", "demo-00000000");
  const Plan plan = w.Reconcile();
  ASSERT_THAT(Deleted(plan), ElementsAre("ConfigMap demo-00000000", "Service demo-00000000"));
  EXPECT_EQ(plan.deletions[0].uid, "left-uid");
  EXPECT_EQ(plan.deletions[0].resource_version, "77") << "what was decided on, nothing newer";
  EXPECT_EQ(plan.deletions[0].why.action, "Prune");
  EXPECT_EQ(plan.deletions[0].why.reason, reason::kSuperseded);
  EXPECT_EQ(plan.deletions[0].why.message, "ConfigMap demo-00000000 of a superseded revision");
  ASSERT_EQ(plan.decisions.size(), 2u) << "each deletion is told";
  EXPECT_EQ(plan.decisions[1].message, "Service demo-00000000 of a superseded revision");
}

TEST(PruningTest, WhatIsInUseStays) {
  World w;
  ASSERT_TRUE(w.Settle());
  Leave(&w, "ConfigMap", StrCat("demo-", w.last_hash8));
  EXPECT_THAT(Deleted(w.Reconcile()), IsEmpty()) << "the Service of all, those of this revision";
}

TEST(PruningTest, OnlyWhatIsOursGoes) {
  World w;
  ASSERT_TRUE(w.Settle());
  for (const char* kind : {"ConfigMap", "Service"}) {
    Leave(&w, kind, "demo-00000000");
    Json& metadata = w.children[StrCat(kind, " demo-00000000")]["metadata"];
    metadata["ownerReferences"][0]["uid"] = "another";
  }
  EXPECT_THAT(Deleted(w.Reconcile()), IsEmpty());
}

TEST(PruningTest, OtherKindsAreNotRevisions) {
  World w;
  ASSERT_TRUE(w.Settle());
  for (const char* kind : {"ServiceAccount", "NetworkPolicy", "PodDisruptionBudget", "Secret"})
    Leave(&w, kind, "demo-00000000");
  EXPECT_THAT(Deleted(w.Reconcile()), IsEmpty());
}

TEST(PruningTest, WhatIsBeingDeletedIsNotDeletedAgain) {
  World w;
  ASSERT_TRUE(w.Settle());
  Leave(&w, "ConfigMap", "demo-00000000");
  w.children["ConfigMap demo-00000000"]["metadata"]["deletionTimestamp"] = "2023-01-01T00:00:00Z";
  const Plan plan = w.Reconcile();
  EXPECT_THAT(plan.deletions, IsEmpty());
  EXPECT_THAT(plan.decisions, IsEmpty()) << "nor told again";
}

class OldDeploymentTest : public ::testing::Test {
 protected:
  // A Deployment of an earlier revision that wants no more pods.
  OldDeploymentTest() {
    w_.Settle();
    old_ = StrCat("demo-", w_.last_hash8);
    old_hash8_ = w_.last_hash8;
    w_.Edit(Batch(3));
    w_.Settle();
    Leave(&w_, "Deployment", old_);
    Json& deployment = w_.children["Deployment " + old_];
    deployment["spec"]["replicas"] = 0;
    deployment["metadata"]["labels"][api::kRevisionLabel] = old_hash8_;
    Leave(&w_, "ConfigMap", old_);
  }
  void AddPod(bool stopping) {
    WorldPod pod = w_.pods.at(0);
    pod.name = "old-pod";
    pod.hash8 = old_hash8_;
    pod.ready = false;
    pod.stopping = stopping;
    w_.pods.push_back(pod);
  }
  World w_;
  std::string old_, old_hash8_;
};

TEST_F(OldDeploymentTest, GoesWithAllItHas) {
  const Plan plan = w_.Reconcile();
  EXPECT_THAT(Deleted(plan), ElementsAre("Deployment " + old_, "ConfigMap " + old_));
  EXPECT_EQ(plan.deletions[0].why.reason, reason::kSuperseded);
  EXPECT_EQ(plan.deletions[0].why.message,
            StrCat("Deployment ", old_, " of a superseded revision has no pods left"));
}

TEST_F(OldDeploymentTest, StaysWhileItHasPods) {
  AddPod(/*stopping=*/false);
  EXPECT_THAT(Deleted(w_.Reconcile()), IsEmpty());
  w_.pods.pop_back();
  AddPod(/*stopping=*/true);
  EXPECT_THAT(Deleted(w_.Reconcile()), IsEmpty()) << "a pod that drains still has its identity";
}

TEST_F(OldDeploymentTest, StaysUntilItsScaleIsWritten) {
  w_.children["Deployment " + old_]["spec"]["replicas"] = 1;
  w_.children["Deployment " + old_]["status"]["observedGeneration"] = 1;
  EXPECT_THAT(Deleted(w_.Reconcile()), IsEmpty());
  EXPECT_THAT(Deleted(w_.Reconcile()),
              ElementsAre("Deployment " + old_, "ConfigMap " + old_, "Service " + old_));
}

// Revisions by number, oldest first.
std::vector<std::string> Make(World* w, int revisions, int limit) {
  std::vector<std::string> hashes;
  for (int batch = 1; batch <= revisions; ++batch) {
    w->Edit(Batch(batch, limit));
    EXPECT_TRUE(w->Settle());
    hashes.push_back(w->last_hash8);
  }
  return hashes;
}

TEST(HistoryLimitTest, TellsWhatItTakes) {
  World w;
  const std::vector<std::string> hashes = Make(&w, 4, 5);
  w.Edit(Batch(4, 2));
  const Plan plan = w.Reconcile();
  ASSERT_THAT(Deleted(plan), ElementsAre(StrCat("ControllerRevision demo-", hashes[0])));
  EXPECT_EQ(plan.deletions[0].why.reason, reason::kHistoryLimit);
  EXPECT_EQ(plan.deletions[0].why.message,
            StrCat("revision demo-", hashes[0], " is beyond revisionHistoryLimit 2"));
}

TEST(HistoryLimitTest, RaisingItBringsNothingBackAndTakesNothing) {
  World w;
  Make(&w, 4, 2);
  w.Edit(Batch(4, 9));
  EXPECT_THAT(Deleted(w.Reconcile()), IsEmpty());
  EXPECT_EQ(Read(w.Observe()).revisions.size(), 3u);
}

TEST(HistoryLimitTest, RevisionsWithADeploymentDoNotCount) {
  World w;
  const std::vector<std::string> hashes = Make(&w, 3, 2);
  w.Edit(Batch(4));
  w.fates[w.last_hash8] = Fate::kLoading;
  const Plan plan = w.Reconcile();
  EXPECT_THAT(Deleted(plan), IsEmpty()) << "the third still serves: two are kept beside it";
  EXPECT_EQ(Read(w.Observe()).revisions.size(), 4u);
}

TEST(HistoryLimitTest, TheStableRevisionIsKeptBeyondIt) {
  World w;
  Make(&w, 1, 2);
  const std::string stable = w.last_hash8;
  // Its Deployment is gone: somebody deleted it, and several changes failed since.
  for (int batch = 2; batch <= 5; ++batch) {
    w.Edit(Batch(batch));
    w.fates[w.last_hash8] = Fate::kInvalid;
    w.children.erase(StrCat("Deployment demo-", stable));
    w.Settle(20);
  }
  std::vector<std::string> kept;
  for (const Revision& revision : Read(w.Observe()).revisions) kept.push_back(revision.hash8);
  EXPECT_EQ(kept.size(), 4u) << "the current one, two, and the stable one";
  EXPECT_EQ(kept.back(), stable);
}

TEST(PruningTest, WhatWasScaledToZeroComesBackWhileAChangeIsPaused) {
  World w;
  w.Edit({{"replicas", 0}});
  ASSERT_TRUE(w.Settle());
  const std::string first = w.last_hash8;
  Json change = {{"replicas", 0}, {"engine", {{"maxBatch", 2}}}, {"rollout", {{"paused", true}}}};
  w.Edit(change);
  ASSERT_TRUE(w.Settle());
  change["replicas"] = 2;
  w.Edit(change);
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.Ready(), 2);
  EXPECT_EQ(w.pods.at(0).hash8, first);
  change["rollout"]["paused"] = false;
  w.Edit(change);
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.Condition("Ready"), "True/AllReplicasReady");
  EXPECT_FALSE(w.children.contains("Deployment demo-" + first));
}

}  // namespace
}  // namespace deepseek::decide
