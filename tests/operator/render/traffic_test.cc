// Services, the ServiceAccount, the PodDisruptionBudget and the NetworkPolicy: each field of the
// spec where it belongs.

#include "operator/render/traffic.h"

#include <gtest/gtest.h>

#include "tests/operator/render/render_world.h"

namespace deepseek::render {
namespace {

Json Spec(const std::string& kind, const std::string& name, const Json& more = Json::object()) {
  Json spec = Minimal();
  spec.merge_patch(more);
  return Find(PlanOf(spec), kind, name)["spec"];
}

const Json kPods = {{"serving.deepseek-operator.io/deployment", "demo"}};
const Json kPorts = Json::parse(R"([
    {"name":"http","port":8000,"targetPort":"http","protocol":"TCP","appProtocol":"http"},
    {"name":"grpc","port":9000,"targetPort":"grpc","protocol":"TCP",
     "appProtocol":"kubernetes.io/h2c"}])");

TEST(ServiceTest, SelectsThePodsOfAllRevisions) {
  EXPECT_EQ(Spec("Service", "demo"),
            Json({{"type", "ClusterIP"}, {"selector", kPods}, {"ports", kPorts}}));
}

TEST(ServiceTest, TypeAndAnnotationsAreTheUsers) {
  const Json service = {
      {"traffic", {{"service", {{"type", "LoadBalancer"}, {"annotations", {{"a", "b"}}}}}}}};
  EXPECT_EQ(Spec("Service", "demo", service)["type"], "LoadBalancer");
  Json spec = Minimal();
  spec.merge_patch(service);
  const decide::Plan plan = PlanOf(spec);
  EXPECT_EQ(Service(*plan.dsd)["metadata"]["annotations"], Json({{"a", "b"}}));
  const std::string revision = plan.workloads.at(0).name;
  const Json own = RevisionService(*plan.dsd, revision, plan.workloads[0].hash8, "stable");
  EXPECT_EQ(own["spec"]["type"], "ClusterIP") << "a revision's own is for the cluster";
  EXPECT_FALSE(own["metadata"].contains("annotations"));
}

TEST(ServiceTest, NoAnnotationsLeaveNoTrace) {
  for (const Json& annotations : {Json(), Json::object()}) {
    decide::Plan plan = PlanOf(Minimal());
    plan.dsd->service_annotations = std::make_shared<const Json>(annotations);
    EXPECT_FALSE(Service(*plan.dsd)["metadata"].contains("annotations"));
  }
}

TEST(ServiceTest, ARevisionsOwnSelectsItsPods) {
  const decide::Plan plan = PlanOf(Minimal());
  const Json service = RevisionService(*plan.dsd, "demo-cafe0000", "cafe0000", "candidate");
  EXPECT_EQ(service["metadata"]["name"], "demo-cafe0000");
  EXPECT_EQ(service["metadata"]["labels"]["serving.deepseek-operator.io/role"], "candidate");
  EXPECT_EQ(service["spec"], Json({{"type", "ClusterIP"},
                                   {"selector",
                                    {{"serving.deepseek-operator.io/deployment", "demo"},
                                     {"serving.deepseek-operator.io/revision", "cafe0000"}}},
                                   {"ports", kPorts}}));
}

TEST(ServiceAccountTest, ItsTokenIsMountedNowhere) {
  const Json object = Find(PlanOf(Minimal()), "ServiceAccount", "demo-agent");
  EXPECT_EQ(object["apiVersion"], "v1");
  EXPECT_EQ(object["automountServiceAccountToken"], false);
}

TEST(PodDisruptionBudgetTest, OneAtATimeAndNeverInTheWayOfASickPod) {
  EXPECT_EQ(Spec("PodDisruptionBudget", "demo"),
            Json({{"maxUnavailable", 1},
                  {"selector", {{"matchLabels", kPods}}},
                  {"unhealthyPodEvictionPolicy", "AlwaysAllow"}}));
}

Json Rule(const Json& from, const std::vector<int>& ports) {
  Json rule = {{"from", from}, {"ports", Json::array()}};
  for (const int port : ports) rule["ports"].push_back({{"port", port}, {"protocol", "TCP"}});
  return rule;
}
const std::vector<int> kCalls = {8000, 9000}, kScrapes = {9090};
const Json kNamespace = Json::parse(R"([{"podSelector":{}}])");
const Json kPrometheus = Json::parse(R"([{"namespaceSelector":{},"podSelector":{"matchLabels":
                                         {"app.kubernetes.io/name":"prometheus"}}}])");
const Json kPeers = Json::parse(R"([{"ipBlock":{"cidr":"10.0.0.0/8"}}])");

struct Policy {
  const char* name;
  Json spec;
  const char* operator_namespace;
  Json ingress;
};

class NetworkPolicyTest : public ::testing::TestWithParam<Policy> {};

TEST_P(NetworkPolicyTest, LetsInWhomTheSpecNames) {
  Json spec = Minimal();
  spec.merge_patch(GetParam().spec);
  decide::Plan plan = PlanOf(spec);
  plan.operator_namespace = GetParam().operator_namespace;
  EXPECT_EQ(Find(plan, "NetworkPolicy", "demo")["spec"],
            Json({{"podSelector", {{"matchLabels", kPods}}},
                  {"policyTypes", {"Ingress"}},
                  {"ingress", GetParam().ingress}}));
}

const Json kOperator = Json::parse(R"([{"namespaceSelector":{"matchLabels":
    {"kubernetes.io/metadata.name":"system"}},"podSelector":{"matchLabels":
    {"app.kubernetes.io/name":"deepseek-operator"}}}])");

INSTANTIATE_TEST_SUITE_P(
    Table, NetworkPolicyTest,
    ::testing::Values(Policy{"Default", Json::object(), "",
                             Json::array({Rule(kNamespace, kCalls), Rule(kPrometheus, kScrapes)})},
                      Policy{"AllowedFrom",
                             {{"traffic", {{"allowedFrom", kPeers}}}},
                             "",
                             Json::array({Rule(kPeers, kCalls), Rule(kPrometheus, kScrapes)})},
                      Policy{"ScrapeFrom",
                             {{"observability", {{"scrapeFrom", kPeers}}}},
                             "",
                             Json::array({Rule(kNamespace, kCalls), Rule(kPeers, kScrapes)})},
                      Policy{"NobodyCalls",
                             {{"traffic", {{"allowedFrom", Json::array()}}}},
                             "",
                             Json::array({Rule(kPrometheus, kScrapes)})},
                      Policy{"NobodyScrapes",
                             {{"observability", {{"scrapeFrom", Json::array()}}}},
                             "",
                             Json::array({Rule(kNamespace, kCalls)})},
                      // The operator asks its agents whatever the user says of others.
                      Policy{"TheOperatorAlone",
                             {{"traffic", {{"allowedFrom", Json::array()}}},
                              {"observability", {{"scrapeFrom", Json::array()}}}},
                             "system",
                             Json::array({Rule(kOperator, kScrapes)})}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(PodMonitorTest, SelectsTheAgentsMetricsPort) {
  Json spec = Minimal();
  EXPECT_TRUE(Find(PlanOf(spec), "PodMonitor", "demo").is_null());
  spec["observability"]["podMonitor"] = Json::object();
  const Json monitor = Find(PlanOf(spec), "PodMonitor", "demo");
  EXPECT_EQ(monitor["apiVersion"], "monitoring.coreos.com/v1");
  EXPECT_EQ(monitor["spec"], Json::parse(R"({
      "selector":{"matchLabels":{"serving.deepseek-operator.io/deployment":"demo"}},
      "podTargetLabels":["serving.deepseek-operator.io/deployment",
                         "serving.deepseek-operator.io/revision"],
      "podMetricsEndpoints":[{"port":"metrics","path":"/metrics"}]})"));
}

TEST(PodMonitorTest, LabelsAndIntervalAreTheUsersButOursStay) {
  Json spec = Minimal();
  spec["observability"]["podMonitor"] = {
      {"labels", {{"release", "prometheus"}, {"app.kubernetes.io/managed-by", "me"}}},
      {"interval", "90s"}};
  const Json monitor = Find(PlanOf(spec), "PodMonitor", "demo");
  EXPECT_EQ(monitor["metadata"]["labels"]["release"], "prometheus");
  EXPECT_EQ(monitor["metadata"]["labels"]["app.kubernetes.io/managed-by"], "deepseek-operator");
  EXPECT_EQ(monitor["spec"]["podMetricsEndpoints"][0]["interval"], "1m30s");
}

}  // namespace
}  // namespace deepseek::render
