#include "operator/decide/agent_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json_full.h"
#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/decide/json_read.h"
#include "operator/decide/reasons.h"
#include "tests/operator/decide/world.h"

namespace deepseek::decide {
namespace {

using ::testing::HasSubstr;

Json Answer(const std::string& state, int64_t loaded = 0, int64_t total = 0) {
  return {{"state", state}, {"loaded_bytes", loaded}, {"total_bytes", total}, {"reason", ""}};
}

Json Serving(const std::string& digest = "sha256:aa") {
  Json answer = Answer("serving", 1000, 1000);
  answer["model"] = {{"family", "deepseek_v3"}, {"parameters", 671}, {"digest", digest}};
  return answer;
}

TEST(AgentReportTest, IsReadWithoutTrust) {
  const auto report = ReadAgentReport(Serving());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->state, "serving");
  EXPECT_EQ(report->family, "deepseek_v3");
  EXPECT_EQ(report->parameters, 671);
  EXPECT_EQ(report->digest, "sha256:aa");
  EXPECT_EQ(report->total_bytes, 1000);

  EXPECT_FALSE(ReadAgentReport("text"));
  EXPECT_FALSE(ReadAgentReport({{"state", 7}}));
  for (const char* odd : {"two words", "tab\t", "del\x7f", "\xc3\xa9"})
    EXPECT_FALSE(ReadAgentReport({{"state", odd}})) << odd;
  const auto odd = ReadAgentReport({{"state", "loading"},
                                    {"loaded_bytes", 50},
                                    {"total_bytes", -1},
                                    {"model", {{"digest", std::string(500, 'x')}}}});
  ASSERT_TRUE(odd);
  EXPECT_EQ(odd->total_bytes, 0);
  EXPECT_EQ(odd->loaded_bytes, 0) << "never more than there is";
  EXPECT_EQ(odd->digest, "") << "no digest is that long";
}

TEST(AgentReportTest, ProgressComesInSteps) {
  EXPECT_EQ(LoadedInSteps(0, 1000), 0);
  EXPECT_EQ(LoadedInSteps(49, 1000), 0);
  EXPECT_EQ(LoadedInSteps(51, 1000), 50);
  EXPECT_EQ(LoadedInSteps(999, 1000), 950);
  EXPECT_EQ(LoadedInSteps(1000, 1000), 1000);
  EXPECT_EQ(LoadedInSteps(5, 0), 0);
  EXPECT_EQ(LoadedInSteps(INT64_MAX / 2, INT64_MAX), INT64_MAX / 20 * 10);
}

TEST(AgentReportTest, TheAnnotationHoldsWhatStatusTells) {
  const KnownModel known = ReadModelText(ModelText(*ReadAgentReport(Serving())));
  EXPECT_EQ(known.family, "deepseek_v3");
  EXPECT_EQ(known.parameters, 671);
  EXPECT_EQ(known.bytes, 1000);
  EXPECT_EQ(ReadModelText("{").family, "") << "somebody wrote nonsense over it";
}

Observed With(const std::vector<Pod>& pods, const std::string& digest = "") {
  Observed observed;
  observed.pods = pods;
  Revision revision;
  revision.hash8 = "cafe0000";
  revision.model_digest = digest;
  observed.revisions = {revision};
  return observed;
}

Pod Running(const std::string& name, bool ready) {
  Pod pod;
  pod.name = name;
  pod.uid = StrCat("uid-", name);
  pod.ip = "10.0.0.1";
  pod.hash8 = "cafe0000";
  pod.running = true;
  pod.ready = ready;
  return pod;
}

TEST(AgentsToAskTest, LoadingOnesAndOneReadyOneOfARevisionUnknown) {
  EXPECT_EQ(AgentsToAsk(With({Running("a", false), Running("b", false)})).size(), 2u);
  EXPECT_EQ(AgentsToAsk(With({Running("a", true), Running("b", true)})).size(), 1u);
  EXPECT_TRUE(AgentsToAsk(With({Running("a", true)}, "sha256:aa")).empty());
  EXPECT_EQ(AgentsToAsk(With({Running("a", false)}, "sha256:aa")).size(), 1u);
}

TEST(AgentsToAskTest, OnlyWhoCanAnswer) {
  Pod stopped = Running("a", false), going = Running("b", false), homeless = Running("c", false);
  stopped.running = false;
  going.deleting = true;
  homeless.ip = "";
  Pod stray = Running("d", true);
  stray.hash8 = "beef0000";  // its revision is gone: nowhere to record it
  EXPECT_TRUE(AgentsToAsk(With({stopped, going, homeless, stray})).empty());
}

TEST(AgentsToAskTest, NotTheWholeFleet) {
  std::vector<Pod> pods;
  for (int i = 0; i < 50; ++i) pods.push_back(Running(StrCat("p", i), false));
  EXPECT_EQ(AgentsToAsk(With(pods)).size(), static_cast<size_t>(kMostAsked));
}

// What agents of a world say, by revision; "" means: no answer.
class AskedWorld : public World {
 public:
  AskedWorld() {
    answer = [this](const WorldPod& pod) {
      return pod.ready ? Serving(digest) : Answer("loading", loaded, 1000);
    };
  }
  std::string digest = "sha256:aa";
  int64_t loaded = 0;
};

TEST(ModelDigestTest, TheFirstReadyAgentsDigestIsRecordedAndHandedToLaterPods) {
  AskedWorld w;
  ASSERT_TRUE(w.Settle());
  const std::string name = StrCat("demo-", w.last_hash8);
  const Json& revision = w.children.at("ControllerRevision " + name);
  EXPECT_EQ(MetadataAt(revision, "annotations", api::kModelDigestAnnotation), "sha256:aa");
  EXPECT_EQ(w.children.at("ConfigMap " + name)["data"]["model-digest"], "sha256:aa");
  EXPECT_EQ(w.children.at("ConfigMap " + name)["immutable"], true);
  EXPECT_EQ(w.status["model"],
            Json::parse(R"({"name":"demo","family":"deepseek_v3","parameters":671,
                                               "loadedBytes":1000,"totalBytes":1000})"));
  EXPECT_EQ(w.status["revisions"][0]["modelDigest"], "sha256:aa");

  w.digest = "sha256:bb";  // somebody overwrote the weights; what is recorded stays
  w.Edit({{"replicas", 3}});
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.children.at("ConfigMap " + name)["data"]["model-digest"], "sha256:aa");
}

TEST(ModelDigestTest, ItIsRecordedOnce) {
  AskedWorld w;
  ASSERT_TRUE(w.Settle());
  const Plan plan = w.Reconcile();
  EXPECT_FALSE(plan.revision.has_value());
  EXPECT_EQ(plan.requeue_after, absl::InfiniteDuration());
}

TEST(ModelDigestTest, ARestoredRevisionStillStandsForItsWeights) {
  AskedWorld w;
  ASSERT_TRUE(w.Settle());
  const std::string first = StrCat("demo-", w.last_hash8);
  w.digest = "sha256:bb";
  w.Edit({{"engine", {{"maxBatch", 3}}}});
  ASSERT_TRUE(w.Settle());
  EXPECT_FALSE(w.children.contains("ConfigMap " + first)) << "without pods nobody mounts it";
  EXPECT_EQ(w.children.at(StrCat("ConfigMap demo-", w.last_hash8))["data"]["model-digest"],
            "sha256:bb");
  w.Edit(Json::object());
  const Plan plan = w.Reconcile();
  ASSERT_EQ(plan.workloads.size(), 2u);
  EXPECT_EQ(plan.workloads[1].name, first);
  EXPECT_EQ(plan.workloads[1].model_digest, "sha256:aa") << "its pods must find the old weights";
}

TEST(ModelDigestTest, AnAgentThatCannotBeReachedIsAskedAgainLater) {
  AskedWorld w;
  w.answer = [](const WorldPod&) { return Json(); };
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.Condition("Ready"), "True/AllReplicasReady") << "serving does not wait for it";
  EXPECT_EQ(w.Reconcile().requeue_after, absl::Minutes(1));
}

TEST(ModelDigestTest, AnAgentThatDoesNotKnowOfDigestsIsLeftAlone) {
  AskedWorld w;
  w.answer = [](const WorldPod&) { return Answer("serving"); };
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.Reconcile().requeue_after, absl::InfiniteDuration());
  EXPECT_FALSE(w.children.contains(StrCat("ConfigMap demo-", w.last_hash8)));
}

TEST(LoadProgressTest, TheSlowestAgentIsTold) {
  AskedWorld w;
  w.fates[w.last_hash8] = Fate::kLoading;
  w.loaded = 437;
  w.Settle(5);
  EXPECT_EQ(w.status["model"]["loadedBytes"], 400);
  EXPECT_EQ(w.status["model"]["totalBytes"], 1000);
  EXPECT_THAT(w.Message("ModelReady"), HasSubstr("40 % of 1000 bytes"));
  const Json before = w.status;
  w.loaded = 449;
  w.Reconcile();
  EXPECT_EQ(w.status, before) << "less than a step is not worth a write";
}

}  // namespace
}  // namespace deepseek::decide
