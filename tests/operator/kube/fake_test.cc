// The fakes themselves, where the conformance script does not reach: faults and the workloads.
#include <gtest/gtest.h>

#include "base/json_full.h"
#include "operator/kube/client.h"
#include "tests/support/fake_api_server.h"
#include "tests/support/fake_workloads.h"

namespace deepseek::kube {
namespace {

using resources::kConfigMap;
using resources::kDeployment;
using resources::kPod;

class FakeTest : public ::testing::Test {
 protected:
  Json Deployment(int replicas, const std::string& revision) {
    const Json labels{{"serving.deepseek-operator.io/revision", revision}};
    return {{"apiVersion", "apps/v1"},
            {"kind", "Deployment"},
            {"metadata", {{"name", "d"}}},
            {"spec",
             {{"replicas", replicas},
              {"selector", {{"matchLabels", labels}}},
              {"template",
               {{"metadata", {{"labels", labels}}},
                {"spec", {{"containers", Json::array({{{"name", "agent"}, {"image", "a"}}})}}}}}}}};
  }
  void Apply(int replicas) {
    ASSERT_TRUE(
        client_.Apply(kDeployment, "ns", "d", Deployment(replicas, "r1"), {.field_manager = "t"})
            .ok());
    workloads_.Settle();
  }
  void Create(const std::string& name) {
    const Json object{{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", {{"name", name}}}};
    ASSERT_TRUE(client_.Create(kConfigMap, "ns", object, "t").ok());
  }
  Json Status() { return (*server_->Find(kDeployment, "ns", "d"))["status"]; }

  std::shared_ptr<FakeApiServer> server_ = std::make_shared<FakeApiServer>();
  FakeWorkloads workloads_{server_.get()};
  Client client_{server_};
};

TEST_F(FakeTest, PodsFollowTheirDeployment) {
  Apply(3);
  EXPECT_EQ(server_->All(kPod).size(), 3u);
  EXPECT_EQ(Status()["readyReplicas"], 3);
  EXPECT_EQ(Status()["observedGeneration"], 1);
  Apply(1);
  EXPECT_EQ(server_->All(kPod).size(), 1u);
  ASSERT_TRUE(client_.Delete(kDeployment, "ns", "d").ok());
  EXPECT_EQ(server_->size(), 0u);
}

TEST_F(FakeTest, PodsMeetTheirFate) {
  workloads_.set_fate("r1", FakeWorkloads::Fate::kFails, "error: model: bad");
  Apply(1);
  const Json pod = *server_->All(kPod).front();
  EXPECT_EQ(pod.at("/status/containerStatuses/0/lastState/terminated/message"_json_pointer),
            "error: model: bad");
  EXPECT_EQ(Status()["readyReplicas"], 0);
  workloads_.set_fate("r1", FakeWorkloads::Fate::kUnschedulable, "0/1 nodes");
  workloads_.Settle();
  EXPECT_EQ(server_->All(kPod).front()->at("/status/conditions/0/reason"_json_pointer),
            "Unschedulable");
  workloads_.set_fate("r1", FakeWorkloads::Fate::kReady);
  workloads_.Settle();
  EXPECT_EQ(Status()["readyReplicas"], 1);
}

TEST_F(FakeTest, EventsAreDroppedAndStreamsCutOnDemand) {
  const auto list = client_.ListAll(kConfigMap, {});
  for (const char* name : {"a", "b", "c", "d"}) Create(name);
  server_->set_event_fate([](int number, const StoredEvent&) {
    return number == 2   ? EventFate::kDrop
           : number == 4 ? EventFate::kEndStream
                         : EventFate::kDeliver;
  });
  std::string seen;
  const absl::Status end = client_.Watch(
      kConfigMap, {}, list->resource_version,
      [&](const WatchEvent& e) { seen += e.object->at("metadata").at("name").get<std::string>(); },
      [] { return false; });
  EXPECT_TRUE(end.ok()) << end;
  EXPECT_EQ(seen, "ac");
}

TEST_F(FakeTest, AnEventWithoutNewsIsNotDelivered) {
  Create("a");
  const auto list = client_.ListAll(kConfigMap, {});
  ASSERT_TRUE(list.ok());
  Create("b");
  Create("c");
  ASSERT_TRUE(client_.Delete(kConfigMap, "ns", "b").ok());
  std::string seen, asked;
  const auto name = [](const Json& o) { return o.at("metadata").at("name").get<std::string>(); };
  const absl::Status end = client_.Watch(
      kConfigMap, {}, list->resource_version,
      [&](const WatchEvent& e) {
        if (e.type != WatchEventType::kBookmark) seen += name(*e.object);
      },
      [&] { return seen.size() >= 2; },
      [&](const EventHead& head) {
        asked += head.ns + "/" + head.name + " ";
        return head.name == "b";
      });
  EXPECT_TRUE(end.ok()) << end;
  EXPECT_EQ(asked, "ns/b ns/c ");
  EXPECT_EQ(seen, "cb");  // the end of b is news
}

TEST_F(FakeTest, FaultsComeBeforeOrAfterTheWrite) {
  const Json object{{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", {{"name", "a"}}}};
  server_->set_before([](const FakeCall& call) -> std::optional<absl::StatusOr<HttpResponse>> {
    if (call.write_number != 1) return std::nullopt;
    return FakeApiServer::Refusal(503, "ServiceUnavailable", "not now");
  });
  EXPECT_TRUE(absl::IsUnavailable(client_.Create(kConfigMap, "ns", object, "t").status()));
  EXPECT_EQ(server_->size(), 0u);
  server_->set_after(
      [](const FakeCall& call, const HttpResponse&) -> std::optional<absl::StatusOr<HttpResponse>> {
        if (call.write_number != 2) return std::nullopt;
        return absl::DeadlineExceededError("the answer was lost");
      });
  EXPECT_TRUE(absl::IsDeadlineExceeded(client_.Create(kConfigMap, "ns", object, "t").status()));
  EXPECT_EQ(server_->size(), 1u);
}

TEST_F(FakeTest, FinalizersHoldAnObjectUntilTheyAreGone) {
  const Json object{{"apiVersion", "v1"},
                    {"kind", "ConfigMap"},
                    {"metadata", {{"name", "a"}, {"finalizers", {"x/y"}}}}};
  ASSERT_TRUE(client_.Create(kConfigMap, "ns", object, "t").ok());
  ASSERT_TRUE(client_.Delete(kConfigMap, "ns", "a").ok());
  EXPECT_TRUE((*client_.Get(kConfigMap, "ns", "a"))->at("metadata").contains("deletionTimestamp"));
  ASSERT_TRUE(
      client_.MergePatch(kConfigMap, "ns", "a", {{"metadata", {{"finalizers", nullptr}}}}, "t")
          .ok());
  EXPECT_TRUE(absl::IsNotFound(client_.Get(kConfigMap, "ns", "a").status()));
}

}  // namespace
}  // namespace deepseek::kube
