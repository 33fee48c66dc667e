#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "operator/decide/json_read.h"
#include "operator/reconcile/observe.h"
#include "tests/operator/reconcile/harness.h"

namespace deepseek::reconcile {
namespace {

using kube::FakeWorkloads;
using kube::resources::kControllerRevision;
using kube::resources::kDeepSeekDeployment;
using kube::resources::kDeployment;
using kube::resources::kNetworkPolicy;
using kube::resources::kPodDisruptionBudget;
using kube::resources::kPodMonitor;
using kube::resources::kService;
using kube::resources::kServiceAccount;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string OnlyDeployment(const Harness& h) {
  const std::string all = h.Deployments();
  return all.substr(0, all.find('='));
}

std::string Hash8(const std::string& name) {
  return name.substr(name.size() - 8);
}

TEST(LifecycleTest, AppliedBecomesReadyWithAllItsChildren) {
  Harness h;
  h.Apply("demo", Spec({{"replicas", 2}}));
  h.Converge("demo");

  EXPECT_EQ(h.Condition("demo", "Ready"), "True AllReplicasReady");
  EXPECT_EQ(h.Condition("demo", "Reconciling"), "False None");
  EXPECT_EQ(h.Condition("demo", "Stalled"), "False None");
  EXPECT_EQ(h.Condition("demo", "ModelReady"), "True ModelLoaded");
  EXPECT_EQ(h.Condition("demo", "UpgradeAvailable"), "False UpToDate");
  EXPECT_TRUE(h.Exists(kServiceAccount, "demo-agent"));
  EXPECT_TRUE(h.Exists(kService, "demo"));
  EXPECT_TRUE(h.Exists(kPodDisruptionBudget, "demo"));
  EXPECT_TRUE(h.Exists(kNetworkPolicy, "demo"));
  const std::string revision = OnlyDeployment(h);
  EXPECT_TRUE(h.Exists(kService, revision));
  EXPECT_TRUE(h.Exists(kControllerRevision, revision));
  const Json status = h.Get(kDeepSeekDeployment, "demo")["status"];
  EXPECT_EQ(status["ready"], "2/2");
  EXPECT_EQ(status["stableRevision"], revision);
  EXPECT_EQ(status["selector"], "serving.deepseek-operator.io/deployment=demo");
  EXPECT_EQ(status["rollout"]["phase"], "Idle");
  EXPECT_EQ(status["endpoints"]["http"], "http://demo.models.svc:8000");
}

// Requests above limits, for one: the schema takes them, the API server does not.
TEST(LifecycleTest, RecreateStopsNothingForATemplateThatWouldBeRefused) {
  Harness h;
  const Json recreate = {{"strategy", "Recreate"}};
  h.Apply("demo", Spec({{"replicas", 2}, {"rollout", recreate}}));
  h.Converge("demo");
  const std::string revision = OnlyDeployment(h);
  h.server->set_admission([&](const Json& object, const Json*) {
    return object["kind"] == "Deployment" && object["metadata"]["name"] != revision
               ? "spec.template.spec.containers[0].resources.requests: Invalid value"
               : "";
  });
  h.Apply("demo", Spec({{"replicas", 2}, {"rollout", recreate}, {"engine", {{"maxBatch", 3}}}}));
  h.Settle();
  EXPECT_EQ(h.ReadyPods(), 2) << "what served goes on serving";
  EXPECT_EQ(h.Condition("demo", "Stalled"), "True InvalidSpec");
  EXPECT_THAT(h.Message("demo", "Stalled"), HasSubstr("resources.requests: Invalid value"));
  EXPECT_THAT(h.server->All(kControllerRevision), SizeIs(1)) << "no revision was made of it";

  h.server->set_admission([](const Json&, const Json*) { return ""; });
  h.Settle();
  EXPECT_EQ(h.Condition("demo", "Ready"), "True AllReplicasReady");
  EXPECT_NE(OnlyDeployment(h), revision);
}

// With Rolling it was recorded before it was refused; the change to Recreate makes no other
// revision.
TEST(LifecycleTest, RecreateStopsNothingForARevisionThatWasRefusedUnderRolling) {
  Harness h;
  h.Apply("demo", Spec({{"replicas", 2}}));
  h.Converge("demo");
  const std::string first = OnlyDeployment(h);
  h.server->set_admission([&](const Json& object, const Json*) {
    return object["kind"] == "Deployment" && object["metadata"]["name"] != first ? "not this one"
                                                                                 : "";
  });
  const Json engine = {{"maxBatch", 3}};
  h.Apply("demo", Spec({{"replicas", 2}, {"engine", engine}}));
  h.Settle();
  EXPECT_THAT(h.server->All(kControllerRevision), SizeIs(2));
  const Json recreate = {{"strategy", "Recreate"}};
  h.Apply("demo", Spec({{"replicas", 2}, {"engine", engine}, {"rollout", recreate}}));
  h.Settle();
  EXPECT_EQ(h.ReadyPods(), 2) << "what served goes on serving";
  EXPECT_EQ(h.Condition("demo", "Stalled"), "True InvalidSpec");

  h.server->set_admission([](const Json&, const Json*) { return ""; });
  h.Settle();
  EXPECT_EQ(h.Condition("demo", "Ready"), "True AllReplicasReady");
  EXPECT_NE(OnlyDeployment(h), first);
}

TEST(LifecycleTest, ALostRecordRestartsNoPod) {
  Harness h;
  h.Apply("demo", Spec({{"replicas", 2}}));
  h.Converge("demo");
  const std::string revision = OnlyDeployment(h);
  const Json before = h.Get(kDeployment, revision)["spec"];
  const auto pods = h.Pods();
  h.server->SendAsController({.method = "DELETE",
                              .path = kube::ObjectPath(kControllerRevision, kNamespace, revision),
                              .headers = {},
                              .body = ""});
  h.Upgrade("agent:2", "0.2.0");
  h.Converge("demo", [&] { EXPECT_EQ(h.Pods(), pods); });
  EXPECT_TRUE(h.Exists(kControllerRevision, revision));
  EXPECT_EQ(h.Get(kDeployment, revision)["spec"], before);
  EXPECT_EQ(h.Condition("demo", "Ready"), "True AllReplicasReady");
  EXPECT_EQ(h.Condition("demo", "UpgradeAvailable"), "True NewerDefaults");
}

TEST(LifecycleTest, ASettledDeploymentCausesNoWrites) {
  Harness h;
  h.Apply("demo", Spec());
  h.Converge("demo");
  h.server->ForgetCalls();
  h.Reconcile("demo");
  h.now += absl::Hours(100);
  h.Upgrade("agent:1", "0.1.0");  // an operator restart
  h.Reconcile("demo");
  EXPECT_THAT(h.server->Calls(), IsEmpty());
}

TEST(LifecycleTest, AnEditRollsWithoutALackOfReadyPods) {
  Harness h;
  h.Apply("demo", Spec({{"replicas", 3}}));
  h.Converge("demo");
  const std::string before = OnlyDeployment(h);
  h.Apply("demo", Spec({{"replicas", 3}, {"engine", {{"maxBatch", 8}}}}));
  size_t most = 0;
  h.Converge("demo", [&] {
    EXPECT_GE(h.ReadyPods(), 3);
    most = std::max(most, h.Pods().size());
  });
  EXPECT_LE(most, 4u);
  EXPECT_NE(OnlyDeployment(h), before);
  EXPECT_THAT(h.Deployments(), HasSubstr("=3"));
  EXPECT_FALSE(h.Exists(kService, before)) << "the old revision's Service is pruned";
  EXPECT_TRUE(h.Exists(kControllerRevision, before)) << "but it can be restored";
  EXPECT_EQ(h.Condition("demo", "Ready"), "True AllReplicasReady");
}

TEST(LifecycleTest, RevertingRestoresTheOldRevisionUnderANewNumber) {
  Harness h;
  h.Apply("demo", Spec());
  h.Converge("demo");
  const std::string first = OnlyDeployment(h);
  const Json first_template = h.Get(kDeployment, first)["spec"]["template"];
  h.Apply("demo", Spec({{"engine", {{"image", "agent:other"}}}}));
  h.Converge("demo");
  EXPECT_NE(OnlyDeployment(h), first);
  h.Apply("demo", Spec());
  h.Converge("demo");
  EXPECT_EQ(OnlyDeployment(h), first);
  EXPECT_EQ(h.Get(kDeployment, first)["spec"]["template"], first_template);
  EXPECT_EQ(h.Get(kControllerRevision, first)["revision"], 3);
}

TEST(LifecycleTest, ScalingRestartsNothing) {
  Harness h;
  h.Apply("demo", Spec({{"replicas", 1}}));
  h.Converge("demo");
  const std::vector<std::string> before = h.Pods();
  h.Apply("demo", Spec({{"replicas", 3}}));
  h.Converge("demo");
  EXPECT_THAT(h.Pods(), SizeIs(3));
  EXPECT_THAT(h.Pods(), Contains(before[0]));
  h.Apply("demo", Spec({{"replicas", 0}}));
  h.Converge("demo");
  EXPECT_THAT(h.Pods(), IsEmpty());
  EXPECT_EQ(h.Condition("demo", "Ready"), "True AllReplicasReady");
}

TEST(LifecycleTest, AnOperatorUpgradeRestartsNoPodAndOffersTheUpgrade) {
  Harness h;
  h.Apply("demo", Spec({{"replicas", 2}}));
  h.Converge("demo");
  const std::vector<std::string> before = h.Pods();
  const std::string deployments = h.Deployments();
  h.Upgrade("agent:2", "0.2.0");
  h.Converge("demo");
  EXPECT_EQ(h.Pods(), before);
  EXPECT_EQ(h.Deployments(), deployments);
  EXPECT_EQ(h.Condition("demo", "UpgradeAvailable"), "True NewerDefaults");
  EXPECT_THAT(h.Message("demo", "UpgradeAvailable"), HasSubstr("agent:2"));
  // Scaling afterwards still uses what the revision was made with.
  h.Apply("demo", Spec({{"replicas", 3}}));
  h.Converge("demo");
  EXPECT_THAT(h.Pods(), Contains(before[0]));
  EXPECT_EQ(decide::TextAt(
                h.Get(kDeployment, OnlyDeployment(h))["spec"]["template"]["spec"]["containers"][0],
                "/image"),
            "agent:1");
}

TEST(LifecycleTest, ABadModelIsToldInTheAgentsWordsAndTheOldOneServes) {
  Harness h;
  h.Apply("demo", Spec());
  h.Converge("demo");
  const std::string old = OnlyDeployment(h);
  const std::string line =
      "error: model.safetensors: header: length 99 exceeds the file (copy it again)";
  h.workloads.set_fate(Hash8(old), FakeWorkloads::Fate::kReady);
  h.workloads.set_fate("", FakeWorkloads::Fate::kFails, line);
  h.Apply("demo", Spec({{"engine", {{"maxBatch", 4}}}}));
  h.Converge("demo", [&] { EXPECT_GE(h.ReadyPods(), 1); });
  EXPECT_EQ(h.Condition("demo", "Ready"), "False ModelInvalid");
  EXPECT_EQ(h.Condition("demo", "Stalled"), "True ModelInvalid");
  EXPECT_EQ(h.Condition("demo", "Reconciling"), "False None");
  EXPECT_EQ(h.Condition("demo", "ModelReady"), "False ModelInvalid");
  EXPECT_EQ(h.Condition("demo", "Available"), "True MinimumReplicasAvailable");
  EXPECT_THAT(h.Message("demo", "ModelReady"), HasSubstr(line));
  EXPECT_THAT(h.EventReasons(), Contains("ModelInvalid"));
  // A good edit ends it; the failed revision's pod goes.
  h.workloads.set_fate("", FakeWorkloads::Fate::kReady);
  h.Apply("demo", Spec({{"engine", {{"maxBatch", 5}}}}));
  h.Converge("demo");
  EXPECT_EQ(h.Condition("demo", "Ready"), "True AllReplicasReady");
  EXPECT_THAT(h.Pods(), SizeIs(1));
}

TEST(LifecycleTest, DeletingLeavesNothing) {
  Harness h;
  h.Apply("demo", Spec());
  h.Converge("demo");
  h.Delete("demo");
  h.Converge("demo");
  for (const kube::Source& source : Sources()) {
    EXPECT_THAT(h.server->All(source.resource, kNamespace), IsEmpty()) << source.resource.kind;
  }
}

TEST(LifecycleTest, HistoryKeepsTheLimitAndTheStableOne) {
  Harness h;
  for (int batch = 1; batch <= 6; ++batch) {
    h.Apply("demo", Spec({{"revisionHistoryLimit", 2}, {"engine", {{"maxBatch", batch}}}}));
    h.Converge("demo");
  }
  EXPECT_THAT(h.server->All(kControllerRevision, kNamespace),
              SizeIs(3));  // the current one and two to go back to
}

TEST(LifecycleTest, AHandThatEditsOurDeploymentIsCorrected) {
  Harness h;
  h.Apply("demo", Spec({{"replicas", 2}}));
  h.Converge("demo");
  const std::string name = OnlyDeployment(h);
  const auto patched =
      h.server->SendAsController({.method = "PATCH",
                                  .path = kube::ObjectPath(kDeployment, kNamespace, name),
                                  .headers = {{"Content-Type", "application/merge-patch+json"}},
                                  .body = R"({"spec":{"replicas":7}})"});
  ASSERT_EQ(patched.code, 200);
  h.Converge("demo");
  EXPECT_EQ(h.Deployments(), name + "=2");
}

TEST(LifecycleTest, ARetryTokenReplacesUnreadyPods) {
  Harness h;
  h.workloads.set_fate("", FakeWorkloads::Fate::kFails, "error: gone");
  h.Apply("demo", Spec());
  h.Converge("demo");
  const std::vector<std::string> failed = h.Pods();
  h.Apply("demo", Spec({{"rollout", {{"retryToken", "weights copied again"}}}}));
  h.now += absl::Hours(1);
  h.Reconcile("demo");  // first the mark, then what it justifies
  EXPECT_EQ(h.Pods(), failed);
  h.Reconcile("demo");
  EXPECT_THAT(h.Pods(), IsEmpty());
  h.workloads.set_fate("", FakeWorkloads::Fate::kReady);
  h.Converge("demo");
  EXPECT_NE(h.Pods(), failed);
  EXPECT_EQ(h.Condition("demo", "Ready"), "True AllReplicasReady");
}

const Json kWithMonitor = Spec({{"observability", {{"podMonitor", {{"labels", {{"a", "b"}}}}}}}});

TEST(PodMonitorTest, ComesWithTheFieldHealsAndGoesWithIt) {
  Harness h;
  h.Apply("demo", Spec());
  h.Converge("demo");
  EXPECT_FALSE(h.Exists(kPodMonitor, "demo"));
  EXPECT_EQ(h.Condition("demo", "Monitored"), "absent");
  h.Apply("demo", kWithMonitor);
  h.Converge("demo");
  EXPECT_EQ(h.Get(kPodMonitor, "demo")["metadata"]["labels"]["a"], "b");
  EXPECT_EQ(h.Condition("demo", "Monitored"), "True PodMonitorInPlace");
  EXPECT_EQ(h.Condition("demo", "Ready"), "True AllReplicasReady");

  kube::Client somebody(h.server);
  ASSERT_TRUE(somebody.Delete(kPodMonitor, kNamespace, "demo").ok());
  h.Converge("demo");
  EXPECT_TRUE(h.Exists(kPodMonitor, "demo"));

  h.Apply("demo", Spec());
  h.Converge("demo");
  EXPECT_FALSE(h.Exists(kPodMonitor, "demo"));
  EXPECT_EQ(h.Condition("demo", "Monitored"), "absent");
}

TEST(PodMonitorTest, WithoutItsCrdTheModelServesAndTheConditionSaysWhy) {
  Harness h;
  h.server->set_served("monitoring.coreos.com/podmonitors", false);
  h.Restart();
  h.Apply("demo", kWithMonitor);
  h.Converge("demo");
  EXPECT_EQ(h.Condition("demo", "Ready"), "True AllReplicasReady");
  EXPECT_EQ(h.Condition("demo", "Monitored"), "False PodMonitorsNotInstalled");
  EXPECT_THAT(h.Message("demo", "Monitored"), HasSubstr("install the Prometheus Operator's CRDs"));
  EXPECT_THAT(h.EventReasons(), Contains("PodMonitorsNotInstalled"));
  h.server->ForgetCalls();
  h.Settle();
  EXPECT_THAT(h.server->Calls(), IsEmpty()) << "nothing is tried in vain";

  // The CRD is installed: nobody has to touch the DeepSeekDeployment.
  h.server->set_served("monitoring.coreos.com/podmonitors", true);
  h.Settle();
  EXPECT_TRUE(h.Exists(kPodMonitor, "demo"));
  EXPECT_EQ(h.Condition("demo", "Monitored"), "True PodMonitorInPlace");
}

TEST(PodMonitorTest, OneThatIsRefusedIsNotCalledInPlace) {
  Harness h;
  h.server->set_admission([](const Json& object, const Json*) {
    return object["kind"] == "PodMonitor" ? "metadata.labels: Invalid value" : "";
  });
  h.Apply("demo", kWithMonitor);
  h.Settle();
  EXPECT_EQ(h.ReadyPods(), 1) << "it comes last";
  EXPECT_EQ(h.Condition("demo", "Ready"), "False InvalidSpec");
  EXPECT_EQ(h.Condition("demo", "Monitored"), "False InvalidSpec");
  EXPECT_THAT(h.Message("demo", "Monitored"), HasSubstr("metadata.labels"));
}

TEST(PodMonitorTest, SomebodyElsesIsLeftAloneAndPodsGoOn) {
  Harness h;
  kube::Client somebody(h.server);
  const Json theirs{{"apiVersion", "monitoring.coreos.com/v1"},
                    {"kind", "PodMonitor"},
                    {"metadata", {{"name", "demo"}}},
                    {"spec", {{"selector", Json::object()}}}};
  ASSERT_TRUE(somebody.Create(kPodMonitor, kNamespace, theirs, "me").ok());
  h.Apply("demo", kWithMonitor);
  h.Settle();
  EXPECT_EQ(h.ReadyPods(), 1);
  EXPECT_EQ(h.Condition("demo", "Ready"), "False NameConflict");
  EXPECT_EQ(h.Condition("demo", "Monitored"), "False NameConflict");
  EXPECT_TRUE(h.Get(kPodMonitor, "demo")["spec"]["selector"].empty());
}

}  // namespace
}  // namespace deepseek::reconcile
