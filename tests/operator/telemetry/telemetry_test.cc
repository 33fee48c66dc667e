#include "operator/telemetry/telemetry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json_full.h"
#include "operator/kube/client.h"
#include "operator/telemetry/counting_transport.h"
#include "tests/support/fake_api_server.h"

namespace deepseek::telemetry {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

decide::Plan PlanWith(const Json& status) {
  decide::Plan plan;
  plan.dsd.emplace();
  plan.dsd->replicas = 3;
  plan.status = std::make_shared<const Json>(status);
  plan.decisions.push_back({"ScaleUp", "Updating", "words"});
  return plan;
}

const Json kStatus = {
    {"replicas", 4},
    {"readyReplicas", 2},
    {"rollout", {{"phase", "Progressing"}}},
    {"revisions", {{{"name", "demo-1"}, {"weight", 50}}, {{"name", "demo-2"}, {"weight", 50}}}}};

TEST(TelemetryTest, CountersBeginAtZero) {
  Telemetry t("0.1.0");
  const std::string text = t.Text();
  for (const char* result : {"success", "error", "requeue", "requeue_after"}) {
    EXPECT_THAT(text, HasSubstr(std::string("controller_runtime_reconcile_total{controller="
                                            "\"deepseekdeployment\",result=\"") +
                                result + "\"} 0"));
  }
  EXPECT_THAT(text, HasSubstr("deepseek_build_info{version=\"0.1.0\"} 1"));
}

TEST(TelemetryTest, ReconcilesByResult) {
  Telemetry t("1");
  t.OnReconcile(absl::OkStatus(), absl::InfiniteDuration(), absl::Milliseconds(20));
  t.OnReconcile(absl::OkStatus(), absl::Seconds(5), absl::Milliseconds(20));
  t.OnReconcile(absl::AbortedError("lost race"), absl::ZeroDuration(), absl::Milliseconds(20));
  t.OnReconcile(absl::UnavailableError("away"), absl::ZeroDuration(), absl::Seconds(90));
  const std::string text = t.Text();
  for (const char* result : {"success", "error", "requeue", "requeue_after"})
    EXPECT_THAT(text, HasSubstr(std::string("result=\"") + result + "\"} 1"));
  EXPECT_THAT(text, HasSubstr("controller_runtime_reconcile_errors_total{controller="
                              "\"deepseekdeployment\"} 1"))
      << "a lost race is no error";
  EXPECT_THAT(text, HasSubstr("workqueue_retries_total{name=\"deepseekdeployment\"} 2"));
  EXPECT_THAT(text, HasSubstr("controller_runtime_reconcile_time_seconds_count{controller="
                              "\"deepseekdeployment\"} 4"));
  EXPECT_THAT(text, HasSubstr("le=\"0.025\"} 3"));
}

TEST(TelemetryTest, GaugesOfADeploymentComeAndGoWithIt) {
  Telemetry t("1");
  const decide::Plan plan = PlanWith(kStatus);
  t.OnPlan("ns", "demo", &plan);
  std::string text = t.Text();
  const std::string labels = "{namespace=\"ns\",deployment=\"demo\"";
  EXPECT_THAT(text, HasSubstr("deepseek_deployment_replicas" + labels + "} 4"));
  EXPECT_THAT(text, HasSubstr("deepseek_deployment_ready_replicas" + labels + "} 2"));
  EXPECT_THAT(text, HasSubstr("deepseek_deployment_desired_replicas" + labels + "} 3"));
  EXPECT_THAT(text, HasSubstr("rollout_phase" + labels + ",phase=\"Progressing\"} 1"));
  EXPECT_THAT(text, HasSubstr("rollout_phase" + labels + ",phase=\"Idle\"} 0"));
  EXPECT_THAT(text, HasSubstr("revision_weight" + labels + ",revision=\"demo-2\"} 50"));
  EXPECT_THAT(text, HasSubstr("# TYPE deepseek_deployment_replicas gauge"));
  EXPECT_THAT(text, HasSubstr("deepseek_decisions_total{action=\"ScaleUp\",kind="
                              "\"DeepSeekDeployment\",reason=\"Updating\"} 1"));
  t.OnPlan("ns", "demo", nullptr);
  EXPECT_THAT(t.Text(), Not(HasSubstr("deepseek_deployment_")));
}

TEST(TelemetryTest, ARefusedSpecKeepsTheLastWordOnWhatIsWanted) {
  Telemetry t("1");
  decide::Plan plan = PlanWith(kStatus);
  t.OnPlan("ns", "demo", &plan);
  plan.dsd.reset();
  t.OnPlan("ns", "demo", &plan);
  EXPECT_THAT(t.Text(), HasSubstr("desired_replicas{namespace=\"ns\",deployment=\"demo\"} 3"));
}

TEST(TelemetryTest, NoLabelBreaksOutOfItsQuotes) {
  Telemetry t("1");
  Json status = kStatus;
  status["revisions"] = Json::array({{{"name", "a\"} 1\nb\\"}, {"weight", 1}}});
  const decide::Plan plan = PlanWith(status);
  t.OnPlan("ns", "demo", &plan);
  EXPECT_THAT(t.Text(), HasSubstr(R"(revision="a\"} 1\nb\\"} 1)"));
}

TEST(TelemetryTest, LeadershipAndQueue) {
  Telemetry t("1");
  t.SetLeader("deepseek-operator", false);
  EXPECT_THAT(t.Text(), HasSubstr("leader_election_master_status{name=\"deepseek-operator\"} 0"));
  t.SetLeader("deepseek-operator", true);
  t.SetQueue([] { return kube::QueueFigures{.depth = 7}; });
  EXPECT_THAT(t.Text(), HasSubstr("leader_election_master_status{name=\"deepseek-operator\"} 1"));
  EXPECT_THAT(t.Text(), HasSubstr("workqueue_depth{name=\"deepseekdeployment\"} 7"));
}

TEST(TelemetryTest, TheQueueUnderTheNamesOfClientGo) {
  Telemetry t("1");
  const auto series = [](const std::string& name, const std::string& value) {
    return HasSubstr("workqueue_" + name + "{name=\"deepseekdeployment\"} " + value);
  };
  EXPECT_THAT(t.Text(), series("adds_total", "0"));
  EXPECT_THAT(t.Text(), series("queue_duration_seconds_count", "0"));
  kube::QueueFigures figures{.adds = 5, .work = absl::Seconds(9), .oldest = absl::Seconds(6)};
  t.SetQueue([&] { return figures; });
  t.OnTake(absl::Milliseconds(200));
  t.OnTake(absl::Seconds(2));
  EXPECT_THAT(t.Text(), series("adds_total", "5"));
  EXPECT_THAT(t.Text(), series("queue_duration_seconds_count", "2"));
  EXPECT_THAT(t.Text(), series("queue_duration_seconds_sum", "2.2"));
  EXPECT_THAT(t.Text(), series("unfinished_work_seconds", "9"));
  EXPECT_THAT(t.Text(), series("longest_running_processor_seconds", "6"));
  figures = {.adds = 6};
  EXPECT_THAT(t.Text(), series("adds_total", "6"));
  EXPECT_THAT(t.Text(), series("unfinished_work_seconds", "0"));
}

TEST(CountingTransportTest, CallsByCodeAndThoseWithoutAnAnswer) {
  Telemetry t("1");
  auto server = std::make_shared<kube::FakeApiServer>();
  absl::Time now;
  auto counting = std::make_shared<CountingTransport>(server, t, "api:443", [&] {
    now += absl::Milliseconds(10);
    return now;
  });
  kube::Client client(counting);
  EXPECT_FALSE(client.Get(kube::resources::kPod, "ns", "absent").ok());
  server->set_before([](const kube::FakeCall&) { return absl::UnavailableError("cut"); });
  EXPECT_FALSE(client.Get(kube::resources::kPod, "ns", "absent").ok());
  EXPECT_FALSE(
      client
          .Watch(
              kube::resources::kPod, {}, "1", [](const kube::WatchEvent&) {}, [] { return true; })
          .ok());
  const std::string text = t.Text();
  EXPECT_THAT(text, HasSubstr("rest_client_requests_total{code=\"404\",host=\"api:443\",method="
                              "\"GET\"} 1"));
  EXPECT_THAT(text, HasSubstr("rest_client_requests_total{code=\"<error>\",host=\"api:443\",method="
                              "\"GET\"} 1"));
  EXPECT_THAT(text, HasSubstr("method=\"WATCH\"} 1"));
  EXPECT_THAT(text, HasSubstr("rest_client_request_duration_seconds_bucket{host=\"api:443\",verb="
                              "\"GET\",le=\"0.025\"} 2"));
  EXPECT_THAT(text, Not(HasSubstr("verb=\"WATCH\"")));
}

}  // namespace
}  // namespace deepseek::telemetry
