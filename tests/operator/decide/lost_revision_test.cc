// A ControllerRevision that somebody deleted is made again of what runs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/decide/json_read.h"
#include "operator/decide/reasons.h"
#include "tests/operator/decide/world.h"

namespace deepseek::decide {
namespace {

using ::testing::HasSubstr;

struct Lost : ::testing::Test {
  void SetUp() override {
    w.Edit({{"replicas", 2}});
    ASSERT_TRUE(w.Settle());
    name = StrCat("demo-", w.last_hash8);
    record = w.children.at("ControllerRevision " + name);
    pods = Names();
  }
  std::string Names() const {
    std::string out;
    for (const WorldPod& pod : w.pods) StrAppend(&out, pod.name, " ");
    return out;
  }
  Json Template() const { return w.children.at("Deployment " + name)["spec"]["template"]; }

  World w;
  std::string name, pods;
  Json record;
};

TEST_F(Lost, UnderTheSameDefaultsItIsWhatItWas) {
  w.children.erase("ControllerRevision " + name);
  // As the API server stores it: with its defaults, and quantities as it writes them.
  Json& spec = w.children.at("Deployment " + name)["spec"]["template"]["spec"];
  spec["dnsPolicy"] = "ClusterFirst";
  spec["containers"][0]["resources"]["requests"]["cpu"] = "0.1";
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.children.at("ControllerRevision " + name)["data"], record["data"]);
  EXPECT_EQ(w.Condition("UpgradeAvailable"), "False/UpToDate");
}

TEST_F(Lost, UnderNewerDefaultsItKeepsWhatRuns) {
  const Json before = Template();
  w.defaults = {"agent:9", "Always", "9.0.0"};
  w.children.erase("ControllerRevision " + name);
  const Plan plan = w.Reconcile();
  EXPECT_EQ(plan.events.at(0).action, "CreateRevision");
  EXPECT_EQ(plan.events.at(0).reason, reason::kRecordLost);
  EXPECT_THAT(plan.events.at(0).message, HasSubstr("image agent:1"));
  EXPECT_EQ(w.Condition("Ready"), "True/AllReplicasReady") << "it has not changed";
  EXPECT_EQ(w.status["revisions"][0]["image"], "agent:1");
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(Template(), before);
  EXPECT_EQ(Names(), pods);
  const Json& made = w.children.at("ControllerRevision " + name);
  EXPECT_EQ(made["data"]["template"], record["data"]["template"]);
  EXPECT_EQ(made["data"]["resolved"]["image"], "agent:1");
  EXPECT_EQ(made["data"]["resolved"]["imagePullPolicy"], "IfNotPresent");
  EXPECT_EQ(made["revision"], 1);
  EXPECT_EQ(w.Condition("UpgradeAvailable"), "True/NewerDefaults");
  EXPECT_EQ(w.status["stableRevision"], name);

  w.Edit({{"replicas", 2}, {"engine", {{"maxBatch", 2}}}});
  ASSERT_TRUE(w.Settle());
  w.Edit({{"replicas", 2}});
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(Template(), before) << "that is what an undo restores";
}

// Taking it off would restart the pods.
TEST_F(Lost, WhatALaterVersionHadMadeStays) {
  Json& container =
      w.children.at("Deployment " + name)["spec"]["template"]["spec"]["containers"][0];
  container["env"].push_back({{"name", "OF_A_LATER_VERSION"}, {"value", "1"}});
  const Json before = Template();
  w.children.erase("ControllerRevision " + name);
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(Template(), before);
  EXPECT_EQ(w.children.at("ControllerRevision " + name)["data"]["template"], before);
}

TEST_F(Lost, TheTimeOfARestartStaysItsOwners) {
  Json& pod_template = w.children.at("Deployment " + name)["spec"]["template"];
  pod_template["metadata"]["annotations"] = {{"kubectl.kubernetes.io/restartedAt", "then"},
                                             {"other", "x"}};
  w.defaults = {"agent:9", "Always", "9.0.0"};
  w.children.erase("ControllerRevision " + name);
  w.Reconcile();
  const Json& made = w.children.at("ControllerRevision " + name)["data"]["template"];
  EXPECT_EQ(made["metadata"]["annotations"], (Json{{"other", "x"}}));
}

TEST_F(Lost, APausedOneIsStillComplete) {
  w.children.erase("ControllerRevision " + name);
  w.Edit({{"replicas", 2}, {"rollout", {{"paused", true}}}});
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.Condition("Ready"), "True/AllReplicasReady");
  EXPECT_EQ(w.status["rollout"]["phase"], "Idle");
}

TEST_F(Lost, InMidRolloutItGoesOn) {
  w.Edit({{"replicas", 2}, {"engine", {{"maxBatch", 2}}}});
  w.fates[w.last_hash8] = Fate::kLoading;
  w.Settle(4);
  w.children.erase(StrCat("ControllerRevision demo-", w.last_hash8));
  w.Settle(4);
  EXPECT_EQ(w.Condition("Ready"), "False/Updating");
  EXPECT_EQ(w.status["stableRevision"], name);
  w.fates.clear();
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.Condition("Ready"), "True/AllReplicasReady");
  EXPECT_EQ(w.status["stableRevision"], StrCat("demo-", w.last_hash8));
}

// A newer operator would refuse what already serves.
TEST_F(Lost, WhatWouldNotBeMadeTodayGoesOn) {
  Json& deployment = w.children.at("Deployment " + name);
  w.Edit({{"replicas", 2}, {"workload", {{"template", {{"spec", {{"hostNetwork", true}}}}}}}});
  const std::string other = StrCat("demo-", w.last_hash8);
  Json moved = deployment;
  moved["metadata"]["name"] = other;
  moved["metadata"]["labels"][api::kRevisionLabel] = w.last_hash8;
  w.children.clear();
  w.pods.clear();
  w.children["Deployment " + other] = moved;
  w.Reconcile();
  EXPECT_EQ(w.Condition("Stalled"), "False/None");
  EXPECT_TRUE(w.children.contains("ControllerRevision " + other));
}

}  // namespace
}  // namespace deepseek::decide
