#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "operator/api/names.h"
#include "tests/operator/reconcile/harness.h"

namespace deepseek::reconcile {
namespace {

using kube::resources::kDeployment;
using kube::resources::kPod;
using kube::resources::kService;
using kube::resources::kServiceAccount;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

void CreateForeign(Harness* h, const kube::Resource& r, const std::string& name,
                   const Json& more = Json::object()) {
  Json object = {{"apiVersion", r.ApiVersion()},
                 {"kind", r.kind},
                 {"metadata", {{"name", name}, {"namespace", kNamespace}}}};
  object.merge_patch(more);
  const auto response =
      h->server->SendAsController({.method = "POST",
                                   .path = kube::CollectionPath(r, kNamespace),
                                   .headers = {{"Content-Type", "application/json"}},
                                   .body = object.dump()});
  ASSERT_EQ(response.code, 201) << response.body;
}

class ForeignObject : public ::testing::TestWithParam<std::pair<kube::Resource, std::string>> {};

TEST_P(ForeignObject, IsNeverWrittenAndIsNamed) {
  const auto& [resource, name] = GetParam();
  Harness h;
  CreateForeign(&h, resource, name);
  const Json before = h.Get(resource, name);
  h.Apply("demo", Spec());
  h.Converge("demo");
  EXPECT_EQ(h.Get(resource, name), before);
  EXPECT_EQ(h.Condition("demo", "Ready"), "False NameConflict");
  EXPECT_EQ(h.Condition("demo", "Stalled"), "True NameConflict");
  EXPECT_THAT(h.Message("demo", "Stalled"), HasSubstr(resource.kind + " " + name));
  EXPECT_THAT(h.EventReasons(), Contains("NameConflict"));
  // Pods do not run without an identity and a network policy of their own. Nothing depends on the
  // others.
  const bool needed = resource.kind == "ServiceAccount" || resource.kind == "NetworkPolicy";
  EXPECT_EQ(h.ReadyPods(), needed ? 0 : 1);
  EXPECT_EQ(h.Condition("demo", "Available"),
            needed ? "Unknown NameConflict" : "True AllReplicasReady");

  // Once it is out of the way, all goes on.
  h.server->SendAsController({.method = "DELETE",
                              .path = kube::ObjectPath(resource, kNamespace, name),
                              .headers = {},
                              .body = ""});
  h.Converge("demo");
  EXPECT_EQ(h.Condition("demo", "Ready"), "True AllReplicasReady");
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, ForeignObject,
    ::testing::Values(std::pair(kServiceAccount, std::string("demo-agent")),
                      std::pair(kService, std::string("demo")),
                      std::pair(kube::resources::kPodDisruptionBudget, std::string("demo")),
                      std::pair(kube::resources::kNetworkPolicy, std::string("demo"))));

TEST(ConflictTest, AForeignServiceDoesNotHoldBackARollout) {
  Harness h;
  h.Apply("demo", Spec());
  h.Converge("demo");
  h.server->SendAsController({.method = "DELETE",
                              .path = kube::ObjectPath(kService, kNamespace, "demo"),
                              .headers = {},
                              .body = ""});
  CreateForeign(&h, kService, "demo");
  const std::string before = h.Deployments();
  h.Apply("demo", Spec({{"engine", {{"maxBatch", 4}}}}));
  h.Converge("demo");
  EXPECT_NE(h.Deployments(), before);
  EXPECT_EQ(h.ReadyPods(), 1);
  EXPECT_EQ(h.Condition("demo", "Stalled"), "True NameConflict");
}

TEST(ConflictTest, ALabelTakenOffIsPutBack) {
  Harness h;
  h.Apply("demo", Spec());
  h.Converge("demo");
  const Json before = h.Get(kService, "demo");
  h.server->SendAsController({.method = "PATCH",
                              .path = kube::ObjectPath(kService, kNamespace, "demo"),
                              .headers = {{"Content-Type", "application/merge-patch+json"}},
                              .body = R"({"metadata":{"labels":null}})"});
  h.Converge("demo");
  EXPECT_EQ(h.Get(kService, "demo")["metadata"]["labels"], before["metadata"]["labels"]);
  EXPECT_EQ(h.Get(kService, "demo")["metadata"]["uid"], before["metadata"]["uid"]);
  EXPECT_EQ(h.Condition("demo", "Ready"), "True AllReplicasReady");
}

void TakeLabelsOff(Harness* h, const kube::Resource& r, const std::string& name) {
  h->server->SendAsController({.method = "PATCH",
                               .path = kube::ObjectPath(r, kNamespace, name),
                               .headers = {{"Content-Type", "application/merge-patch+json"}},
                               .body = R"({"metadata":{"labels":null}})"});
}

TEST(ConflictTest, ARevisionWithoutItsLabelsIsNotLost) {
  Harness h;
  h.Apply("demo", Spec());
  h.Settle();
  const std::string name = h.Deployments().substr(0, h.Deployments().find('='));
  const Json before = h.Get(kube::resources::kControllerRevision, name);
  TakeLabelsOff(&h, kube::resources::kControllerRevision, name);
  h.Settle();
  const Json after = h.Get(kube::resources::kControllerRevision, name);
  EXPECT_EQ(after["metadata"]["labels"], before["metadata"]["labels"]);
  EXPECT_EQ(after["metadata"]["uid"], before["metadata"]["uid"]);
}

// Its selector is for life, and so is its name.
TEST(ConflictTest, ADeploymentIsKnownWithoutItsRevisionLabel) {
  Harness h;
  h.Apply("demo", Spec());
  h.Settle();
  const std::string name = h.Deployments().substr(0, h.Deployments().find('='));
  h.Apply("demo", Spec({{"engine", {{"maxBatch", 4}}}}));
  ASSERT_TRUE(h.Until([&] { return h.server->All(kDeployment).size() == 2; }));
  h.server->SendAsController(
      {.method = "PATCH",
       .path = kube::ObjectPath(kDeployment, kNamespace, name),
       .headers = {{"Content-Type", "application/merge-patch+json"}},
       .body = Json{{"metadata", {{"labels", {{api::kRevisionLabel, nullptr}}}}}}.dump()});
  h.Converge("demo", [&] { EXPECT_GE(h.ReadyPods(), 1); });
  EXPECT_EQ(h.Condition("demo", "Ready"), "True AllReplicasReady");
  EXPECT_FALSE(h.Exists(kDeployment, name));
}

TEST(ConflictTest, OurLabelsOnSomebodyElsesServiceChangeNothing) {
  Harness h;
  CreateForeign(&h, kService, "other",
                {{"metadata", {{"labels", {{api::kDeploymentLabel, "demo"}}}}}});
  h.Apply("demo", Spec());
  h.Converge("demo");
  EXPECT_EQ(h.Condition("demo", "Ready"), "True AllReplicasReady");
  EXPECT_TRUE(h.Exists(kService, "other"));
}

TEST(ConflictTest, APredecessorsChildrenAreWaitedFor) {
  Harness h;
  h.Apply("demo", Spec());
  h.Converge("demo");
  h.server->set_garbage_collection(/*at_once=*/false);
  h.Delete("demo");
  h.Apply("demo", Spec());
  h.Reconcile("demo");
  EXPECT_EQ(h.Condition("demo", "Ready"), "False WaitingForPredecessor");
  EXPECT_EQ(h.Condition("demo", "Stalled"), "False None");
  h.server->CollectGarbage();
  h.Converge("demo");
  EXPECT_EQ(h.Condition("demo", "Ready"), "True AllReplicasReady");
}

TEST(ConflictTest, ACreateThatLosesTheRaceIsNotATakeOver) {
  Harness h;
  h.Apply("demo", Spec());
  // Somebody creates the ServiceAccount between our read and our POST.
  bool raced = false;
  h.server->set_before(
      [&](const kube::FakeCall& call) -> std::optional<absl::StatusOr<kube::HttpResponse>> {
        if (!raced && call.verb == "create" && call.collection == "/serviceaccounts") {
          raced = true;
          CreateForeign(&h, kServiceAccount, "demo-agent");
        }
        return std::nullopt;
      });
  h.Converge("demo");
  if (!raced) GTEST_SKIP() << "the fake names the collection differently";
  EXPECT_EQ(h.Condition("demo", "Ready"), "False NameConflict");
  EXPECT_FALSE(h.Get(kServiceAccount, "demo-agent")["metadata"].contains("ownerReferences"));
}

TEST(ConflictTest, ARefusedWriteIsTold) {
  Harness h;
  h.Apply("demo", Spec());
  h.server->set_before(
      [&](const kube::FakeCall& call) -> std::optional<absl::StatusOr<kube::HttpResponse>> {
        if (call.verb == "create" && call.collection == "apps/deployments") {
          return kube::FakeApiServer::Refusal(
              403, "Forbidden", "exceeded quota: few, requested: count/deployments.apps=1");
        }
        return std::nullopt;
      });
  h.Reconcile("demo");
  EXPECT_EQ(h.Condition("demo", "Ready"), "False QuotaExceeded");
  EXPECT_THAT(h.Message("demo", "Ready"), HasSubstr("exceeded quota: few"));
  h.server->set_before(nullptr);
  h.Converge("demo");
  EXPECT_EQ(h.Condition("demo", "Ready"), "True AllReplicasReady");
}

TEST(ConflictTest, WhileAWriteFailsWhatThePodsDoIsTold) {
  Harness h;
  h.Apply("demo", Spec());
  h.Settle();
  h.server->set_before(
      [&](const kube::FakeCall& call) -> std::optional<absl::StatusOr<kube::HttpResponse>> {
        if (call.collection != "apps/deployments") return std::nullopt;
        return kube::FakeApiServer::Refusal(500, "InternalError", "failed calling webhook");
      });
  h.Apply("demo", Spec({{"replicas", 2}}));
  h.process->Pump();
  EXPECT_FALSE(h.process->reconciler.Reconcile(kNamespace, "demo").ok());
  EXPECT_EQ(h.Condition("demo", "Ready"), "False Scaling");
  h.server->set_before(nullptr);
  h.Settle();
  EXPECT_EQ(h.Condition("demo", "Ready"), "True AllReplicasReady");
}

TEST(ConflictTest, AWarningIsReadThoughTheClockWasSetBack) {
  Harness h;
  // Without the throttle, whose clock is another.
  h.process = std::make_unique<OperatorProcess>(h.server, h.defaults(), [&h] { return h.now; });
  h.workloads.set_fate("", kube::FakeWorkloads::Fate::kPending);
  h.Apply("demo", Spec());
  h.Converge("demo");
  h.now -= absl::Hours(1);
  CreateForeign(&h, kube::resources::kEvent, "why",
                {{"type", "Warning"},
                 {"reason", "FailedMount"},
                 {"note", "no volume"},
                 {"regarding", {{"uid", h.Get(kPod, h.Pods().at(0))["metadata"]["uid"]}}}});
  h.Reconcile("demo");
  EXPECT_EQ(h.Condition("demo", "Ready"), "False VolumeNotReady");
}

}  // namespace
}  // namespace deepseek::reconcile
