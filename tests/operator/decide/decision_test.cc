// What a plan says of each workload, why, and when to look again.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/decide/reasons.h"
#include "tests/operator/decide/world.h"

namespace deepseek::decide {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Json Spec(int replicas, const Json& more = Json::object()) {
  Json spec = {{"replicas", replicas}};
  spec.merge_patch(more);
  return spec;
}

const Decision& Find(const Plan& plan, const std::string& action) {
  for (const Decision& decision : plan.decisions) {
    if (decision.action == action) return decision;
  }
  ADD_FAILURE() << "no " << action;
  static const Decision* const none = new Decision();
  return *none;
}

TEST(DecisionTest, AFirstDeploymentIsOneStableWorkload) {
  World w;
  w.Edit(Spec(3));
  const Plan plan = w.Reconcile();
  ASSERT_EQ(plan.workloads.size(), 1u);
  const WorkloadPlan& workload = plan.workloads[0];
  EXPECT_EQ(workload.name, StrCat("demo-", w.last_hash8));
  EXPECT_EQ(workload.hash8, w.last_hash8);
  EXPECT_EQ(workload.replicas, 3);
  EXPECT_EQ(workload.role, "stable") << "there is no other";
  EXPECT_EQ(workload.resource_version, "") << "it is created";
  EXPECT_EQ(workload.revision, nullptr) << "the plan's own";
  EXPECT_EQ(workload.orphan, nullptr);
  EXPECT_EQ(workload.model_digest, "");
  EXPECT_EQ(workload.progress_deadline, absl::Minutes(35)) << "beyond workload.startup.deadline";
}

TEST(DecisionTest, AChangeIsACandidateBesideTheStableOne) {
  World w;
  w.Edit(Spec(2, {{"workload", {{"startup", {{"deadline", "1h"}}}}}}));
  ASSERT_TRUE(w.Settle());
  const std::string stable = StrCat("demo-", w.last_hash8);
  const Json deployment = w.children.at("Deployment " + stable);
  w.Edit(Spec(2));
  const Plan plan = w.Reconcile();
  ASSERT_EQ(plan.workloads.size(), 2u);
  EXPECT_EQ(plan.workloads[0].name, stable) << "what is scaled down comes first";
  EXPECT_EQ(plan.workloads[0].role, "stable");
  EXPECT_EQ(plan.workloads[0].resource_version,
            deployment["metadata"]["resourceVersion"].get<std::string>());
  EXPECT_EQ((*plan.workloads[0].revision)["metadata"]["name"], stable);
  EXPECT_EQ(plan.workloads[0].progress_deadline, absl::Minutes(65)) << "as it was made";
  EXPECT_EQ(plan.workloads[1].role, "candidate");
  EXPECT_EQ(plan.workloads[1].progress_deadline, absl::Minutes(35));
}

TEST(DecisionTest, RolesChangeHandsWhenTheCandidateIsDone) {
  World w;
  ASSERT_TRUE(w.Settle());
  w.Edit(Spec(1, {{"engine", {{"maxBatch", 2}}}}));
  ASSERT_TRUE(w.Settle());
  const Plan plan = w.Reconcile();
  ASSERT_EQ(plan.workloads.size(), 1u);
  EXPECT_EQ(plan.workloads[0].hash8, w.last_hash8);
  EXPECT_EQ(plan.workloads[0].role, "stable");
}

TEST(DecisionTest, AStoredDeadlineThatIsNoneIsTheDefault) {
  for (const Json& stored : {Json("soon"), Json(7), Json()}) {
    World w;
    w.Reconcile();
    w.children.at(StrCat("ControllerRevision demo-",
                         w.last_hash8))["data"]["resolved"]["startupDeadline"] = stored;
    EXPECT_EQ(w.Reconcile().workloads.at(0).progress_deadline, absl::Minutes(35)) << stored;
  }
}

TEST(DecisionTest, WithoutItsRevisionADeploymentKeepsItsOwnTemplate) {
  World w;
  ASSERT_TRUE(w.Settle());
  const std::string old = StrCat("demo-", w.last_hash8);
  w.children.erase("ControllerRevision " + old);
  w.Edit(Spec(1, {{"engine", {{"maxBatch", 2}}}}));
  const Plan plan = w.Reconcile();
  ASSERT_EQ(plan.workloads.size(), 2u);
  EXPECT_EQ(plan.workloads[0].revision, nullptr);
  EXPECT_EQ((*plan.workloads[0].orphan)["metadata"]["name"], old);
  EXPECT_EQ(plan.workloads[0].model_digest, "");
  EXPECT_EQ(plan.workloads[1].orphan, nullptr);
}

TEST(DecisionTest, WhatIsTriedBeforeAnythingIsWritten) {
  const Json recreate = {{"strategy", "Recreate"}};
  World w;
  EXPECT_FALSE(w.Reconcile().trial) << "old pods would stay";
  ASSERT_TRUE(w.Settle());
  w.Edit(Spec(1, {{"rollout", recreate}}));
  EXPECT_FALSE(w.Reconcile().trial) << "it is there";
  w.Edit(Spec(1, {{"rollout", recreate}, {"engine", {{"maxBatch", 2}}}}));
  Plan plan = w.Reconcile();
  ASSERT_TRUE(plan.trial);
  EXPECT_EQ(plan.trial->name, StrCat("demo-", w.last_hash8));
  EXPECT_EQ(plan.trial->replicas, 0);
  EXPECT_EQ(plan.trial->revision, nullptr) << "it is the plan's new one";
  EXPECT_FALSE(w.Reconcile().trial) << "nothing is left to be stopped";
  ASSERT_TRUE(w.Settle());
  w.Edit(Spec(1, {{"rollout", {{"strategy", "Recreate"}, {"paused", true}}}}));
  EXPECT_FALSE(w.Reconcile().trial) << "nothing is stopped yet";
  w.Edit(Spec(1, {{"rollout", recreate}}));
  plan = w.Reconcile();
  ASSERT_TRUE(plan.trial) << "a restored one, too";
  EXPECT_NE(plan.trial->revision, nullptr);
}

TEST(DecisionTest, TheFiguresStandWithTheDecision) {
  World w;
  w.Edit(Spec(2));
  EXPECT_EQ(Find(w.Reconcile(), "ScaleUp").inputs, "replicas 2, maxSurge 1, maxUnavailable 0");
  ASSERT_TRUE(w.Settle());
  const std::string stable = StrCat("demo-", w.last_hash8);
  w.Edit(Spec(2, {{"engine", {{"maxBatch", 2}}}, {"rollout", {{"maxUnavailable", 1}}}}));
  const Plan change = w.Reconcile();
  const std::string figures =
      StrCat("replicas 2, maxSurge 1, maxUnavailable 1; ", stable, " wants 2, 2 ready of 2");
  EXPECT_EQ(Find(change, "ScaleUp").inputs, figures);
  EXPECT_EQ(Find(change, "ScaleDown").inputs, figures);
  const std::string next = StrCat("demo-", w.last_hash8);
  w.Edit(Spec(5, {{"engine", {{"maxBatch", 2}}}, {"rollout", {{"paused", true}}}}));
  EXPECT_EQ(Find(w.Reconcile(), "ScaleUp").inputs,
            StrCat("replicas 5, maxSurge 1, maxUnavailable 0, paused; ", stable,
                   " wants 1, 2 ready of 2; ", next, " wants 1, 0 ready of 0"));
  w.Edit(Spec(5, {{"engine", {{"maxBatch", 2}}}, {"rollout", {{"strategy", "Recreate"}}}}));
  EXPECT_THAT(Find(w.Reconcile(), "ScaleDown").inputs, HasSubstr("replicas 5, Recreate; "));
}

TEST(DecisionTest, EventsTellDecisionsWithTheirFigures) {
  World w;
  const Plan plan = w.Reconcile();
  ASSERT_EQ(plan.events.size(), 2u);
  EXPECT_EQ(plan.events[0].action, "CreateRevision");
  EXPECT_EQ(plan.events[0].reason, reason::kCreating);
  EXPECT_EQ(plan.events[0].message,
            StrCat("revision demo-", w.last_hash8, " made with image agent:1"));
  EXPECT_EQ(plan.events[1].action, "ScaleUp");
  EXPECT_EQ(plan.events[1].message,
            StrCat("Deployment demo-", w.last_hash8,
                   " from 0 to 1 replicas [replicas 1, maxSurge 1, maxUnavailable 0]"));
  EXPECT_FALSE(plan.events[0].warning || plan.events[1].warning);
  EXPECT_TRUE(plan.condition_events.empty());
}

TEST(DecisionTest, EventsOfConditionsFollowThoseOfDecisions) {
  World w;
  w.fates[w.last_hash8] = Fate::kImagePull;
  w.Reconcile();
  w.Step();
  w.Edit(Spec(2));
  const Plan plan = w.Reconcile();
  ASSERT_EQ(plan.events.size(), 2u);
  EXPECT_EQ(plan.events[0].action, "ScaleUp");
  EXPECT_EQ(plan.events[1].reason, reason::kImagePullFailed);
  ASSERT_EQ(plan.condition_events.size(), 1u) << "what is true even if the write is refused";
  EXPECT_EQ(plan.condition_events[0].reason, reason::kImagePullFailed);
}

// Why a Deployment is scaled: for the first revision, for a change, or for replicas alone.
TEST(DecisionTest, WhyItIsScaled) {
  World w;
  EXPECT_EQ(Find(w.Reconcile(), "ScaleUp").reason, reason::kCreating);
  w.Edit(Spec(2));
  EXPECT_EQ(Find(w.Reconcile(), "ScaleUp").reason, reason::kCreating) << "still the first";
  ASSERT_TRUE(w.Settle());
  w.Edit(Spec(4));
  EXPECT_EQ(Find(w.Reconcile(), "ScaleUp").reason, reason::kScaling);
  ASSERT_TRUE(w.Settle());
  w.Edit(Spec(1));
  EXPECT_EQ(Find(w.Reconcile(), "ScaleDown").reason, reason::kScaling);
  ASSERT_TRUE(w.Settle());
  w.Edit(Spec(1, {{"engine", {{"maxBatch", 2}}}}));
  EXPECT_EQ(Find(w.Reconcile(), "ScaleUp").reason, reason::kUpdating);
}

TEST(DecisionTest, AFirstThatNeverServedIsReplacedAsAnUpdate) {
  World w;
  w.fates[w.last_hash8] = Fate::kImagePull;
  w.Settle(5);
  w.Edit(Spec(1, {{"engine", {{"maxBatch", 2}}}}));
  const Plan plan = w.Reconcile();
  EXPECT_EQ(Find(plan, "CreateRevision").reason, reason::kUpdating);
  EXPECT_EQ(Find(plan, "ScaleUp").reason, reason::kUpdating) << "the old one has a Deployment";
  EXPECT_EQ(plan.workloads.back().role, "stable") << "no other ever was";
  EXPECT_EQ(plan.workloads.front().role, "candidate");
}

TEST(DecisionTest, WhatDoesNotChangeIsNotDecided) {
  World w;
  w.Edit(Spec(2));
  w.fates[w.last_hash8] = Fate::kLoading;
  w.Reconcile();
  w.Step();
  const Plan plan = w.Reconcile();
  EXPECT_TRUE(plan.decisions.empty());
  ASSERT_EQ(plan.workloads.size(), 1u) << "and yet what should be is said in full";
  EXPECT_EQ(plan.workloads[0].replicas, 2);
}

TEST(DecisionTest, ADeploymentThatIsAboutToGoIsNotWritten) {
  World w;
  ASSERT_TRUE(w.Settle());
  const std::string old = StrCat("demo-", w.last_hash8);
  w.Edit(Spec(1, {{"engine", {{"maxBatch", 2}}}}));
  for (int i = 0; i < 20; ++i) {
    w.now += absl::Seconds(1);
    const Plan plan = w.Reconcile();
    std::vector<std::string> deleted, written;
    for (const Deletion& deletion : plan.deletions) deleted.push_back(deletion.name);
    for (const WorkloadPlan& workload : plan.workloads) written.push_back(workload.name);
    if (!deleted.empty()) {
      EXPECT_THAT(deleted, ElementsAre(old, old)) << "its Deployment and its Service";
      EXPECT_THAT(written, ElementsAre(StrCat("demo-", w.last_hash8)));
      return;
    }
    w.Step();
  }
  FAIL() << "it was never pruned";
}

TEST(DecisionTest, TheOperatorsNamespaceIsPassedOn) {
  World w;
  EXPECT_EQ(w.Reconcile().operator_namespace, "");
  w.defaults.operator_namespace = "system";
  EXPECT_EQ(w.Reconcile().operator_namespace, "system");
}

TEST(DecisionTest, WhatIsRefusedWaitsForTheSpecAlone) {
  World w;
  w.spec["engine"]["device"] = "Quantum";
  EXPECT_EQ(w.Reconcile().requeue_after, absl::InfiniteDuration());
  w.Edit({{"workload", {{"template", {{"spec", {{"hostNetwork", true}}}}}}}});
  const Plan overlay = w.Reconcile();
  EXPECT_EQ(overlay.requeue_after, absl::InfiniteDuration());
  EXPECT_EQ(Find(overlay, "Block").reason, reason::kInvalidSpec);
}

}  // namespace
}  // namespace deepseek::decide
