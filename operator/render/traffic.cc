#include "operator/render/traffic.h"

#include <initializer_list>
#include <utility>

#include "base/json_full.h"
#include "operator/api/names.h"
#include "operator/api/units.h"
#include "operator/decide/pod_template.h"
#include "operator/render/metadata.h"

namespace deepseek::render {
namespace {

// Pods of revisions from before gRPC have no port of that name: it has no endpoints then.
Json Ports() {
  const auto port = [](const char* name, int number, const char* protocol) {
    return Json{{"name", name},
                {"port", number},
                {"targetPort", name},
                {"protocol", "TCP"},
                {"appProtocol", protocol}};
  };
  return Json::array(
      {port("http", api::kHttpPort, "http"), port("grpc", api::kGrpcPort, "kubernetes.io/h2c")});
}

// A rule from peers to ports. No rule at all where the user gave an empty list: in a NetworkPolicy
// an empty `from` means everybody.
void AddRule(const Json& peers, const Json& otherwise, std::initializer_list<int> ports,
             Json* ingress) {
  const Json& from = peers.is_null() ? otherwise : peers;
  if (from.empty()) return;
  Json rule = {{"from", from}, {"ports", Json::array()}};
  for (const int port : ports) rule["ports"].push_back({{"port", port}, {"protocol", "TCP"}});
  ingress->push_back(std::move(rule));
}

}  // namespace

Json ServiceAccount(const api::DeepSeekDeployment& dsd) {
  Json object = Skeleton(dsd, "v1", "ServiceAccount", api::ServiceAccountName(dsd.name));
  object["automountServiceAccountToken"] = false;
  return object;
}

Json Service(const api::DeepSeekDeployment& dsd) {
  Json object = Skeleton(dsd, "v1", "Service", dsd.name);
  if (dsd.service_annotations->is_object() && !dsd.service_annotations->empty()) {
    object["metadata"]["annotations"] = *dsd.service_annotations;
  }
  object["spec"] = {
      {"type", dsd.service_type}, {"selector", decide::Selector(dsd.name)}, {"ports", Ports()}};
  return object;
}

Json RevisionService(const api::DeepSeekDeployment& dsd, const std::string& name,
                     const std::string& hash8, const std::string& role) {
  Json object = Skeleton(dsd, "v1", "Service", name, hash8, role);
  object["spec"] = {
      {"type", "ClusterIP"}, {"selector", decide::Selector(dsd.name, hash8)}, {"ports", Ports()}};
  return object;
}

Json PodDisruptionBudget(const api::DeepSeekDeployment& dsd) {
  Json object = Skeleton(dsd, "policy/v1", "PodDisruptionBudget", dsd.name);
  object["spec"] = {{"maxUnavailable", 1},
                    {"selector", {{"matchLabels", decide::Selector(dsd.name)}}},
                    {"unhealthyPodEvictionPolicy", "AlwaysAllow"}};
  return object;
}

Json NetworkPolicy(const api::DeepSeekDeployment& dsd, const std::string& operator_namespace) {
  const Json same_namespace = Json::array({{{"podSelector", Json::object()}}});
  const Json prometheus = Json::array(
      {{{"namespaceSelector", Json::object()},
        {"podSelector", {{"matchLabels", {{"app.kubernetes.io/name", "prometheus"}}}}}}});
  Json ingress = Json::array();
  AddRule(*dsd.allowed_from, same_namespace, {api::kHttpPort, api::kGrpcPort}, &ingress);
  AddRule(*dsd.scrape_from, prometheus, {api::kMetricsPort}, &ingress);
  if (!operator_namespace.empty()) {
    const Json ours = Json::array(
        {{{"namespaceSelector",
           {{"matchLabels", {{"kubernetes.io/metadata.name", operator_namespace}}}}},
          {"podSelector", {{"matchLabels", {{"app.kubernetes.io/name", "deepseek-operator"}}}}}}});
    AddRule(ours, ours, {api::kMetricsPort}, &ingress);
  }
  Json object = Skeleton(dsd, "networking.k8s.io/v1", "NetworkPolicy", dsd.name);
  object["spec"] = {{"podSelector", {{"matchLabels", decide::Selector(dsd.name)}}},
                    {"policyTypes", {"Ingress"}},
                    {"ingress", ingress}};
  return object;
}

Json PodMonitor(const api::DeepSeekDeployment& dsd) {
  Json object = Skeleton(dsd, "monitoring.coreos.com/v1", "PodMonitor", dsd.name);
  Json& labels = object["metadata"]["labels"];
  for (const auto& [name, value] : dsd.pod_monitor->labels) labels.emplace(name, value);
  Json endpoint = {{"port", "metrics"}, {"path", "/metrics"}};
  if (dsd.pod_monitor->interval)
    endpoint["interval"] = api::DurationText(*dsd.pod_monitor->interval);
  object["spec"] = {{"selector", {{"matchLabels", decide::Selector(dsd.name)}}},
                    {"podTargetLabels", {api::kDeploymentLabel, api::kRevisionLabel}},
                    {"podMetricsEndpoints", Json::array({std::move(endpoint)})}};
  return object;
}

}  // namespace deepseek::render
