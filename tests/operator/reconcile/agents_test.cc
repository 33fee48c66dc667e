// Agents that do not answer cost a pass a second, and the next ones nothing for a while.
#include "operator/reconcile/agents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "base/json_full.h"
#include "operator/api/names.h"
#include "operator/decide/json_read.h"
#include "tests/operator/reconcile/harness.h"

namespace deepseek::reconcile {
namespace {

using kube::resources::kPod;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// A pod whose container runs; its address is its name.
decide::Object PodNamed(const std::string& name, bool ready = false, int restarts = 0) {
  Json pod = Json::parse(R"({
      "metadata": {"ownerReferences":
          [{"kind": "ReplicaSet", "name": "demo-cafe0000-abc", "controller": true}]},
      "status": {"conditions": [{"type": "Ready"}],
                 "containerStatuses": [{"name": "agent", "state": {"running": {}}}]}})");
  pod["metadata"]["name"] = name;
  pod["metadata"]["uid"] = "uid-" + name;
  pod["metadata"]["labels"] = {{api::kDeploymentLabel, "demo"}, {api::kRevisionLabel, "cafe0000"}};
  pod["status"]["podIP"] = name;
  pod["status"]["conditions"][0]["status"] = ready ? "True" : "False";
  pod["status"]["containerStatuses"][0]["restartCount"] = restarts;
  return std::make_shared<const Json>(std::move(pod));
}

// The revision of those pods, whose weights nobody has told yet.
decide::Object RevisionUnheard() {
  Json revision = Json::parse(R"({
      "kind": "ControllerRevision", "data": {"resolved": {}, "template": {}},
      "metadata": {"name": "demo-cafe0000", "ownerReferences": [{"uid": "u1", "controller": true}]}
      })");
  revision["metadata"]["ownerReferences"][0]["kind"] = api::kKind;
  revision["metadata"]["ownerReferences"][0]["apiVersion"] = api::kApiVersion;
  return std::make_shared<const Json>(std::move(revision));
}

Json Loading(int bytes) {
  return {{"state", "loading"}, {"loaded_bytes", bytes}, {"total_bytes", 100}};
}

class AgentsTest : public ::testing::Test {
 protected:
  // One pass with these pods. Whoever is not in answers_ does not answer.
  void Hear(std::vector<decide::Object> pods) {
    cluster_ = {};
    cluster_.dsd = std::make_shared<const Json>(
        Json{{"metadata", {{"name", "demo"}, {"namespace", "ns"}, {"uid", "u1"}}}});
    cluster_.children = {RevisionUnheard()};
    cluster_.pods = std::move(pods);
    asked_.clear();
    agents_.Hear(
        [this](const std::string& ip) -> absl::StatusOr<Json> {
          const std::lock_guard lock(mutex_);
          asked_.push_back(ip);
          const auto it = answers_.find(ip);
          if (it == answers_.end()) return absl::DeadlineExceededError("no answer");
          return it->second;
        },
        now_, &cluster_);
    EXPECT_TRUE(cluster_.agents_asked);
  }
  // What the pass knows of it; -1: nothing.
  int64_t Loaded(const std::string& name) const {
    const auto it = cluster_.agents.find("uid-" + name);
    return it == cluster_.agents.end() ? -1 : decide::IntegerAt(*it->second, "/loaded_bytes");
  }

  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  std::map<std::string, Json> answers_;
  decide::Cluster cluster_;
  Agents agents_;
  std::mutex mutex_;
  std::vector<std::string> asked_;
};

TEST_F(AgentsTest, AllAreAskedAtTheSameTime) {
  cluster_.dsd = std::make_shared<const Json>(Json{{"metadata", {{"name", "demo"}}}});
  cluster_.pods = {PodNamed("a"), PodNamed("b"), PodNamed("c")};
  std::condition_variable changed;
  size_t begun = 0;
  agents_.Hear(
      [&](const std::string& ip) -> absl::StatusOr<Json> {
        std::unique_lock lock(mutex_);
        ++begun;
        changed.notify_all();
        if (!changed.wait_for(lock, std::chrono::seconds(20), [&] { return begun == 3; }))
          return absl::DeadlineExceededError("alone");
        return Loading(ip[0]);
      },
      now_, &cluster_);
  EXPECT_EQ(Loaded("a"), 'a') << "each its own answer";
  EXPECT_EQ(Loaded("b"), 'b');
  EXPECT_EQ(Loaded("c"), 'c');
}

TEST_F(AgentsTest, WhoDoesNotAnswerIsLeftAloneForEverLonger) {
  const absl::Time begin = now_;
  std::vector<int64_t> at;
  for (; now_ < begin + absl::Seconds(125); now_ += absl::Seconds(1)) {
    Hear({PodNamed("a")});
    if (!asked_.empty()) at.push_back(absl::ToInt64Seconds(now_ - begin));
  }
  EXPECT_THAT(at, ElementsAre(0, 2, 6, 14, 30, 60, 90, 120));
  answers_["a"] = Loading(1);
  now_ = begin + absl::Seconds(150);
  for (int i = 0; i < 3; ++i, now_ += absl::Seconds(1)) {
    Hear({PodNamed("a")});
    EXPECT_THAT(asked_, ElementsAre("a")) << "who answers is asked in each pass";
  }
}

TEST_F(AgentsTest, WhatALoadingOneSaidLastCountsWhileItIsSilent) {
  answers_["a"] = Loading(40);
  Hear({PodNamed("a")});
  EXPECT_EQ(Loaded("a"), 40);
  answers_.clear();
  for (int i = 0; i < 10; ++i, now_ += absl::Seconds(1)) {
    Hear({PodNamed("a")});
    EXPECT_EQ(Loaded("a"), 40) << i;
  }
}

TEST_F(AgentsTest, AnotherContainerIsAskedAtOnceAndTheOldOnesWordIsOver) {
  answers_["a"] = Loading(40);
  Hear({PodNamed("a")});
  answers_.clear();
  Hear({PodNamed("a")});
  Hear({PodNamed("a")});
  EXPECT_THAT(asked_, IsEmpty());
  Hear({PodNamed("a", /*ready=*/false, /*restarts=*/1)});
  EXPECT_THAT(asked_, ElementsAre("a"));
  EXPECT_EQ(Loaded("a"), -1);
}

// Which it did not know while it loaded: its last word would end the asking.
TEST_F(AgentsTest, OneThatHasBecomeReadyIsAskedAtOnceForItsWeights) {
  answers_["a"] = Loading(90);
  Hear({PodNamed("a")});
  answers_.clear();
  Hear({PodNamed("a")});
  for (const bool first : {true, false}) {
    Hear({PodNamed("a", /*ready=*/true)});
    EXPECT_EQ(asked_.size(), first ? 1U : 0U);
    EXPECT_EQ(Loaded("a"), -1);
  }
}

TEST_F(AgentsTest, AnotherReadyOneIsAskedForTheSameWeights) {
  answers_["b"] = {{"state", "serving"}};
  const std::vector<decide::Object> pods = {PodNamed("a", /*ready=*/true),
                                            PodNamed("b", /*ready=*/true)};
  Hear(pods);
  EXPECT_THAT(asked_, ElementsAre("a"));
  Hear(pods);
  EXPECT_THAT(asked_, ElementsAre("b"));
  EXPECT_EQ(Loaded("b"), 0);
}

TEST_F(AgentsTest, OthersHaveTheTurnOfThoseThatAreSilent) {
  std::vector<decide::Object> pods;
  for (const char* name : {"a", "b", "c", "d", "e", "f"}) pods.push_back(PodNamed(name));
  answers_ = {{"e", Loading(5)}, {"f", Loading(6)}};
  Hear(pods);
  EXPECT_THAT(asked_, UnorderedElementsAre("a", "b", "c", "d"));
  Hear(pods);
  EXPECT_THAT(asked_, UnorderedElementsAre("e", "f"));
  EXPECT_EQ(Loaded("f"), 6);
}

TEST_F(AgentsTest, AClockThatIsSetBackSilencesNobody) {
  Hear({PodNamed("a")});
  now_ -= absl::Hours(1);
  Hear({PodNamed("a")});
  EXPECT_THAT(asked_, ElementsAre("a"));
}

TEST(AgentsOfAReconcilerTest, AreRememberedBetweenPasses) {
  Harness h;
  int asked = 0;
  h.process = std::make_unique<OperatorProcess>(
      h.server, h.defaults(), [&h] { return h.now; },
      Hooks{.ask_agent = [&asked](const std::string&) -> absl::StatusOr<Json> {
              ++asked;
              return absl::DeadlineExceededError("a lost node");
            },
            .on_plan = nullptr,
            .busy = nullptr});
  h.workloads.set_fate("", kube::FakeWorkloads::Fate::kNotReady);
  h.Apply("demo", Spec());
  h.Converge("demo");
  Json pod = h.Get(kPod, h.Pods().at(0));
  pod["status"]["podIP"] = "10.0.0.9";
  const auto put = h.server->SendAsController(
      {.method = "PUT",
       .path = kube::ObjectPath(kPod, kNamespace, h.Pods().at(0), "status"),
       .headers = {{"Content-Type", "application/json"}},
       .body = pod.dump()});
  ASSERT_EQ(put.code, 200) << put.body;
  for (int i = 0; i < 60; ++i, h.now += absl::Seconds(1)) h.Reconcile("demo");
  EXPECT_EQ(asked, 5);
}

}  // namespace
}  // namespace deepseek::reconcile
