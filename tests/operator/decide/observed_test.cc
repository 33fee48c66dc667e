#include "operator/decide/observed.h"

#include <gtest/gtest.h>

#include "base/json_full.h"
#include "operator/api/names.h"
#include "operator/decide/decide.h"
#include "tests/operator/decide/world.h"

namespace deepseek::decide {
namespace {

Object Make(const char* text) {
  return std::make_shared<const Json>(Json::parse(text));
}

Cluster Empty() {
  Cluster cluster;
  cluster.dsd = Make(R"({"metadata":{"name":"demo","namespace":"ns","uid":"u1"},
                         "spec":{"model":{"source":{"builtin":"demo-v3"}}}})");
  return cluster;
}

Ownership OwnershipWith(const char* owners) {
  Cluster cluster = Empty();
  Json object = {{"kind", "Service"},
                 {"metadata", {{"name", "demo"}, {"ownerReferences", Json::parse(owners)}}}};
  cluster.children.push_back(std::make_shared<const Json>(object));
  return Read(cluster).children.at(0).ownership;
}

TEST(ObservedTest, WhoseIsIt) {
  const char* ours =
      R"([{"apiVersion":"serving.deepseek-operator.io/v1alpha1","kind":"DeepSeekDeployment",
                          "name":"demo","uid":"u1","controller":true}])";
  EXPECT_EQ(OwnershipWith(ours), Ownership::kOurs);
  EXPECT_EQ(
      OwnershipWith(
          R"([{"apiVersion":"serving.deepseek-operator.io/v1beta1","kind":"DeepSeekDeployment",
                               "name":"demo","uid":"u1","controller":true}])"),
      Ownership::kOurs);
  EXPECT_EQ(
      OwnershipWith(
          R"([{"apiVersion":"serving.deepseek-operator.io/v1alpha1","kind":"DeepSeekDeployment",
                               "name":"demo","uid":"u0","controller":true}])"),
      Ownership::kFormer);
  EXPECT_EQ(
      OwnershipWith(
          R"([{"apiVersion":"serving.deepseek-operator.io/v1alpha1","kind":"DeepSeekDeployment",
                               "name":"other","uid":"u2","controller":true}])"),
      Ownership::kForeign);
  EXPECT_EQ(
      OwnershipWith(
          R"([{"apiVersion":"serving.deepseek-operator.io/v1alpha1","kind":"DeepSeekDeployment",
                               "name":"demo","uid":"u1"}])"),
      Ownership::kForeign)
      << "an owner that is not the controller";
  EXPECT_EQ(OwnershipWith(
                R"([{"apiVersion":"evil.io/v1","kind":"DeepSeekDeployment","name":"demo","uid":"u1",
                               "controller":true}])"),
            Ownership::kForeign);
  EXPECT_EQ(OwnershipWith("[]"), Ownership::kForeign);
  EXPECT_EQ(OwnershipWith("3"), Ownership::kForeign);
}

Object PodWith(const char* owner, const char* phase) {
  return std::make_shared<const Json>(
      Json{{"metadata",
            {{"name", "p"},
             {"labels", {{api::kDeploymentLabel, "demo"}, {api::kRevisionLabel, "cafe0000"}}},
             {"ownerReferences",
              Json::array({{{"kind", "ReplicaSet"}, {"name", owner}, {"controller", true}}})}}},
           {"status", {{"phase", phase}}}});
}

TEST(ObservedTest, OnlyPodsOfOurReplicaSetsCount) {
  Cluster cluster = Empty();
  cluster.pods = {
      PodWith("demo-cafe0000-abc", "Running"),
      PodWith("other-cafe0000-abc", "Running"),
      PodWith("demo-beef0000-abc", "Running"),
      PodWith("demo-cafe0000-abc", "Failed"),
      PodWith("demo-cafe0000-abc", "Succeeded"),
      Make(
          R"({"metadata":{"name":"q","labels":{"serving.deepseek-operator.io/deployment":"demo"}}})")};
  EXPECT_EQ(Read(cluster).pods.size(), 1u);
}

TEST(ObservedTest, AStoppingPodIsNotReady) {
  World w;
  ASSERT_TRUE(w.Settle());
  EXPECT_TRUE(Read(w.Observe()).pods.at(0).ready);
  w.pods[0].stopping = true;
  const Pod pod = Read(w.Observe()).pods.at(0);
  EXPECT_TRUE(pod.deleting);
  EXPECT_FALSE(pod.ready);
}

TEST(ObservedTest, ContainersPastAndPresent) {
  Cluster cluster = Empty();
  Json pod = *PodWith("demo-cafe0000-abc", "Running");
  pod["status"]["containerStatuses"] = Json::parse(R"([
    {"name":"sidecar","restartCount":9,"state":{"waiting":{"reason":"ImagePullBackOff"}}},
    {"name":"agent","restartCount":2,"state":{"waiting":{"reason":"CrashLoopBackOff","message":"m"}},
     "lastState":{"terminated":{"exitCode":2,"reason":"Error","message":"error: x"}}}])");
  pod["status"]["conditions"] = Json::parse(
      R"([{"type":"PodScheduled","status":"False","reason":"Unschedulable","message":"no room"}])");
  cluster.pods = {std::make_shared<const Json>(pod)};
  const Pod read = Read(cluster).pods.at(0);
  EXPECT_EQ(read.restarts, 2);
  EXPECT_EQ(read.waiting_reason, "CrashLoopBackOff");
  EXPECT_EQ(read.ended->exit_code, 2);
  EXPECT_EQ(read.ended->message, "error: x");
  EXPECT_EQ(read.unschedulable, "no room");
}

TEST(ObservedTest, RevisionsNewestFirst) {
  World w;
  for (const int batch : {1, 2, 3}) {
    w.Edit({{"engine", {{"maxBatch", batch}}}});
    ASSERT_TRUE(w.Settle());
  }
  const Observed observed = Read(w.Observe());
  ASSERT_EQ(observed.revisions.size(), 3u);
  EXPECT_EQ(observed.revisions[0].number, 3);
  EXPECT_EQ(observed.revisions[2].number, 1);
}

TEST(ObservedTest, ARevisionWithoutATemplateIsInTheWay) {
  World w;
  w.Reconcile();
  for (auto& [key, object] : w.children) {
    if (key.starts_with("ControllerRevision ")) object["data"].erase("template");
  }
  w.Reconcile();
  EXPECT_EQ(w.Condition("Stalled"), "True/NameConflict");
}

TEST(ObservedTest, WarningsNewestFirst) {
  Cluster cluster = Empty();
  cluster.events = {Make(R"({"regarding":{"uid":"a"},"reason":"FailedMount","note":"old",
                             "eventTime":"2023-01-01T00:00:00.000000Z"})"),
                    Make(R"({"regarding":{"uid":"a"},"reason":"FailedMount","note":"new",
                             "eventTime":"2023-01-01T00:00:00.000000Z",
                             "series":{"lastObservedTime":"2023-01-01T00:05:00.000000Z"}})"),
                    Make(R"({"regarding":{"uid":"a"},"reason":"FailedMount","note":"legacy",
                             "deprecatedLastTimestamp":"2023-01-01T00:01:00Z"})")};
  const Observed observed = Read(cluster);
  ASSERT_EQ(observed.warnings.size(), 3u);
  EXPECT_EQ(observed.warnings[0].note, "new");
  EXPECT_EQ(observed.warnings[1].note, "legacy");
}

TEST(ObservedTest, ADeploymentsFailureAndStaleStatus) {
  World w;
  w.Reconcile();
  Observed observed = Read(w.Observe());
  EXPECT_FALSE(observed.workloads.at(0).settled);
  w.Step();
  EXPECT_TRUE(Read(w.Observe()).workloads.at(0).settled);
  for (auto& [key, object] : w.children) {
    if (!key.starts_with("Deployment ")) continue;
    object["status"]["conditions"] =
        Json::parse(R"([{"type":"ReplicaFailure","status":"True","message":"exceeded quota: q"}])");
  }
  w.pods.clear();
  EXPECT_EQ(Read(w.Observe()).workloads.at(0).refused, "exceeded quota: q");
  w.Reconcile();
  EXPECT_EQ(w.Condition("Ready"), "False/QuotaExceeded");
}

TEST(ObservedTest, AnyShapeIsReadWithoutHarm) {
  const char* shapes[] = {
      "null",
      "3",
      "[]",
      "{}",
      R"({"metadata":3})",
      R"({"metadata":{"labels":[]},"status":[]})",
      R"({"kind":"Deployment","metadata":{"name":7},"spec":"x"})",
      R"({"kind":"ControllerRevision","metadata":{"ownerReferences":{}},"data":1})"};
  Cluster cluster = Empty();
  for (const char* shape : shapes) {
    cluster.children.push_back(Make(shape));
    cluster.pods.push_back(Make(shape));
    cluster.events.push_back(Make(shape));
  }
  const Plan plan = Decide(Read(cluster), {"agent:1", "IfNotPresent", "1"}, absl::UnixEpoch());
  EXPECT_TRUE(plan.manage);
}

TEST(DecideTest, AnObjectThatIsBeingDeletedIsLeftToItsOwnerReferences) {
  World w;
  Cluster cluster = w.Observe();
  Json dsd = *cluster.dsd;
  dsd["metadata"]["deletionTimestamp"] = "2023-01-01T00:00:00Z";
  cluster.dsd = std::make_shared<const Json>(dsd);
  const Plan plan = Decide(Read(cluster), w.defaults, w.now);
  EXPECT_FALSE(plan.manage);
  EXPECT_EQ(plan.status, nullptr);
  EXPECT_EQ(plan.requeue_after, absl::InfiniteDuration());
}

TEST(DecideTest, LooksAgainOnlyWhileSomethingIsUnderWay) {
  World w;
  EXPECT_EQ(w.Reconcile().requeue_after, absl::Seconds(5));
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.Reconcile().requeue_after, absl::InfiniteDuration());
}

TEST(DecideTest, LooksAgainAtTheDeadline) {
  World w;
  w.Edit({{"rollout", {{"progressDeadline", "3s"}}}});
  w.fates[w.last_hash8] = Fate::kLoading;
  w.Reconcile();
  w.now += absl::Seconds(1);
  EXPECT_EQ(w.Reconcile().requeue_after, absl::Seconds(2));
}

}  // namespace
}  // namespace deepseek::decide
