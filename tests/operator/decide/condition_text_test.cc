// The words of each condition, in full: what people read first.

#include <gtest/gtest.h>

#include "base/strings.h"
#include "operator/decide/conditions.h"
#include "operator/decide/reasons.h"
#include "tests/operator/decide/world.h"

namespace deepseek::decide {
namespace {

Json Spec(int replicas, const Json& more = Json::object()) {
  Json spec = {{"replicas", replicas}};
  spec.merge_patch(more);
  return spec;
}
Json Changed(int replicas, const Json& more = Json::object()) {
  Json spec = Spec(replicas, {{"engine", {{"maxBatch", 2}}}});
  spec.merge_patch(more);
  return spec;
}

// "1 of 2 replicas of revision 901131b0 are ready"
std::string ReadyText(const World& w, int ready, int replicas) {
  return StrCat(ready, " of ", replicas, " replicas of revision ", w.last_hash8, " are ready");
}

TEST(ConditionTextTest, Creating) {
  World w;
  w.Edit(Spec(2));
  w.Reconcile();
  for (const char* type : {"Ready", "Reconciling", "Progressing"}) {
    EXPECT_EQ(w.Message(type), ReadyText(w, 0, 2)) << type;
  }
  EXPECT_EQ(w.Message("Stalled"), "");
  EXPECT_EQ(w.Message("Available"), "0 ready, at least 2 needed");
  EXPECT_EQ(w.Message("ModelReady"), "no agent is running");
  EXPECT_EQ(w.Message("UpgradeAvailable"), "the revision has this operator's defaults");
  EXPECT_EQ(w.Condition("Progressing"), "True/Creating");
}

TEST(ConditionTextTest, Ready) {
  World w;
  w.Edit(Spec(2));
  ASSERT_TRUE(w.Settle());
  for (const char* type : {"Ready", "Progressing", "ModelReady"}) {
    EXPECT_EQ(w.Message(type), ReadyText(w, 2, 2)) << type;
  }
  EXPECT_EQ(w.Condition("ModelReady"), "True/ModelLoaded");
  EXPECT_EQ(w.Message("Reconciling"), "");
}

TEST(ConditionTextTest, UpdatingTellsOfPodsThatAreStillThere) {
  World w;
  w.Edit(Spec(2));
  ASSERT_TRUE(w.Settle());
  w.Edit(Changed(2));
  w.fates[w.last_hash8] = Fate::kPending;
  w.Settle(5);
  EXPECT_EQ(w.Condition("Ready"), "False/Updating");
  EXPECT_EQ(w.Message("Ready"),
            ReadyText(w, 0, 2) + ", 2 pods of earlier revisions are still there");
  EXPECT_EQ(w.Condition("Reconciling"), "True/Updating");
  EXPECT_EQ(w.Message("Reconciling"), w.Message("Ready"));
  EXPECT_EQ(w.Condition("Progressing"), "True/Updating");
  EXPECT_EQ(w.Condition("ModelReady"), "Unknown/NoPods") << "old pods are of another model";
  w.pods[0].stopping = true;
  w.pods[0].ready = false;
  w.Reconcile();
  EXPECT_EQ(w.Message("Ready"),
            ReadyText(w, 0, 2) + ", 1 pods of earlier revisions are still there")
      << "one that is stopping is as good as gone";
}

TEST(ConditionTextTest, BetweenTheRevisionsOfARecreateNoPodsAreMentioned) {
  World w;
  ASSERT_TRUE(w.Settle());
  w.Edit(Changed(1, {{"rollout", {{"strategy", "Recreate"}}}}));
  w.Reconcile();
  w.Step();
  w.Reconcile();
  EXPECT_EQ(w.Condition("Ready"), "False/Updating");
  EXPECT_EQ(w.Message("Ready"), ReadyText(w, 0, 1));
}

TEST(ConditionTextTest, AStoppingPodLoadsNoModel) {
  World w;
  w.fates[w.last_hash8] = Fate::kLoading;
  w.Reconcile();
  w.Step();
  w.Reconcile();
  EXPECT_EQ(w.Condition("ModelReady"), "False/ModelLoading");
  EXPECT_EQ(w.Message("ModelReady"), "agents are loading the model");
  w.pods[0].stopping = true;
  w.Reconcile();
  EXPECT_EQ(w.Condition("ModelReady"), "Unknown/NoPods");
  EXPECT_EQ(w.Condition("Ready"), "False/Creating");
}

TEST(ConditionTextTest, Paused) {
  World w;
  ASSERT_TRUE(w.Settle());
  w.Edit(Changed(1, {{"rollout", {{"paused", true}}}}));
  w.Reconcile();
  EXPECT_EQ(w.Message("Ready"),
            StrCat("the rollout is paused (rollout.paused); ", ReadyText(w, 0, 1)));
  EXPECT_EQ(w.Message("Progressing"), "the rollout is paused (rollout.paused)");
  EXPECT_EQ(w.Condition("Reconciling"), "True/Paused");
}

TEST(ConditionTextTest, TheDeadlineNamesItsField) {
  World w;
  w.Edit(Spec(1, {{"rollout", {{"progressDeadline", "10s"}}}}));
  w.fates[w.last_hash8] = Fate::kLoading;
  w.Settle();
  w.now += absl::Seconds(10);
  w.Reconcile();
  const std::string words = StrCat(
      "no further replica became ready in time (rollout.progressDeadline); ", ReadyText(w, 0, 1));
  for (const char* type : {"Ready", "Stalled", "Progressing"}) {
    EXPECT_EQ(w.Message(type), words) << type;
  }
}

// What is wrong with the pods says more than that time is up; that it is up stalls all the same.
TEST(ConditionTextTest, AFailureOutranksTheDeadlineAndAPause) {
  World w;
  w.Edit(Spec(1, {{"rollout", {{"progressDeadline", "10s"}}}}));
  w.fates[w.last_hash8] = Fate::kImagePull;
  w.Settle();
  w.now += absl::Seconds(10);
  w.Reconcile();
  EXPECT_EQ(w.Condition("Ready"), "False/ImagePullFailed");
  EXPECT_EQ(w.Condition("Stalled"), "True/ImagePullFailed");
  EXPECT_EQ(w.Condition("Reconciling"), "False/None");
  EXPECT_EQ(w.Condition("Progressing"), "False/ProgressDeadlineExceeded");
  EXPECT_EQ(w.Message("Stalled"), w.Message("Ready"));
  EXPECT_EQ(w.Message("Reconciling"), "");
  w.Edit(Spec(1, {{"rollout", {{"progressDeadline", "10s"}, {"paused", true}}}}));
  w.Reconcile();
  EXPECT_EQ(w.Condition("Ready"), "False/ImagePullFailed");
  EXPECT_EQ(w.Condition("Stalled"), "False/None") << "a pause stops the clock";
  EXPECT_EQ(w.Condition("Progressing"), "Unknown/Paused");
}

class EndedWorld : public World {
 public:
  EndedWorld(int exit_code, const std::string& why) {
    Settle();
    pods.at(0).ready = false;
    fates[last_hash8] = Fate::kLoading;
    shape = [exit_code, why](const WorldPod&, Json* pod) {
      Json& container = (*pod)["status"]["containerStatuses"][0];
      container["restartCount"] = 1;
      container["lastState"]["terminated"] = {{"exitCode", exit_code}};
      if (!why.empty()) container["lastState"]["terminated"]["reason"] = why;
    };
    Reconcile();
  }
};

TEST(ConditionTextTest, ARestartAfterServingIsTold) {
  EndedWorld killed(137, "OOMKilled");
  EXPECT_EQ(killed.Condition("Ready"), "False/MinimumReplicasUnavailable");
  EXPECT_EQ(killed.Message("Ready"), StrCat(ReadyText(killed, 0, 1), " (pod ", killed.pods[0].name,
                                            " restarted after exit code 137, OOMKilled)"));
  EXPECT_EQ(killed.Condition("Progressing"), "True/MinimumReplicasUnavailable");
  EndedWorld ended(1, "");
  EXPECT_EQ(ended.Message("Ready"), StrCat(ReadyText(ended, 0, 1), " (pod ", ended.pods[0].name,
                                           " restarted after exit code 1)"));
  ended.pods[0].stopping = true;
  ended.Reconcile();
  EXPECT_EQ(ended.Message("Ready"), ReadyText(ended, 0, 1)) << "one that is going is not told";
}

struct Minimum {
  int replicas, max_unavailable, ready;
  const char* condition;
  const char* message;
};

TEST(ConditionTextTest, AvailableCountsWhatRolloutAllows) {
  const Minimum cases[] = {
      {3, 0, 3, "True/AllReplicasReady", "3 ready, at least 3 needed"},
      {3, 0, 2, "False/MinimumReplicasUnavailable", "2 ready, at least 3 needed"},
      {3, 1, 2, "True/MinimumReplicasAvailable", "2 ready, at least 2 needed"},
      {3, 1, 1, "False/MinimumReplicasUnavailable", "1 ready, at least 2 needed"},
      // However many may be missing, none is not available.
      {2, 2, 1, "True/MinimumReplicasAvailable", "1 ready, at least 1 needed"},
      {2, 2, 0, "False/MinimumReplicasUnavailable", "0 ready, at least 1 needed"},
      {0, 1, 0, "True/AllReplicasReady", "0 ready, at least 0 needed"},
  };
  for (const Minimum& c : cases) {
    World w;
    w.Edit(Spec(c.replicas, {{"rollout", {{"maxUnavailable", c.max_unavailable}}}}));
    ASSERT_TRUE(w.Settle());
    w.fates[w.last_hash8] = Fate::kLoading;
    for (int i = 0; i < c.replicas - c.ready; ++i) w.pods[i].ready = false;
    w.Reconcile();
    EXPECT_EQ(w.Condition("Available"), c.condition) << c.message;
    EXPECT_EQ(w.Message("Available"), c.message);
  }
}

TEST(ConditionTextTest, AnUpgradeTellsWhatWouldChange) {
  World w;
  ASSERT_TRUE(w.Settle());
  w.defaults = {"agent:2", "IfNotPresent", "0.2.0"};
  w.Reconcile();
  EXPECT_EQ(w.Message("UpgradeAvailable"),
            StrCat("revision ", w.last_hash8,
                   " keeps the defaults it was made with: image agent:1; now it would be agent:2 "
                   "(set spec.engine.image to move to it)"));
  w.defaults = {"agent:1", "Always", "0.2.0"};
  w.Reconcile();
  EXPECT_EQ(w.Condition("UpgradeAvailable"), "True/NewerDefaults");
  EXPECT_EQ(w.Message("UpgradeAvailable"),
            StrCat("revision ", w.last_hash8, " keeps the defaults it was made with"));
}

TEST(ConditionTextTest, ARefusedWriteSaysItsMessageAndLeavesTheRest) {
  World w;
  ASSERT_TRUE(w.Settle());
  Observed observed = Read(w.Observe());
  observed.refusal_reason = reason::kWriteRefused;
  observed.refusal_message = "services \"demo\" is forbidden";
  w.status = *Decide(observed, w.defaults, w.now).status;
  for (const char* type : {"Ready", "Stalled"}) {
    EXPECT_EQ(w.Message(type), "services \"demo\" is forbidden") << type;
  }
  EXPECT_EQ(w.Condition("Ready"), "False/WriteRefused");
  EXPECT_EQ(w.Condition("Stalled"), "True/WriteRefused");
  EXPECT_EQ(w.Condition("Reconciling"), "False/None");
  EXPECT_EQ(w.Message("Reconciling"), "");
  EXPECT_EQ(w.Condition("Available"), "True/AllReplicasReady");
  EXPECT_EQ(w.Condition("ModelReady"), "True/ModelLoaded");
}

}  // namespace
}  // namespace deepseek::decide
