// Pods, events and agents' answers as they are read: each field from where it stands.

#include <gtest/gtest.h>

#include <functional>

#include "base/json_full.h"
#include "operator/api/names.h"
#include "operator/decide/observed.h"

namespace deepseek::decide {
namespace {

Cluster Empty() {
  Cluster cluster;
  cluster.dsd = std::make_shared<const Json>(
      Json::parse(R"({"metadata":{"name":"demo","namespace":"ns","uid":"u1"}})"));
  return cluster;
}

Json PodNamed(const std::string& name, const Json& status = Json::object()) {
  return {
      {"metadata",
       {{"name", name},
        {"uid", "uid-" + name},
        {"creationTimestamp", "2023-01-01T00:00:00Z"},
        {"labels", {{api::kDeploymentLabel, "demo"}, {api::kRevisionLabel, "cafe0000"}}},
        {"ownerReferences",
         Json::array(
             {{{"kind", "ReplicaSet"}, {"name", "demo-cafe0000-abc"}, {"controller", true}}})}}},
      {"status", status}};
}

Pod ReadOne(const Json& object) {
  Cluster cluster = Empty();
  cluster.pods = {std::make_shared<const Json>(object)};
  const Observed observed = Read(cluster);
  return observed.pods.empty() ? Pod() : observed.pods[0];
}

Pod WithStatus(const char* status) {
  return ReadOne(PodNamed("p", Json::parse(status)));
}

const absl::Time kNewYear = absl::FromUnixSeconds(1672531200);

TEST(ObservedPodTest, Identity) {
  const Pod pod = WithStatus(R"({"podIP":"10.0.0.9"})");
  EXPECT_EQ(pod.name, "p");
  EXPECT_EQ(pod.uid, "uid-p");
  EXPECT_EQ(pod.hash8, "cafe0000");
  EXPECT_EQ(pod.ip, "10.0.0.9");
  EXPECT_EQ(pod.created, kNewYear);
  EXPECT_FALSE(pod.ready || pod.deleting || pod.running || pod.ended || pod.agent);
  Json undated = PodNamed("p");
  undated["metadata"].erase("creationTimestamp");
  EXPECT_EQ(ReadOne(undated).created, absl::InfinitePast());
}

TEST(ObservedPodTest, ReadyIsWhatItsConditionSays) {
  const Pod ready = WithStatus(
      R"({"conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2023-01-01T00:00:00Z"}]})");
  EXPECT_TRUE(ready.ready);
  EXPECT_EQ(ready.ready_since, kNewYear);
  const Pod unready = WithStatus(
      R"({"conditions":[{"type":"Ready","status":"False","lastTransitionTime":"2023-01-01T00:00:00Z"}]})");
  EXPECT_FALSE(unready.ready);
  EXPECT_FALSE(unready.ready_since);
  EXPECT_FALSE(WithStatus(R"({"conditions":[{"type":"Ready","status":"Unknown"}]})").ready);
  EXPECT_FALSE(WithStatus(R"({"conditions":[{"type":"ContainersReady","status":"True"}]})").ready);
}

TEST(ObservedPodTest, TheSchedulersWordsCountWhileItHasNoPlace) {
  EXPECT_EQ(WithStatus(R"({"conditions":[{"type":"PodScheduled","status":"False","message":"m"}]})")
                .unschedulable,
            "m");
  EXPECT_EQ(WithStatus(R"({"conditions":[{"type":"PodScheduled","status":"True","message":"m"}]})")
                .unschedulable,
            "");
}

TEST(ObservedPodTest, OtherContainersStandBesideTheAgents) {
  const Pod pod = WithStatus(R"({
      "initContainerStatuses":[{"name":"first","restartCount":4,"ready":false,
          "state":{"waiting":{"reason":"R","message":"m"}},"lastState":{"terminated":{"exitCode":7}}}],
      "containerStatuses":[{"name":"agent","ready":true,"state":{"running":{}}},
                           {"name":"side","ready":true,"state":{"running":{}}}]})");
  EXPECT_TRUE(pod.agent_ready);
  EXPECT_FALSE(pod.ended);
  ASSERT_EQ(pod.sidecars.size(), 2u);
  EXPECT_EQ(pod.sidecars[0].name, "first");
  EXPECT_EQ(pod.sidecars[0].restarts, 4);
  EXPECT_EQ(pod.sidecars[0].waiting_reason, "R");
  EXPECT_EQ(pod.sidecars[0].waiting_message, "m");
  EXPECT_EQ(pod.sidecars[0].ended->exit_code, 7);
  EXPECT_FALSE(pod.sidecars[0].ready || pod.sidecars[0].running);
  EXPECT_EQ(pod.sidecars[1].name, "side");
  EXPECT_TRUE(pod.sidecars[1].ready && pod.sidecars[1].running);
}

// A probe that failed for a moment does not bring back what the pod died of a week ago.
TEST(ObservedPodTest, ThePastIsOverOnceThePodWasReadyAgain) {
  const auto ended = [](const char* ready, const char* transition) {
    Json status = Json::parse(R"({"conditions":[{"type":"Ready"}],"containerStatuses":[
        {"name":"agent","restartCount":3,"state":{"running":{"startedAt":"2023-01-01T00:00:10Z"}},
         "lastState":{"terminated":{"exitCode":2}}}]})");
    status["conditions"][0]["status"] = ready;
    status["conditions"][0]["lastTransitionTime"] = transition;
    return ReadOne(PodNamed("p", status)).ended.has_value();
  };
  EXPECT_TRUE(ended("False", "2023-01-01T00:00:00Z")) << "never ready so far";
  EXPECT_TRUE(ended("False", "2023-01-01T00:00:10Z")) << "it died and was started within a second";
  EXPECT_FALSE(ended("False", "2023-01-01T00:00:11Z"));
  EXPECT_TRUE(ended("True", "2023-01-01T00:00:11Z")) << "of a ready pod nobody asks";
}

TEST(ObservedPodTest, OnlyTheAgentsContainerCounts) {
  const Pod pod = WithStatus(R"({"containerStatuses":[
      {"name":"side","restartCount":5,"state":{"running":{}}},
      {"name":"agent","restartCount":1,"state":{"waiting":{"reason":"R","message":"m"}}}]})");
  EXPECT_EQ(pod.restarts, 1);
  EXPECT_FALSE(pod.running);
  EXPECT_EQ(pod.waiting_reason, "R");
  EXPECT_EQ(pod.waiting_message, "m");
  EXPECT_TRUE(
      WithStatus(R"({"containerStatuses":[{"name":"agent","state":{"running":{}}}]})").running);
  EXPECT_FALSE(
      WithStatus(R"({"containerStatuses":{"a":{"name":"agent","state":{"running":{}}}}})").running);
}

TEST(ObservedPodTest, TheLastEndIsTold) {
  const Pod before = WithStatus(R"({"containerStatuses":[{"name":"agent","state":{"running":{}},
      "lastState":{"terminated":{"exitCode":137,"reason":"OOMKilled","message":"m",
                   "startedAt":"2023-01-01T00:00:00Z","finishedAt":"2023-01-01T00:30:00Z"}}}]})");
  ASSERT_TRUE(before.ended);
  EXPECT_EQ(before.ended->exit_code, 137);
  EXPECT_EQ(before.ended->reason, "OOMKilled");
  EXPECT_EQ(before.ended->message, "m");
  EXPECT_EQ(before.ended->ran, absl::Minutes(30));
  const Pod now = WithStatus(R"({"containerStatuses":[{"name":"agent",
      "state":{"terminated":{"exitCode":2}}, "lastState":{"terminated":{"exitCode":1}}}]})");
  EXPECT_EQ(now.ended->exit_code, 2) << "the newer of the two";
  EXPECT_EQ(now.ended->ran, absl::ZeroDuration()) << "nobody said how long";
  EXPECT_EQ(WithStatus(R"({"containerStatuses":[{"name":"agent","state":{"terminated":{
      "finishedAt":"2023-01-01T00:30:00Z"}}}]})")
                .ended->ran,
            absl::ZeroDuration());
  EXPECT_EQ(WithStatus(R"({"containerStatuses":[{"name":"agent","state":{"terminated":{
      "startedAt":"2023-01-01T00:30:00Z"}}}]})")
                .ended->ran,
            absl::ZeroDuration());
}

TEST(ObservedPodTest, WhoseTheyAre) {
  const auto counts = [](const std::function<void(Json*)>& change) {
    Json pod = PodNamed("p");
    change(&pod);
    return ReadOne(pod).name == "p";
  };
  EXPECT_TRUE(counts([](Json*) {}));
  const auto owner = [](Json* pod) -> Json& { return (*pod)["metadata"]["ownerReferences"][0]; };
  EXPECT_FALSE(counts([&](Json* pod) { owner(pod)["kind"] = "StatefulSet"; }));
  EXPECT_FALSE(counts([&](Json* pod) { owner(pod)["controller"] = false; }));
  EXPECT_FALSE(counts([&](Json* pod) { owner(pod)["name"] = "demo-cafe0000"; }))
      << "that is no ReplicaSet's name";
  EXPECT_FALSE(counts([&](Json* pod) { owner(pod)["name"] = "demo-cafe00001-abc"; }));
  EXPECT_FALSE(counts([](Json* pod) { (*pod)["metadata"]["labels"] = Json::object(); }));
  for (const char* phase : {"Failed", "Succeeded"})
    EXPECT_FALSE(counts([&](Json* pod) { (*pod)["status"]["phase"] = phase; })) << phase;
  for (const char* phase : {"Pending", "Running", "Unknown"})
    EXPECT_TRUE(counts([&](Json* pod) { (*pod)["status"]["phase"] = phase; })) << phase;
}

TEST(ObservedPodTest, ComeByName) {
  Cluster cluster = Empty();
  for (const char* name : {"b", "c", "a"})
    cluster.pods.push_back(std::make_shared<const Json>(PodNamed(name)));
  const Observed observed = Read(cluster);
  ASSERT_EQ(observed.pods.size(), 3u);
  EXPECT_EQ(observed.pods[0].name + observed.pods[1].name + observed.pods[2].name, "abc");
}

TEST(ObservedPodTest, AnAnswerBelongsToItsPod) {
  Cluster cluster = Empty();
  for (const char* name : {"a", "b"})
    cluster.pods.push_back(std::make_shared<const Json>(PodNamed(name)));
  cluster.agents["uid-b"] = std::make_shared<const Json>(Json{{"state", "serving"}});
  cluster.agents["uid-gone"] = std::make_shared<const Json>(Json{{"state", "loading"}});
  cluster.agents_asked = true;
  const Observed observed = Read(cluster);
  EXPECT_TRUE(observed.agents_asked);
  EXPECT_FALSE(observed.pods[0].agent);
  EXPECT_EQ(observed.pods[1].agent->state, "serving");
  cluster.agents_asked = false;
  EXPECT_FALSE(Read(cluster).agents_asked);
}

TEST(ObservedPodTest, TheRefusalOfAWriteIsPassedOn) {
  Cluster cluster = Empty();
  cluster.refusal_reason = "WriteRefused";
  cluster.refusal_message = "why";
  EXPECT_EQ(Read(cluster).refusal_reason, "WriteRefused");
  EXPECT_EQ(Read(cluster).refusal_message, "why");
}

TEST(ObservedPodTest, AWarningsTimeIsThatOfItsLastOccurrence) {
  const char* const kEvents[] = {
      R"({"note":"none"})",
      R"({"note":"created","metadata":{"creationTimestamp":"2023-01-01T00:00:01Z"}})",
      R"({"note":"event","metadata":{"creationTimestamp":"2023-01-01T00:00:09Z"},
          "eventTime":"2023-01-01T00:00:02.000000Z"})",
      R"({"note":"deprecated","eventTime":"2023-01-01T00:00:09.000000Z",
          "deprecatedLastTimestamp":"2023-01-01T00:00:03Z"})",
      R"({"note":"series","eventTime":"2023-01-01T00:00:09.000000Z",
          "deprecatedLastTimestamp":"2023-01-01T00:00:09Z",
          "series":{"lastObservedTime":"2023-01-01T00:00:04.000000Z"},
          "regarding":{"uid":"u"},"reason":"FailedMount"})"};
  Cluster cluster = Empty();
  for (const char* event : kEvents)
    cluster.events.push_back(std::make_shared<const Json>(Json::parse(event)));
  const std::vector<Warning> warnings = Read(cluster).warnings;
  ASSERT_EQ(warnings.size(), 5u);
  const char* const kNewestFirst[] = {"series", "deprecated", "event", "created"};
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(warnings[i].note, kNewestFirst[i]);
    EXPECT_EQ(warnings[i].at, kNewYear + absl::Seconds(4 - i));
  }
  EXPECT_EQ(warnings[4].at, absl::InfinitePast());
  EXPECT_EQ(warnings[0].pod_uid, "u");
  EXPECT_EQ(warnings[0].reason, "FailedMount");
}

}  // namespace
}  // namespace deepseek::decide
