// What the reconciler asks the API server for: as good as nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/strings.h"
#include "operator/api/names.h"
#include "tests/operator/reconcile/harness.h"

namespace deepseek::reconcile {
namespace {

using kube::resources::kDeepSeekDeployment;
using kube::resources::kDeployment;
using kube::resources::kService;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// All calls but watches.
std::vector<std::string> Calls(const Harness& h) {
  std::vector<std::string> out;
  for (std::string& call : h.server->Calls(/*reads=*/true)) {
    if (!call.starts_with("watch")) out.push_back(std::move(call));
  }
  return out;
}

std::vector<std::string> Reads(const Harness& h) {
  std::vector<std::string> out;
  for (std::string& call : Calls(h)) {
    if (call.starts_with("get") || call.starts_with("list")) out.push_back(std::move(call));
  }
  return out;
}

void Patch(Harness* h, const kube::Resource& r, const std::string& name, const std::string& patch) {
  const auto response =
      h->server->SendAsController({.method = "PATCH",
                                   .path = kube::ObjectPath(r, kNamespace, name),
                                   .headers = {{"Content-Type", "application/merge-patch+json"}},
                                   .body = patch});
  ASSERT_EQ(response.code, 200) << response.body;
}

TEST(ReadsTest, AChildThatChangesWithoutNeedCausesNoRequest) {
  Harness h;
  h.Apply("demo", Spec());
  h.Settle();
  h.server->ForgetCalls();
  Patch(&h, kService, "demo", R"({"metadata":{"annotations":{"somebody":"was here"}}})");
  h.Round();
  EXPECT_THAT(Calls(h), IsEmpty());
}

TEST(ReadsTest, ARestartOnlyStreamsTheFirstState) {
  Harness h;
  h.Apply("demo", Spec());
  h.Settle();
  h.server->ForgetCalls();
  h.Restart();
  h.Round();
  EXPECT_THAT(Calls(h), IsEmpty());
}

TEST(ReadsTest, AResyncReadsAndWritesNothing) {
  Harness h;
  h.Apply("demo", Spec());
  h.Settle();
  h.server->ForgetCalls();
  h.now += absl::Hours(11);
  h.Round();
  EXPECT_THAT(h.server->Calls(), IsEmpty());
  EXPECT_FALSE(Reads(h).empty());
}

TEST(ReadsTest, AScaleReadsTheObjectOnceAndWritesTheDeployment) {
  Harness h;
  h.Apply("demo", Spec({{"replicas", 0}}));
  h.Settle();
  h.server->ForgetCalls();
  h.Apply("demo", Spec({{"replicas", 1}}));
  h.Round();
  EXPECT_THAT(Reads(h),
              ElementsAre("get serving.deepseek-operator.io/deepseekdeployments models/demo"));
}

TEST(ReadsTest, ANoteAtARevisionIsWrittenWithoutALook) {
  Harness h;
  h.Apply("demo", Spec());
  // Sooner than the first look for lost events.
  for (int i = 0; i < 40 && h.Condition("demo", "Ready") != "True AllReplicasReady"; ++i) {
    h.now += absl::Milliseconds(100);
    h.Round();
  }
  ASSERT_EQ(h.Condition("demo", "Ready"), "True AllReplicasReady");
  EXPECT_THAT(Calls(h), Contains(StartsWith("apply apps/controllerrevisions ")));
  EXPECT_THAT(Reads(h),
              ElementsAre("get serving.deepseek-operator.io/deepseekdeployments models/demo"))
      << "before anything was made";
}

TEST(ReadsTest, NothingIsMadeForAnObjectWhoseDeletionWasNotHeard) {
  Harness h;
  h.Apply("demo", Spec());
  h.Settle();
  // The end of the DeepSeekDeployment is lost; that of its children is told.
  h.server->set_event_fate([](int, const kube::StoredEvent& event) {
    return event.collection.ends_with("/deepseekdeployments") ? kube::EventFate::kDrop
                                                              : kube::EventFate::kDeliver;
  });
  h.Delete("demo");
  h.server->ForgetCalls();
  h.Settle();
  EXPECT_THAT(h.server->Calls(), IsEmpty());
  EXPECT_THAT(h.server->All(kDeployment), IsEmpty());
}

TEST(ReadsTest, AnEditThatWasTakenBackUnheardMovesNoPod) {
  Harness h;
  h.Apply("demo", Spec());
  h.Settle();
  const std::vector<std::string> pods = h.Pods();
  h.Apply("demo", Spec({{"engine", {{"maxBatch", 4}}}}));
  h.process->Pump();  // heard
  h.Apply("demo", Spec());
  h.process->Work();  // decided on the first edit, asked before the first write
  EXPECT_EQ(h.server->All(kDeployment).size(), 1u);
  h.Settle();
  EXPECT_EQ(h.Pods(), pods);
  EXPECT_EQ(h.server->All(kDeployment).size(), 1u);
}

TEST(ReadsTest, WhileRequestsQueueNothingIsReadInCaseAnEventWasLost) {
  for (const bool busy : {false, true}) {
    Harness h;
    h.process = std::make_unique<OperatorProcess>(
        h.server, h.defaults(), [&h] { return h.now; },
        Hooks{.ask_agent = nullptr, .on_plan = nullptr, .busy = [busy] { return busy; }});
    h.workloads.set_fate("", kube::FakeWorkloads::Fate::kNotReady);  // under way for a while
    h.Apply("demo", Spec());
    for (int i = 0; i < 10; ++i) h.Round();
    h.server->ForgetCalls();
    for (int i = 0; i < 5; ++i) {
      h.now += absl::Seconds(6);
      Patch(&h, kService, "demo", StrCat(R"({"metadata":{"annotations":{"n":")", i, "\"}}}"));
      h.Round();
    }
    EXPECT_THAT(Reads(h), testing::Conditional(busy, testing::IsEmpty(), testing::Not(IsEmpty())));
  }
}

TEST(ReadsTest, OfManyObjectsThatAreUnderWayOneIsReadInASecond) {
  Harness h;
  h.workloads.set_fate("", kube::FakeWorkloads::Fate::kNotReady);
  for (const char* name : {"a", "b", "c"}) h.Apply(name, Spec());
  for (int i = 0; i < 10; ++i) h.Round();
  h.server->ForgetCalls();
  h.now += absl::Seconds(6);
  h.Round();
  const auto lists = [&h] {
    const std::vector<std::string> reads = Reads(h);
    return std::count(reads.begin(), reads.end(), "list apps/deployments models");
  };
  EXPECT_EQ(lists(), 1);
  for (int i = 0; i < 30; ++i) {
    h.now += absl::Seconds(2);
    h.Round();
  }
  EXPECT_GE(lists(), 3) << "the others had their turn";
}

TEST(ReadsTest, NothingIsSaidOfANamespaceThatIsBeingDeleted) {
  Harness h;
  h.Apply("demo", Spec());
  h.Settle();
  h.server->ForgetCalls();
  h.server->set_before(
      [](const kube::FakeCall& call) -> std::optional<absl::StatusOr<kube::HttpResponse>> {
        if (call.verb != "create") return std::nullopt;
        kube::HttpResponse refused = kube::FakeApiServer::Refusal(403, "Forbidden", "no");
        Json body = Json::parse(refused.body);
        body["details"]["causes"] = {{{"reason", "NamespaceTerminating"}, {"message", "no"}}};
        refused.body = body.dump();
        return refused;
      });
  h.server->SendAsController({.method = "DELETE",
                              .path = kube::ObjectPath(kService, kNamespace, "demo"),
                              .headers = {},
                              .body = ""});
  h.Round();
  EXPECT_THAT(Calls(h),
              ElementsAre("get serving.deepseek-operator.io/deepseekdeployments models/demo",
                          "create /services models/demo"));
  EXPECT_EQ(h.Condition("demo", "Ready"), "True AllReplicasReady");
}

// As servers do with fields that Go's types hold by value.
TEST(ReadsTest, AZeroThatIsNotStoredIsWrittenOnce) {
  Harness h;
  h.server->set_after(
      [&](const kube::FakeCall& call,
          const kube::HttpResponse& response) -> std::optional<absl::StatusOr<kube::HttpResponse>> {
        const bool writes = call.verb == "create" || call.verb == "apply";
        if (!writes || call.collection != "apps/deployments" || response.code >= 300)
          return std::nullopt;
        const std::string name = Json::parse(response.body)["metadata"]["name"];
        if (!h.Exists(kDeployment, name)) return std::nullopt;  // the trial
        Patch(&h, kDeployment, name, R"({"spec":{"template":{"spec":{"hostNetwork":null}}}})");
        const auto stored = h.server->Find(kDeployment, kNamespace, name);
        return kube::HttpResponse{.code = response.code, .headers = {}, .body = stored->dump()};
      });
  const Json overlay = {{"spec", {{"hostNetwork", false}}}};
  h.Apply("demo", Spec({{"workload", {{"template", overlay}}}}));
  h.Settle();
  EXPECT_EQ(h.Condition("demo", "Ready"), "True AllReplicasReady");
  const auto deployments = [&] {
    const auto calls = h.server->Calls();
    return std::count_if(calls.begin(), calls.end(), [](const std::string& call) {
      return call.find("apps/deployments") != std::string::npos;
    });
  };
  EXPECT_LE(deployments(), 3) << "the trial, its making, and its role";
  h.Restart();
  h.Settle();
  h.server->ForgetCalls();
  h.now += absl::Hours(12);
  h.Settle();
  EXPECT_EQ(deployments(), 0) << "once by each process at most";
}

TEST(ReadsTest, AFightOverAFieldSlowsDown) {
  Harness h;
  h.Apply("demo", Spec());
  h.Settle();
  // A webhook that changes what we write, each time.
  h.server->set_after([&](const kube::FakeCall& call, const kube::HttpResponse&)
                          -> std::optional<absl::StatusOr<kube::HttpResponse>> {
    if (call.verb != "apply" || call.collection != "/services") return std::nullopt;
    Patch(&h, kService, "demo", R"({"spec":{"sessionAffinity":"ClientIP","selector":{"a":"b"}}})");
    const auto stored = h.server->Find(kService, kNamespace, "demo");
    return kube::HttpResponse{.code = 200, .headers = {}, .body = stored->dump()};
  });
  Patch(&h, kService, "demo", R"({"spec":{"selector":{"a":"b"}}})");
  h.server->ForgetCalls();
  const absl::Time end = h.now + absl::Hours(1);
  while (h.now < end) {
    h.Round();
    h.now += absl::Seconds(10);
  }
  EXPECT_GT(h.server->Calls().size(), 10u);
  EXPECT_LT(h.server->Calls().size(), 100u) << "in an hour";
  // Others are served meanwhile, and when it ends, so does the fight.
  h.server->set_after(nullptr);
  h.Settle();
  EXPECT_EQ(h.Get(kService, "demo")["spec"]["selector"].contains("a"), false);
}

}  // namespace
}  // namespace deepseek::reconcile
