// The whole operator over the in-memory API server: from an object to its report, and the ends of
// the process.
#include "operator/run.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/time/clock.h"
#include "base/json_full.h"
#include "operator/kube/client.h"
#include "tests/support/fake_api_server.h"
#include "tests/support/fake_workloads.h"

namespace deepseek {
namespace {

using kube::resources::kDeepSeekDeployment;
using kube::resources::kLease;

class RunTest : public ::testing::Test {
 protected:
  void TearDown() override {
    stop_.Set();
    if (thread_.joinable()) thread_.join();
  }
  /// Another operator holds the lease deepseek-operator.
  void AnotherLeads() {
    const Json lease{{"apiVersion", "coordination.k8s.io/v1"},
                     {"kind", "Lease"},
                     {"metadata", {{"name", "deepseek-operator"}}},
                     {"spec", {{"holderIdentity", "another"}, {"leaseDurationSeconds", 3600}}}};
    ASSERT_TRUE(client_.Create(kLease, "system", lease, "another").ok());
  }
  void Start(bool leader_elect, kube::ThrottleOptions throttle = {},
             const std::string& lease_name = "deepseek-operator") {
    RunOptions options;
    options.lease_name = lease_name;
    options.throttle = throttle;
    options.agent_image = "example/agent:1";
    options.ns = "system";
    options.identity = "me";
    options.leader_elect = leader_elect;
    options.health_address = "127.0.0.1:0";
    options.election.retry = absl::Milliseconds(100);
    options.election.renew_deadline = absl::Milliseconds(500);
    thread_ = std::thread([this, options] {
      result_ = RunOperator(options, server_, stop_);
      ended_ = true;
    });
  }
  void Create(const std::string& name) {
    const Json object{
        {"apiVersion", "serving.deepseek-operator.io/v1alpha1"},
        {"kind", "DeepSeekDeployment"},
        {"metadata", {{"name", name}, {"namespace", "ns"}}},
        {"spec", {{"model", {{"source", {{"builtin", "demo-v3"}}}}}, {"replicas", 2}}}};
    const auto created = client_.Create(kDeepSeekDeployment, "ns", object, "kubectl");
    ASSERT_TRUE(created.ok()) << created.status();
  }
  std::string Status(const std::string& name, const char* pointer) {
    const auto object = server_->Find(kDeepSeekDeployment, "ns", name);
    return object == nullptr ? "" : object->value(Json::json_pointer(pointer), "");
  }
  template <typename F>
  bool Eventually(F condition) {
    const absl::Time deadline = absl::Now() + absl::Seconds(60);
    while (!condition()) {
      if (absl::Now() > deadline) return false;
      workloads_.Step();
      std::this_thread::yield();
    }
    return true;
  }

  std::shared_ptr<kube::FakeApiServer> server_ = std::make_shared<kube::FakeApiServer>();
  kube::FakeWorkloads workloads_{server_.get()};
  kube::Client client_{server_};
  StopSignal stop_;
  std::atomic<bool> ended_{false};
  absl::Status result_;
  std::thread thread_;
};

TEST_F(RunTest, AnObjectBecomesReadyAndItsEndLeavesNothing) {
  Create("demo");
  Start(/*leader_elect=*/false);
  EXPECT_TRUE(Eventually([&] { return Status("demo", "/status/ready") == "2/2"; }));
  ASSERT_TRUE(client_.Delete(kDeepSeekDeployment, "ns", "demo").ok());
  EXPECT_TRUE(Eventually([&] {
    for (const auto& pod : server_->All(kube::resources::kPod)) return pod == nullptr;
    return server_->All(kube::resources::kDeployment).empty() &&
           server_->All(kube::resources::kService).empty();
  }));
  stop_.Set();
  thread_.join();
  EXPECT_TRUE(result_.ok()) << result_;
}

TEST_F(RunTest, AStandbyActsOnlyWhenTheLeaseIsFree) {
  AnotherLeads();
  Create("demo");
  server_->ForgetCalls();
  Start(/*leader_elect=*/true);
  ASSERT_TRUE(Eventually([&] {
    int asked = 0;
    for (const std::string& call : server_->Calls(/*reads=*/true)) {
      asked += call.starts_with("get coordination.k8s.io/leases") ? 1 : 0;
    }
    return asked >= 5;
  }));
  EXPECT_EQ(server_->Calls(), std::vector<std::string>{});  // not one write
  ASSERT_TRUE(client_
                  .MergePatch(kLease, "system", "deepseek-operator",
                              {{"spec", {{"holderIdentity", ""}}}}, "another")
                  .ok());
  EXPECT_TRUE(Eventually([&] { return Status("demo", "/status/ready") == "2/2"; }));
  stop_.Set();
  thread_.join();
  EXPECT_TRUE(result_.ok()) << result_;
  // Given back, so that the next one need not wait.
  EXPECT_EQ((*server_->Find(kLease, "system", "deepseek-operator"))["spec"]["holderIdentity"], "");
}

TEST_F(RunTest, AnotherLeaseIsNobodyElses) {
  AnotherLeads();
  Create("demo");
  Start(/*leader_elect=*/true, {}, "team-a");
  EXPECT_TRUE(Eventually([&] { return Status("demo", "/status/ready") == "2/2"; }));
  EXPECT_EQ((*server_->Find(kLease, "system", "team-a"))["spec"]["holderIdentity"], "me");
  EXPECT_EQ((*server_->Find(kLease, "system", "deepseek-operator"))["spec"]["holderIdentity"],
            "another");
}

TEST_F(RunTest, AsksNoFasterThanItIsTold) {
  const auto asked = [this] { return server_->Calls(/*reads=*/true).size(); };
  server_->ForgetCalls();
  Start(/*leader_elect=*/false, {.requests_per_second = 1e-6, .burst = 3});
  EXPECT_TRUE(Eventually([&] { return asked() >= 3; }));
  stop_.Set();
  thread_.join();
  EXPECT_EQ(asked(), 3U);  // the caches alone wanted more
}

TEST_F(RunTest, EndsWhenTheLeaseIsTaken) {
  Create("demo");
  Start(/*leader_elect=*/true);
  ASSERT_TRUE(Eventually([&] { return Status("demo", "/status/ready") == "2/2"; }));
  // Our own renewals race with this write; it is repeated until it stays.
  EXPECT_TRUE(Eventually([&] {
    (void)client_.MergePatch(kLease, "system", "deepseek-operator",
                             {{"spec", {{"holderIdentity", "thief"}}}}, "thief");
    return ended_.load();
  }));
  thread_.join();
  EXPECT_TRUE(absl::IsAborted(result_)) << result_;
  EXPECT_EQ((*server_->Find(kLease, "system", "deepseek-operator"))["spec"]["holderIdentity"],
            "thief");
}

TEST_F(RunTest, AnAddressInUseIsAnErrorAtOnce) {
  RunOptions options;
  options.agent_image = "a";
  options.health_address = "nonsense";
  EXPECT_FALSE(RunOperator(options, server_, stop_).ok());
}

}  // namespace
}  // namespace deepseek
