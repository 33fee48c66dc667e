// Two versions of the operator during an upgrade, which lead by turns: no fight, no new pods.

#include <gtest/gtest.h>

#include "base/log.h"
#include "base/strings.h"
#include "operator/api/names.h"
#include "tests/operator/reconcile/harness.h"

namespace deepseek::reconcile {
namespace {

using kube::resources::kDeepSeekDeployment;

// Children as they are, with the versions that any write would change.
Json Children(const Harness& h) {
  Json out = Json::object();
  for (const kube::Resource* r :
       {&kube::resources::kDeployment, &kube::resources::kControllerRevision,
        &kube::resources::kService, &kube::resources::kServiceAccount,
        &kube::resources::kPodDisruptionBudget, &kube::resources::kNetworkPolicy,
        &kube::resources::kConfigMap}) {
    for (const auto& object : h.server->All(*r, kNamespace)) {
      out[StrCat(r->plural, "/", (*object)["metadata"]["name"].get<std::string>())] = *object;
    }
  }
  return out;
}

void TakeOver(Harness* h, int turn) {
  if (turn % 2 == 0) {
    h->Upgrade("agent:1", "0.1.0");
  } else {
    h->Upgrade("agent:2", "0.2.0");
  }
}

class VersionsTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(log::SetLevelByName("error").ok()); }
};

TEST_F(VersionsTest, EachTurnTellsOfTheUpgradeAndTouchesNothingElse) {
  Harness h;
  h.Apply("demo", Spec({{"replicas", 2}}));
  h.Settle();
  const Json children = Children(h);
  const auto made = h.workloads.made();
  for (int turn = 1; turn <= 6; ++turn) {
    const int before = h.Writes();
    TakeOver(&h, turn);
    h.Settle();
    EXPECT_EQ(h.Condition("demo", "UpgradeAvailable"),
              turn % 2 == 0 ? "False UpToDate" : "True NewerDefaults");
    EXPECT_EQ(Children(h), children) << "turn " << turn;
    EXPECT_LE(h.Writes() - before, 2) << "turn " << turn << ": a status and an Event";
  }
  EXPECT_EQ(h.workloads.made(), made);
}

TEST_F(VersionsTest, ARolloutThatChangesHandsAtEveryStepIsOneRollout) {
  for (const int first : {0, 1}) {
    SCOPED_TRACE(StrCat("begun by version ", first));
    Harness h;
    h.Apply("demo", Spec({{"replicas", 3}}));
    h.Settle();
    Json edited = Spec({{"replicas", 3}});
    edited["engine"]["maxBatch"] = 4;
    h.Apply("demo", edited);
    for (int turn = first; turn < 60; ++turn) {
      TakeOver(&h, turn);
      h.now += absl::Seconds(1);
      h.Round();
      ASSERT_GE(h.ReadyPods(), 3) << h.Deployments();
    }
    h.Settle();
    EXPECT_EQ(h.Condition("demo", "Ready"), "True AllReplicasReady");
    // Two revisions were ever made, each with its three pods.
    const auto made = h.workloads.made();
    ASSERT_EQ(made.size(), 2u);
    for (const auto& [revision, pods] : made) EXPECT_EQ(pods, 3) << revision;
    EXPECT_EQ(h.ReadyPods(), 3);
  }
}

}  // namespace
}  // namespace deepseek::reconcile
