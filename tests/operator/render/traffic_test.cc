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
const Json kHttp = Json::parse(
    R"([{"name":"http","port":8000,"targetPort":"http","protocol":"TCP","appProtocol":"http"}])");

TEST(ServiceTest, SelectsThePodsOfAllRevisions) {
  EXPECT_EQ(Spec("Service", "demo"),
            Json({{"type", "ClusterIP"}, {"selector", kPods}, {"ports", kHttp}}));
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
                                   {"ports", kHttp}}));
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

Json Rule(const Json& from, int port) {
  return {{"from", from}, {"ports", Json::array({{{"port", port}, {"protocol", "TCP"}}})}};
}
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
                             Json::array({Rule(kNamespace, 8000), Rule(kPrometheus, 9090)})},
                      Policy{"AllowedFrom",
                             {{"traffic", {{"allowedFrom", kPeers}}}},
                             "",
                             Json::array({Rule(kPeers, 8000), Rule(kPrometheus, 9090)})},
                      Policy{"ScrapeFrom",
                             {{"observability", {{"scrapeFrom", kPeers}}}},
                             "",
                             Json::array({Rule(kNamespace, 8000), Rule(kPeers, 9090)})},
                      Policy{"NobodyCalls",
                             {{"traffic", {{"allowedFrom", Json::array()}}}},
                             "",
                             Json::array({Rule(kPrometheus, 9090)})},
                      Policy{"NobodyScrapes",
                             {{"observability", {{"scrapeFrom", Json::array()}}}},
                             "",
                             Json::array({Rule(kNamespace, 8000)})},
                      // The operator asks its agents whatever the user says of others.
                      Policy{"TheOperatorAlone",
                             {{"traffic", {{"allowedFrom", Json::array()}}},
                              {"observability", {{"scrapeFrom", Json::array()}}}},
                             "system",
                             Json::array({Rule(kOperator, 9090)})}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace deepseek::render
