#include "operator/decide/conditions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "operator/api/crd.h"
#include "operator/decide/json_read.h"
#include "operator/decide/reasons.h"
#include "tests/operator/decide/world.h"

namespace deepseek::decide {
namespace {

using ::testing::HasSubstr;

// kstatus: at most one of Reconciling and Stalled is True, and neither while Ready.
void ExpectKstatus(const World& w) {
  const bool ready = w.Condition("Ready").starts_with("True");
  const bool reconciling = w.Condition("Reconciling").starts_with("True");
  const bool stalled = w.Condition("Stalled").starts_with("True");
  EXPECT_EQ(ready + reconciling + stalled, 1) << w.status.dump(1);
}

TEST(ConditionsTest, AnAgentThatServesBesideAContainerThatIsNotReady) {
  World w;
  const auto beside = [&](const std::string& hash8) {
    w.fates[hash8] = Fate::kLoading;
    w.shape = [hash8](const WorldPod& pod, Json* object) {
      if (pod.hash8 != hash8) return;
      (*object)["status"]["conditions"] = Json::parse(R"([{"type":"Ready","status":"False"}])");
      (*object)["status"]["containerStatuses"] = Json::parse(
          R"([{"name":"agent","ready":true,"state":{"running":{}}},
              {"name":"log","ready":false,"state":{"running":{}}}])");
    };
    w.Reconcile();
    w.Step();
    w.Reconcile();
    EXPECT_THAT(w.Message("Ready"), ::testing::HasSubstr("container log is not ready"));
    EXPECT_EQ(w.Condition("ModelReady"), "True/ModelLoaded");
  };
  beside(w.last_hash8);
  EXPECT_EQ(w.Condition("Ready"), "False/Creating") << "nothing is loading any more";
  w.fates.clear();
  w.shape = nullptr;
  ASSERT_TRUE(w.Settle());
  beside(w.last_hash8);
  EXPECT_EQ(w.Condition("Ready"), "False/MinimumReplicasUnavailable");
  w.fates.clear();
  w.shape = nullptr;
  ASSERT_TRUE(w.Settle());
  w.Edit({{"engine", {{"maxBatch", 7}}}});
  beside(w.last_hash8);
  EXPECT_EQ(w.Condition("Ready"), "False/Updating");
}

TEST(ConditionsTest, CreatingThenLoadingThenReady) {
  World w;
  w.fates[w.last_hash8] = Fate::kPending;
  w.Reconcile();
  EXPECT_EQ(w.Condition("Ready"), "False/Creating");
  EXPECT_EQ(w.Condition("Reconciling"), "True/Creating");
  EXPECT_EQ(w.Condition("ModelReady"), "Unknown/NoPods");
  ExpectKstatus(w);
  w.Step();
  w.fates[w.last_hash8] = Fate::kLoading;
  w.Reconcile();
  EXPECT_EQ(w.Condition("Ready"), "False/ModelLoading");
  EXPECT_EQ(w.Condition("ModelReady"), "False/ModelLoading");
  EXPECT_EQ(w.Condition("Available"), "False/MinimumReplicasUnavailable");
  ExpectKstatus(w);
  w.fates.clear();
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.Condition("Ready"), "True/AllReplicasReady");
  EXPECT_EQ(w.Condition("Progressing"), "True/AllReplicasReady");
  EXPECT_EQ(w.Condition("Available"), "True/AllReplicasReady");
  ExpectKstatus(w);
}

TEST(ConditionsTest, NotReadyWhileOldPodsServe) {
  World w;
  ASSERT_TRUE(w.Settle());
  w.Edit({{"engine", {{"maxBatch", 2}}}});
  for (int i = 0; i < 20; ++i) {
    w.now += absl::Seconds(1);
    w.Reconcile();
    ExpectKstatus(w);
    std::set<std::string> revisions;
    for (const WorldPod& pod : w.pods) {
      if (!pod.stopping) revisions.insert(pod.hash8);
    }
    if (revisions.size() > 1) {
      EXPECT_EQ(w.Condition("Ready"), "False/Updating");
    }
    w.Step();
  }
  EXPECT_EQ(w.Condition("Ready"), "True/AllReplicasReady");
}

TEST(ConditionsTest, APodThatRestartsIsTold) {
  World w;
  w.Edit({{"replicas", 2}});
  ASSERT_TRUE(w.Settle());
  w.pods[0].ready = false;
  w.fates[w.last_hash8] = Fate::kLoading;
  const Plan plan = w.Reconcile();
  EXPECT_EQ(w.Condition("Ready"), "False/MinimumReplicasUnavailable");
  EXPECT_EQ(w.Condition("Progressing"), "True/MinimumReplicasUnavailable");
  EXPECT_EQ(w.status["ready"], "1/2");
  ASSERT_EQ(plan.events.size(), 1u);
  EXPECT_TRUE(plan.events[0].warning);
  w.fates.clear();
  w.now += absl::Seconds(1);
  w.Step();
  const Plan back = w.Reconcile();
  EXPECT_EQ(w.Condition("Ready"), "True/AllReplicasReady");
  ASSERT_EQ(back.events.size(), 1u);
  EXPECT_FALSE(back.events[0].warning);
}

// Nothing is wrong with a deployment whose user has just asked for another number of pods.
TEST(ConditionsTest, ScalingIsNoFailure) {
  World w;
  ASSERT_TRUE(w.Settle());
  for (const int replicas : {3, 1, 0, 2}) {
    w.Edit({{"replicas", replicas}});
    int seen = 0;
    for (int i = 0; i < 20; ++i) {
      w.now += absl::Seconds(1);
      const Plan plan = w.Reconcile();
      ExpectKstatus(w);
      if (w.Condition("Ready") != "True/AllReplicasReady") {
        ++seen;
        EXPECT_EQ(w.Condition("Ready"), "False/Scaling") << replicas;
        EXPECT_EQ(w.Condition("Progressing"), "True/Scaling") << replicas;
      }
      for (const EventPlan& event : plan.events) EXPECT_FALSE(event.warning) << event.message;
      w.Step();
    }
    EXPECT_GT(seen, 0) << replicas;
    EXPECT_EQ(w.Condition("Ready"), "True/AllReplicasReady");
    EXPECT_EQ(w.Condition("Progressing"), "True/AllReplicasReady");
  }
  w.pods[0].ready = false;
  w.fates[w.last_hash8] = Fate::kLoading;
  w.Reconcile();
  EXPECT_EQ(w.Condition("Ready"), "False/MinimumReplicasUnavailable") << "afterwards it is one";
}

TEST(ConditionsTest, TheDeadlineStallsAndProgressMovesIt) {
  World w;
  w.Edit({{"replicas", 2}, {"rollout", {{"progressDeadline", "1m"}}}});
  w.fates[w.last_hash8] = Fate::kLoading;
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.Condition("Stalled"), "False/None");
  w.now += absl::Seconds(50);
  w.pods[0].ready = true;  // progress
  w.pods[0].ready_since = w.now;
  w.now += absl::Seconds(50);
  w.Reconcile();
  EXPECT_EQ(w.Condition("Stalled"), "False/None");
  w.now += absl::Seconds(11);
  const Plan plan = w.Reconcile();
  EXPECT_EQ(w.Condition("Stalled"), "True/ProgressDeadlineExceeded");
  EXPECT_EQ(w.Condition("Progressing"), "False/ProgressDeadlineExceeded");
  EXPECT_EQ(w.status["rollout"]["phase"], "Stalled");
  ASSERT_EQ(plan.events.size(), 1u);
  EXPECT_EQ(plan.events[0].reason, "ProgressDeadlineExceeded");
  // It is a report, not a verdict: a pod that becomes ready after all ends it.
  w.fates.clear();
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.Condition("Ready"), "True/AllReplicasReady");
  EXPECT_EQ(w.Condition("Stalled"), "False/None");
}

TEST(ConditionsTest, TheDefaultDeadlineIsBeyondTheStartupDeadline) {
  World w;
  w.Edit({{"workload", {{"startup", {{"deadline", "2m"}}}}}});
  w.fates[w.last_hash8] = Fate::kLoading;
  w.Settle();
  w.now += absl::Minutes(6);
  w.Reconcile();
  EXPECT_EQ(w.Condition("Stalled"), "False/None");
  w.now += absl::Minutes(1);
  w.Reconcile();
  EXPECT_EQ(w.Condition("Stalled"), "True/ProgressDeadlineExceeded");
}

TEST(ConditionsTest, PausedIsSaidAndTheClockStands) {
  World w;
  ASSERT_TRUE(w.Settle());
  const Json change = {{"engine", {{"maxBatch", 2}}},
                       {"rollout", {{"paused", true}, {"progressDeadline", "1m"}}}};
  w.Edit(change);
  ASSERT_TRUE(w.Settle());
  w.now += absl::Hours(5);
  w.Reconcile();
  EXPECT_EQ(w.Condition("Ready"), "False/Paused");
  EXPECT_EQ(w.Condition("Progressing"), "Unknown/Paused");
  EXPECT_EQ(w.Condition("Available"), "True/MinimumReplicasAvailable");
  EXPECT_EQ(w.status["rollout"]["phase"], "Paused");
  EXPECT_EQ(w.Picture(), "r1 1/1");
  w.Edit({{"engine", {{"maxBatch", 2}}},
          {"rollout", {{"paused", false}, {"progressDeadline", "1m"}}}});
  w.Reconcile();
  EXPECT_EQ(w.Condition("Stalled"), "False/None") << "five paused hours do not count";
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.Condition("Ready"), "True/AllReplicasReady");
  EXPECT_EQ(w.Picture(), "r2 1/1");
}

TEST(ConditionsTest, PausingWhatIsDoneChangesNothing) {
  World w;
  ASSERT_TRUE(w.Settle());
  w.Edit({{"rollout", {{"paused", true}}}, {"replicas", 2}});
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.Condition("Ready"), "True/AllReplicasReady");
  EXPECT_EQ(w.Picture(), "r1 2/2");
}

TEST(ConditionsTest, RefusedSpec) {
  World w;
  ASSERT_TRUE(w.Settle());
  const std::string before = w.Picture();
  w.spec["engine"]["device"] = "Quantum";
  const Plan plan = w.Reconcile();
  EXPECT_FALSE(plan.manage);
  EXPECT_EQ(w.Condition("Stalled"), "True/InvalidSpec");
  EXPECT_EQ(w.Condition("Ready"), "False/InvalidSpec");
  EXPECT_THAT(w.Message("Stalled"), HasSubstr("spec.engine.device"));
  EXPECT_EQ(w.Picture(), before) << "what serves goes on serving";
  EXPECT_EQ(w.status["stableRevision"].get<std::string>().substr(0, 5), "demo-")
      << "the rest of the report stays";
}

TEST(ConditionsTest, ARefusedWriteOutranks) {
  World w;
  Observed observed = Read(w.Observe());
  observed.refusal_reason = reason::kQuotaExceeded;
  observed.refusal_message = "exceeded quota";
  w.status = *Decide(observed, w.defaults, w.now).status;
  EXPECT_EQ(w.Condition("Ready"), "False/QuotaExceeded");
  EXPECT_EQ(w.Condition("Stalled"), "True/QuotaExceeded");
  EXPECT_EQ(w.Condition("Reconciling"), "False/None");
}

TEST(ConditionsTest, AnObjectThatNobodyHasLookedAtIsInProgressSinceNoTime) {
  const auto crd = api::Crd();
  const auto& schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
  const Json before = Json::parse(schema["properties"]["status"]["default"].dump());
  ASSERT_EQ(before["conditions"].size(), 2U);
  EXPECT_EQ(before["conditions"][0]["status"], "Unknown");
  EXPECT_EQ(before["conditions"][1]["type"], "Reconciling");
  for (const Json& condition : before["conditions"]) {
    EXPECT_EQ(condition["reason"], reason::kPending);
  }
  const absl::Time now = absl::FromUnixSeconds(1700000000);
  const Json after = ConditionsJson({{"Reconciling", "True", "Creating", "m"}}, before, 1, now);
  EXPECT_EQ(after[0]["lastTransitionTime"], "2023-11-14T22:13:20Z");
}

TEST(ConditionsTest, TransitionTimesOnlyMoveWithTheStatus) {
  const Json before = {
      {"conditions", Json::array({{{"type", "Ready"},
                                   {"status", "False"},
                                   {"reason", "Creating"},
                                   {"lastTransitionTime", "2020-01-01T00:00:00Z"}}})}};
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  const Json same = ConditionsJson({{"Ready", "False", "Updating", "m"}}, before, 4, now);
  EXPECT_EQ(same[0]["lastTransitionTime"], "2020-01-01T00:00:00Z");
  EXPECT_EQ(same[0]["reason"], "Updating");
  EXPECT_EQ(same[0]["observedGeneration"], 4);
  const Json other = ConditionsJson({{"Ready", "True", "AllReplicasReady", "m"}}, before, 4, now);
  EXPECT_EQ(other[0]["lastTransitionTime"], "2023-11-14T22:13:20Z");
}

TEST(ConditionsTest, EventsTellFailuresOnce) {
  const std::vector<Condition> failed = {{"Ready", "False", reason::kImagePullFailed, "m"}};
  const std::vector<EventPlan> events = ConditionEvents(failed, Json());
  ASSERT_EQ(events.size(), 1u);
  EXPECT_TRUE(events[0].warning);
  const Json before = {{"conditions", ConditionsJson(failed, Json(), 1, absl::UnixEpoch())}};
  EXPECT_TRUE(ConditionEvents({{"Ready", "False", reason::kImagePullFailed, "other words"}}, before)
                  .empty());
  EXPECT_EQ(ConditionEvents({{"Ready", "False", reason::kModelInvalid, "m"}}, before).size(), 1u);
  EXPECT_TRUE(ConditionEvents({{"Ready", "False", reason::kUpdating, "m"}}, before).empty());
}

TEST(ConditionsTest, ZeroReplicas) {
  World w;
  w.Edit({{"replicas", 0}});
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.Condition("Ready"), "True/AllReplicasReady");
  EXPECT_EQ(w.Condition("Available"), "True/AllReplicasReady");
  EXPECT_EQ(w.Condition("ModelReady"), "Unknown/NoPods");
  EXPECT_EQ(w.status["ready"], "0/0");
}

TEST(ConditionsTest, AllSevenAlways) {
  World w;
  const std::set<std::string> seven = {"Ready",       "Reconciling", "Stalled",         "Available",
                                       "Progressing", "ModelReady",  "UpgradeAvailable"};
  const auto types = [&] {
    std::set<std::string> out;
    for (const Json& condition : w.status["conditions"]) {
      out.insert(condition["type"].get<std::string>());
      EXPECT_FALSE(condition["reason"].get<std::string>().empty());
    }
    return out;
  };
  w.Reconcile();
  EXPECT_EQ(types(), seven);
  w.spec["x"] = 1;
  w.Reconcile();
  EXPECT_EQ(types(), seven);
}

}  // namespace
}  // namespace deepseek::decide
