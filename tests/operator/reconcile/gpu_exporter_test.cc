// Who reports GPUs: agents with device CUDA, unless dcgm-exporter runs in the cluster.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/strings.h"
#include "tests/operator/reconcile/harness.h"

namespace deepseek::reconcile {
namespace {

Json Cuda(const Json& gpu_metrics = nullptr) {
  Json spec = Spec({{"engine", {{"device", "CUDA"}}}});
  if (!gpu_metrics.is_null()) spec["observability"]["gpuMetrics"] = gpu_metrics;
  return spec;
}

// What the pods of the only Deployment are told; empty: nothing.
std::string Told(const Harness& h) {
  const std::string deployments = h.Deployments();
  const Json deployment =
      h.Get(kube::resources::kDeployment, deployments.substr(0, deployments.find('=')));
  for (const Json& env : deployment["spec"]["template"]["spec"]["containers"][0]["env"]) {
    if (env["name"] == "DEEPSEEK_GPU_METRICS") return env["value"];
  }
  return "";
}

int Asked(const Harness& h) {
  const std::vector<std::string> calls = h.server->Calls(/*reads=*/true);
  return static_cast<int>(std::count_if(calls.begin(), calls.end(), [](const std::string& call) {
    return call.starts_with("list /pods") && call.find(kNamespace) == std::string::npos;
  }));
}

void AddExporter(Harness* h, const char* label, const char* value) {
  const Json pod = {{"apiVersion", "v1"},
                    {"kind", "Pod"},
                    {"metadata", {{"name", "exporter"}, {"labels", {{label, value}}}}}};
  const auto made = h->server->SendAsController(
      {.method = "POST",
       .path = kube::CollectionPath(kube::resources::kPod, "monitoring"),
       .headers = {{"Content-Type", "application/json"}},
       .body = DumpJson(pod)});
  ASSERT_EQ(made.code, 201) << made.body;
}

TEST(GpuExporterTest, AgentsWithGpusReportThemWhereNobodyElseDoes) {
  Harness h;
  h.Apply("demo", Cuda());
  h.Converge("demo");
  EXPECT_EQ(Told(h), "auto");
}

TEST(GpuExporterTest, WhereDcgmExporterRunsAgentsAreSilent) {
  const std::pair<const char*, const char*> kLabels[] = {
      {"app", "nvidia-dcgm-exporter"},
      {"app.kubernetes.io/name", "dcgm-exporter"},
      {"app.kubernetes.io/name", "gke-managed-dcgm-exporter"}};
  for (const auto& [label, value] : kLabels) {
    Harness h;
    AddExporter(&h, label, value);
    h.Apply("demo", Cuda());
    h.Converge("demo");
    EXPECT_EQ(Told(h), "") << value;
  }
}

TEST(GpuExporterTest, TheUsersWordStands) {
  for (const char* wish : {"On", "Off"}) {
    Harness h;
    AddExporter(&h, "app", "nvidia-dcgm-exporter");
    h.Apply("demo", Cuda(wish));
    h.Converge("demo");
    EXPECT_EQ(Told(h), std::string(wish) == "On" ? "on" : "");
    EXPECT_EQ(Asked(h), 0);
  }
}

TEST(GpuExporterTest, WithoutGpusNobodyAsks) {
  Harness h;
  h.Apply("demo", Spec());
  h.Converge("demo");
  EXPECT_EQ(Told(h), "");
  EXPECT_EQ(Asked(h), 0);
}

TEST(GpuExporterTest, AnAnswerCountsForFiveMinutes) {
  Harness h;
  h.Apply("demo", Cuda());
  h.Apply("other", Cuda());
  h.Converge("demo");
  EXPECT_EQ(Asked(h), 3) << "one for each label";
}

TEST(GpuExporterTest, AnExporterThatComesLaterIsAnUpgradeAndNoRestart) {
  Harness h;
  h.Apply("demo", Cuda());
  h.Settle();
  const std::string before = h.Deployments();
  AddExporter(&h, "app", "nvidia-dcgm-exporter");
  h.now += absl::Minutes(6);
  h.Reconcile("demo");
  EXPECT_EQ(h.Condition("demo", "UpgradeAvailable"), "True NewerDefaults");
  EXPECT_EQ(h.Deployments(), before);
}

TEST(GpuExporterTest, ALookThatFailsLaterStopsNothing) {
  Harness h;
  h.Apply("demo", Cuda());
  h.Settle();
  h.server->set_before(
      [](const kube::FakeCall& call) -> std::optional<absl::StatusOr<kube::HttpResponse>> {
        if (call.verb != "list" || call.collection != "/pods" || !call.ns.empty())
          return std::nullopt;
        return absl::UnavailableError("away");
      });
  h.now += absl::Minutes(6);
  Json spec = Cuda();
  spec["replicas"] = 2;
  h.Apply("demo", spec);
  h.Converge("demo");
  EXPECT_TRUE(h.Deployments().ends_with("=2")) << h.Deployments();
  EXPECT_EQ(Told(h), "auto");
}

TEST(GpuExporterTest, AnOperatorThatMayNotLookTakesItThatNobodyReports) {
  Harness h;
  h.server->set_before(
      [](const kube::FakeCall& call) -> std::optional<absl::StatusOr<kube::HttpResponse>> {
        if (call.verb != "list" || call.collection != "/pods" || !call.ns.empty())
          return std::nullopt;
        return kube::HttpResponse{
            .code = 403,
            .headers = {},
            .body = R"({"kind":"Status","status":"Failure","reason":"Forbidden","code":403})"};
      });
  h.Apply("demo", Cuda());
  h.Converge("demo");
  EXPECT_EQ(Told(h), "auto");
}

}  // namespace
}  // namespace deepseek::reconcile
