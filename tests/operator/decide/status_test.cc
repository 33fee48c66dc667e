// The whole of .status but its conditions, as JSON, at the turns of a deployment's life.

#include "operator/decide/status.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/api/validate.h"
#include "tests/operator/decide/world.h"

namespace deepseek::decide {
namespace {

// "%1" and "%2" stand for the names of revisions.
Json Expected(std::string text, const std::string& first, const std::string& second = "") {
  for (const auto& [mark, name] : {std::pair("%1", first), std::pair("%2", second)}) {
    for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark))
      text.replace(at, 2, name);
  }
  return Json::parse(text);
}

Json WithoutConditions(Json status) {
  EXPECT_EQ(status["conditions"].size(), 7u);
  status.erase("conditions");
  return status;
}

TEST(StatusTest, BeforeThereArePods) {
  World w;
  w.Edit({{"replicas", 2}, {"model", {{"name", "m"}}}});
  w.Reconcile();
  EXPECT_EQ(WithoutConditions(w.status), Expected(R"json({
      "observedGeneration": 2, "replicas": 0, "readyReplicas": 0,
      "selector": "serving.deepseek-operator.io/deployment=demo",
      "ready": "0/2", "device": "CPU", "scale": "2 (spec.replicas)",
      "revisions": [], "candidateRevision": "demo-%1", "model": {"name": "m"},
      "rollout": {"phase": "Progressing", "reason": "Creating",
                  "message": "0 of 2 replicas of revision %1 are ready",
                  "weight": {"desired": 100, "observed": 0}},
      "endpoints": {"http": "http://demo.ns.svc:8000", "grpc": "demo.ns.svc:9000"}})json",
                                                  w.last_hash8))
      << "startedAt is told once it is written";
}

TEST(StatusTest, TheDeviceIsSpelledAsInTheSpec) {
  World w;
  w.Edit({{"engine", {{"device", "CUDA"}}}});
  w.Reconcile();
  EXPECT_EQ(w.status["device"], "CUDA");
}

TEST(StatusTest, OnceItServes) {
  World w;
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(WithoutConditions(w.status), Expected(R"json({
      "observedGeneration": 1, "replicas": 1, "readyReplicas": 1,
      "selector": "serving.deepseek-operator.io/deployment=demo",
      "ready": "1/1", "device": "CPU", "scale": "1 (spec.replicas)",
      "revisions": [{"name": "demo-%1", "replicas": 1, "readyReplicas": 1, "weight": 100,
                     "image": "agent:1"}],
      "stableRevision": "demo-%1", "model": {"name": "demo"},
      "rollout": {"phase": "Idle", "reason": "AllReplicasReady",
                  "message": "1 of 1 replicas of revision %1 are ready",
                  "startedAt": "2023-11-14T22:13:21Z",
                  "weight": {"desired": 100, "observed": 100}},
      "endpoints": {"http": "http://demo.ns.svc:8000", "grpc": "demo.ns.svc:9000"}})json",
                                                  w.last_hash8));
}

TEST(StatusTest, BetweenTwoRevisions) {
  World w;
  w.Edit({{"replicas", 2}});
  ASSERT_TRUE(w.Settle());
  const std::string first = w.last_hash8;
  w.defaults.agent_image = "agent:2";
  w.Edit({{"replicas", 2}, {"engine", {{"maxBatch", 2}}}});
  w.Reconcile();
  w.Step();
  w.now += absl::Seconds(1);
  w.Step();  // the new pod is ready, the old ones still stand
  w.pods.push_back({"pod-x", first, "agent:1", true, false, w.now, w.now});
  w.pods.back().stopping = true;
  w.pods.back().ready = false;
  w.Reconcile();
  Json status = WithoutConditions(w.status);
  EXPECT_EQ(status["revisions"], Expected(R"([
      {"name": "demo-%2", "replicas": 1, "readyReplicas": 1, "weight": 33, "image": "agent:2"},
      {"name": "demo-%1", "replicas": 2, "readyReplicas": 2, "weight": 66, "image": "agent:1"}])",
                                          first, w.last_hash8))
      << "a stopping pod is not counted";
  EXPECT_EQ(status["replicas"], 3) << "what the scale subresource tells is of all revisions";
  EXPECT_EQ(status["readyReplicas"], 3);
  EXPECT_EQ(status["ready"], "1/2") << "what people read is of the current one";
  EXPECT_EQ(status["stableRevision"], StrCat("demo-", first));
  EXPECT_EQ(status["candidateRevision"], StrCat("demo-", w.last_hash8));
  EXPECT_EQ(status["rollout"]["weight"], Json::parse(R"({"desired":100,"observed":33})"));
  EXPECT_EQ(status["rollout"]["phase"], "Progressing");
}

TEST(StatusTest, ARevisionThatIsGoneHasNoImageToTell) {
  World w;
  ASSERT_TRUE(w.Settle());
  w.children.erase(StrCat("ControllerRevision demo-", w.last_hash8));
  w.Edit({{"engine", {{"maxBatch", 2}}}});
  w.fates[w.last_hash8] = Fate::kLoading;
  w.Settle(4);
  ASSERT_EQ(w.status["revisions"].size(), 2u);
  EXPECT_EQ(w.status["revisions"][0]["image"], "agent:1");
  EXPECT_FALSE(w.status["revisions"][1].contains("image"));
  EXPECT_FALSE(w.status.contains("stableRevision")) << "nor does anybody know that it was stable";
}

TEST(StatusTest, ADeploymentBeforeItsRevisionIsSeenHasItsOwnImage) {
  World w;
  ASSERT_TRUE(w.Settle());
  w.children.erase(StrCat("ControllerRevision demo-", w.last_hash8));
  w.defaults.agent_image = "agent:9";
  w.Reconcile();
  EXPECT_EQ(w.status["revisions"][0]["image"], "agent:1");
}

TEST(StatusTest, PhasesOfARollout) {
  World w;
  w.fates[w.last_hash8] = Fate::kInvalid;
  w.Reconcile();
  EXPECT_EQ(w.status["rollout"]["phase"], "Progressing");
  w.Step();
  w.Reconcile();
  EXPECT_EQ(w.status["rollout"]["phase"], "Stalled");
  EXPECT_EQ(w.status["rollout"]["reason"], "ModelInvalid");
  EXPECT_EQ(w.status["rollout"]["message"], w.Message("Ready"));
  w.Edit({{"rollout", {{"paused", true}}}});
  w.Reconcile();
  EXPECT_EQ(w.status["rollout"]["phase"], "Paused");
  w.Edit(Json::object());
  w.fates.clear();
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.status["rollout"]["phase"], "Idle");
  w.pods[0].ready = false;
  w.Reconcile();
  EXPECT_EQ(w.status["rollout"]["phase"], "Idle") << "a lost replica is no rollout";
  EXPECT_FALSE(w.status.contains("candidateRevision"));
}

// What an agent told is kept with the revision; how much of it is loaded follows the pods.
TEST(StatusTest, TheModel) {
  World w;
  int64_t loaded = 500;
  w.answer = [&loaded](const WorldPod& pod) -> Json {
    if (!pod.ready) {
      return {{"state", "loading"}, {"loaded_bytes", loaded}, {"total_bytes", 1000}};
    }
    return {{"state", "serving"},
            {"loaded_bytes", 1000},
            {"total_bytes", 1000},
            {"model", {{"family", "deepseek_v3"}, {"parameters", 671}, {"digest", "sha256:aa"}}}};
  };
  w.fates[w.last_hash8] = Fate::kLoading;
  w.Settle(4);
  EXPECT_EQ(w.status["model"],
            Json::parse(R"({"name":"demo","loadedBytes":500,"totalBytes":1000})"));
  w.fates.clear();
  ASSERT_TRUE(w.Settle());
  const Json known = Json::parse(R"({"name":"demo","family":"deepseek_v3","parameters":671,
                                     "loadedBytes":1000,"totalBytes":1000})");
  EXPECT_EQ(w.status["model"], known);
  w.answer = nullptr;
  w.Edit({{"replicas", 0}});
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.status["model"]["loadedBytes"], 0) << "nobody has it in memory";
  EXPECT_EQ(w.status["model"]["totalBytes"], 1000);
  w.children.at(StrCat("ControllerRevision demo-",
                       w.last_hash8))["metadata"]["annotations"][api::kModelAnnotation] =
      "nonsense";
  w.Reconcile();
  EXPECT_EQ(w.status["model"], Json::parse(R"({"name":"demo"})"));
}

TEST(StatusTest, WhatBlocksKeepsTheRestOfTheReport) {
  World w;
  ASSERT_TRUE(w.Settle());
  const Json before = WithoutConditions(w.status);
  w.Edit({{"replicas", "many"}});
  w.Reconcile();
  Json expected = before;
  expected["observedGeneration"] = 2;
  EXPECT_EQ(WithoutConditions(w.status), expected);
  for (const Json& condition : w.status["conditions"])
    EXPECT_EQ(condition["observedGeneration"], 2);
}

TEST(StatusTest, WhatBlocksFromTheStartIsReportedAlone) {
  const absl::Time now = absl::UnixEpoch();
  const std::vector<Condition> conditions = {{"Ready", "False", "InvalidSpec", "why"}};
  const Json expected = {{"observedGeneration", 3},
                         {"conditions", ConditionsJson(conditions, Json(), 3, now)}};
  EXPECT_EQ(BlockedStatus(Json(), conditions, 3, now), expected);
  EXPECT_EQ(BlockedStatus("text", conditions, 3, now), expected) << "somebody wrote nonsense";
}

// The API server refuses a status with one string that is too long, for good.
TEST(StatusTest, NothingInItIsLongerThanTheSchemaAllows) {
  const auto fits = [](const Json& status) {
    return api::Validate(status, api::StatusFields(), "status");
  };
  World w;
  const Json agent = {{"name", "agent"}, {"image", std::string(600, 'i')}};
  w.Edit({{"workload", {{"template", {{"spec", {{"containers", Json::array({agent})}}}}}}}});
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(fits(w.status), absl::OkStatus());
  EXPECT_EQ(w.status["revisions"][0]["image"].get<std::string>().size(), 512u);

  Observed observed = Read(w.Observe());
  observed.refusal_reason = "InvalidSpec";
  while (observed.refusal_message.size() < 50'000) observed.refusal_message += "深";
  const Json refused = *Decide(observed, w.defaults, w.now).status;
  EXPECT_EQ(fits(refused), absl::OkStatus());
  EXPECT_EQ(refused["rollout"]["message"].get<std::string>().size(), 4095u)
      << "not within a character";
  EXPECT_EQ(refused["conditions"][0]["message"].get<std::string>().size(), 32766u);

  const std::vector<Condition> blocked = {
      {"Ready", "False", "InvalidSpec", observed.refusal_message}};
  EXPECT_EQ(fits(BlockedStatus(refused, blocked, 3, w.now)), absl::OkStatus());
}

TEST(StatusTest, TheGenerationIsThatOfTheSpecItSpeaksOf) {
  World w;
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.status["observedGeneration"], 1);
  w.Edit({{"replicas", 2}});
  w.Reconcile();
  EXPECT_EQ(w.status["observedGeneration"], 2);
  for (const Json& condition : w.status["conditions"])
    EXPECT_EQ(condition["observedGeneration"], 2);
}

}  // namespace
}  // namespace deepseek::decide
