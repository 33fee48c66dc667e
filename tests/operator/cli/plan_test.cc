#include "operator/cli/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/json_full.h"
#include "operator/api/names.h"
#include "operator/cli/manifest.h"
#include "operator/cli/observe.h"
#include "tests/operator/cli/terminal.h"

namespace deepseek::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Manifest(const std::string& more = "") {
  return "apiVersion: serving.deepseek-operator.io/v1alpha1\nkind: DeepSeekDeployment\n"
         "metadata: {name: demo}\nspec:\n  model: {source: {builtin: demo-v3}}\n  replicas: 2\n" +
         more;
}

class PlanTest : public ::testing::Test {
 protected:
  absl::Status Plan(const std::string& manifest, const std::string& image = "agent:1") {
    t.in.clear();
    t.in.str(manifest);
    return PlanCommand(t.session, {.file = "-", .agent_image = image});
  }
  Terminal t;
};

TEST_F(PlanTest, OfSomethingNewWritesNothing) {
  const size_t before = t.server->size();
  ASSERT_TRUE(Plan(Manifest()).ok());
  EXPECT_THAT(t.Said(),
              AllOf(HasSubstr("models/demo  create revision demo-"), HasSubstr("image agent:1"),
                    HasSubstr("+ Deployment demo-"), HasSubstr("+ Service demo\n"),
                    HasSubstr("pods until complete: 2 made, 0 stopped")));
  EXPECT_EQ(t.server->size(), before);
}

TEST_F(PlanTest, TheMemoryOfAKnownShape) {
  const std::string v3 =
      "apiVersion: serving.deepseek-operator.io/v1alpha1\nkind: DeepSeekDeployment\n"
      "metadata: {name: big}\nspec:\n  model: {preset: deepseek-v3, source: "
      "{persistentVolumeClaim: {claimName: weights}}}\n  engine: {weights: INT4, "
      "maxContextTokens: 8192}\n";
  ASSERT_TRUE(Plan(v3).ok());
  EXPECT_THAT(t.Said(), AllOf(HasSubstr("memory of a pod: deepseek-v3 (671 billion parameters): at "
                                        "least 3"),
                              HasSubstr("KV cache of one sequence of 8192 tokens ")));
  t.session.json = true;
  ASSERT_TRUE(Plan(v3).ok());
  const Json plan = t.SaidJson()[0];
  EXPECT_EQ(plan["memory"]["kvBytesPerToken"], 576 * 2 * 61);
  EXPECT_GT(plan["memory"]["leastBytes"], plan["memory"]["weightsBytes"]);
  ASSERT_TRUE(Plan(v3 + "  workload: {resources: {limits: {memory: 64Gi}}}\n").ok());
  EXPECT_THAT(t.Said(),
              HasSubstr("InvalidSpec: spec.workload.resources.limits.memory: 64.00 GiB is too "
                        "little for deepseek-v3"));
  ASSERT_TRUE(Plan(Manifest()).ok());
  EXPECT_EQ(t.SaidJson()[0]["memory"], nullptr) << "no shape, no plan";
}

// The API server takes them (tests/apiserver); here the operator does.
TEST(Samples, FitTheirOwnLimits) {
  int planned = 0;
  for (const auto& entry : std::filesystem::directory_iterator(TEST_SOURCE_DIR "/e2e/samples")) {
    if (entry.path().extension() != ".yaml") continue;
    std::ifstream file(entry.path());
    std::stringstream text;
    text << file.rdbuf();
    const auto documents = ReadManifest(text.str(), entry.path().string());
    ASSERT_TRUE(documents.ok()) << documents.status();
    for (const Json& document : *documents) {
      if (document.value("kind", "") != api::kKind) continue;
      decide::Cluster cluster;
      cluster.dsd = std::make_shared<const Json>(document);
      const PlanReport report =
          MakePlan(cluster, {"agent:1", "IfNotPresent", "0.1.0"}, absl::UnixEpoch());
      EXPECT_EQ(report.refused, "") << entry.path();
      if (!report.model) continue;
      ++planned;
      RecordProperty(entry.path().stem().string(), report.model->Text());
    }
  }
  EXPECT_GE(planned, 5);
}

TEST_F(PlanTest, ScalingStopsNoPod) {
  t.Apply("demo");
  t.Settle("demo");
  ASSERT_TRUE(Plan(Manifest()).ok());
  EXPECT_THAT(t.Said(), AllOf(HasSubstr("keep revision"), HasSubstr("~ Deployment demo-"),
                              Not(HasSubstr("+ ")), HasSubstr("1 made, 0 stopped")));
}

std::string WithoutReplicas(const std::string& more = "") {
  return "apiVersion: serving.deepseek-operator.io/v1alpha1\nkind: DeepSeekDeployment\n"
         "metadata: {name: demo}\nspec:\n  model: {source: {builtin: demo-v3}}\n" +
         more;
}

TEST_F(PlanTest, AnAutoscalersNumberStaysWhereTheManifestHasNone) {
  t.Apply("demo", {{"replicas", 3}});
  t.Settle("demo");
  ASSERT_TRUE(Plan(WithoutReplicas()).ok());
  EXPECT_THAT(t.Said(), AllOf(HasSubstr("no pod is made or stopped"), Not(HasSubstr("~ "))));
}

// What the API server prunes is no change; what the manifest no longer has is one, although the
// answer of an apply by another manager still has it.
TEST_F(PlanTest, ANullIsWhatTheApiServerMakesOfIt) {
  t.Apply("demo", {{"replicas", 3}, {"engine", {{"maxBatch", 3}}}});
  t.Settle("demo");
  t.server->set_before(
      [this](const kube::FakeCall& call) -> std::optional<absl::StatusOr<kube::HttpResponse>> {
        if (!call.dry_run) return std::nullopt;
        return kube::HttpResponse{.code = 200, .headers = {}, .body = t.Dsd("demo").dump()};
      });
  ASSERT_TRUE(
      Plan(WithoutReplicas("  replicas: null\n  workload: null\n  engine: {maxBatch: 3}\n")).ok());
  EXPECT_THAT(t.Said(), AllOf(HasSubstr("no pod is made or stopped"), Not(HasSubstr("~ "))));
  ASSERT_TRUE(Plan(WithoutReplicas()).ok());
  EXPECT_THAT(t.Said(), HasSubstr("create revision")) << "the batch is the default again";
}

TEST_F(PlanTest, APodMonitorThatIsThereIsNotMadeAgain) {
  const Json monitored = {{"replicas", 2}, {"observability", {{"podMonitor", Json::object()}}}};
  const std::string manifest = Manifest("  observability: {podMonitor: {}}\n");
  ASSERT_TRUE(Plan(manifest).ok());
  EXPECT_THAT(t.Said(), HasSubstr("+ PodMonitor demo"));
  t.Apply("demo", monitored);
  t.Settle("demo");
  ASSERT_TRUE(Plan(manifest).ok());
  EXPECT_THAT(t.Said(), Not(HasSubstr("PodMonitor")));
  for (const int code : {404, 403}) {
    t.server->set_before(
        [code](const kube::FakeCall& call) -> std::optional<absl::StatusOr<kube::HttpResponse>> {
          if (call.verb != "list" || call.collection != "monitoring.coreos.com/podmonitors")
            return std::nullopt;
          return kube::FakeApiServer::Refusal(code, code == 404 ? "NotFound" : "Forbidden", "no");
        });
    EXPECT_TRUE(Plan(manifest).ok()) << code;
  }
}

TEST_F(PlanTest, AChangeOfThePodsReplacesThemAll) {
  t.Apply("demo", {{"replicas", 2}});
  t.Settle("demo");
  t.session.json = true;
  ASSERT_TRUE(Plan(Manifest("  engine: {maxBatch: 7}\n"), "agent:2").ok());
  const Json plan = t.SaidJson()[0];
  EXPECT_EQ(plan["revision"]["action"], "create");
  EXPECT_EQ(plan["revision"]["image"], "agent:2");
  EXPECT_EQ(plan["newPods"].size(), 2u);
  EXPECT_EQ(plan["stoppedPods"].size(), 2u);
  EXPECT_EQ(plan["refused"], "");
}

TEST_F(PlanTest, NothingToDo) {
  t.Apply("demo", {{"replicas", 2}});
  t.Settle("demo");
  ASSERT_TRUE(Plan(Manifest()).ok());
  EXPECT_THAT(t.Said(), AllOf(HasSubstr("no pod is made or stopped"), Not(HasSubstr("+ ")),
                              Not(HasSubstr("~ "))));
}

TEST_F(PlanTest, EventsThatMayNotBeReadAreNoReasonToFail) {
  t.server->set_before(
      [](const kube::FakeCall& call) -> std::optional<absl::StatusOr<kube::HttpResponse>> {
        if (call.verb != "list" || call.collection != "events.k8s.io/events") return std::nullopt;
        return kube::FakeApiServer::Refusal(403, "Forbidden", "no");
      });
  EXPECT_TRUE(Plan(Manifest()).ok());
}

TEST_F(PlanTest, AnEarlierSpecRestoresItsRevision) {
  t.Apply("demo", {{"replicas", 2}});
  t.Settle("demo");
  t.Apply("demo", {{"replicas", 2}, {"engine", {{"maxBatch", 3}}}});
  t.Settle("demo");
  ASSERT_TRUE(Plan(Manifest(), "agent:9").ok());
  EXPECT_THAT(t.Said(), HasSubstr("restore revision demo-")) << "with the image it was made with";
}

TEST_F(PlanTest, ScalingDownNamesWhoGoes) {
  t.Apply("demo", {{"replicas", 3}});
  t.Settle("demo");
  ASSERT_TRUE(Plan(Manifest()).ok());
  EXPECT_THAT(t.Said(), AllOf(HasSubstr("0 made, 1 stopped"), HasSubstr("    - demo-")));
}

TEST_F(PlanTest, WhatTheOperatorRefuses) {
  ASSERT_TRUE(Plan(Manifest("  workload: {template: {spec: {hostNetwork: true}}}\n")).ok());
  EXPECT_THAT(t.Said(),
              HasSubstr("refused: InvalidSpec: spec.workload.template.spec.hostNetwork: must not"));
}

TEST_F(PlanTest, WhatTheApiServerRefuses) {
  t.server->set_before(
      [](const kube::FakeCall& call) -> std::optional<absl::StatusOr<kube::HttpResponse>> {
        if (!call.dry_run) return std::nullopt;
        return kube::FakeApiServer::Refusal(422, "Invalid", "spec.replicas: too many");
      });
  EXPECT_THAT(std::string(Plan(Manifest()).message()), HasSubstr("too many"));
}

TEST_F(PlanTest, TheImageIsTheOneOfTheClustersOperator) {
  const Json deployment = Json::parse(
      R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"op","namespace":"system",
          "labels":{"app.kubernetes.io/name":"deepseek-operator"}},"spec":{"template":{"spec":
          {"containers":[{"name":"operator","args":["run","--agent-image=registry/agent:5"]}]}}}})");
  ASSERT_TRUE(
      t.session.client().Create(kube::resources::kDeployment, "system", deployment, "helm").ok());
  ASSERT_TRUE(Plan(Manifest(), "").ok());
  EXPECT_THAT(t.Said(), HasSubstr("image registry/agent:5"));
}

TEST_F(PlanTest, WithoutTheOperatorInSightTheImageIsNotMadeUp) {
  ASSERT_TRUE(Plan(Manifest(), "").ok());
  EXPECT_THAT(t.Said(), HasSubstr("image (the operator's default)"));
}

TEST_F(PlanTest, OtherThingsAndNothing) {
  EXPECT_FALSE(Plan("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n").ok());
  EXPECT_FALSE(Plan("").ok());
  EXPECT_FALSE(Plan("a: [").ok());
  EXPECT_FALSE(PlanCommand(t.session, {.file = "/absent.yaml", .agent_image = ""}).ok());
}

TEST_F(PlanTest, AFile) {
  const std::string path = std::filesystem::temp_directory_path() / "plan_test.yaml";
  std::ofstream(path) << Manifest();
  EXPECT_TRUE(PlanCommand(t.session, {.file = path, .agent_image = "a:1"}).ok());
  std::filesystem::remove(path);
}

TEST_F(PlanTest, WhatIsBeingDeletedIsLeftAlone) {
  decide::Cluster cluster;
  cluster.dsd = std::make_shared<const Json>(
      Json{{"metadata", {{"name", "demo"}, {"deletionTimestamp", "2026-01-01T00:00:00Z"}}}});
  EXPECT_EQ(MakePlan(cluster, {}, t.now).refused, "it is being deleted");
}

}  // namespace
}  // namespace deepseek::cli
