#include "operator/render/traffic.h"

#include "base/json_full.h"
#include "operator/api/names.h"
#include "operator/decide/pod_template.h"
#include "operator/render/metadata.h"

namespace deepseek::render {
namespace {

Json HttpPorts() {
  return Json::array({{{"name", "http"},
                       {"port", api::kHttpPort},
                       {"targetPort", "http"},
                       {"protocol", "TCP"},
                       {"appProtocol", "http"}}});
}

// A rule from peers to a port. No rule at all where the user gave an empty list: in a NetworkPolicy
// an empty `from` means everybody.
void AddRule(const Json& peers, const Json& otherwise, int port, Json* ingress) {
  const Json& from = peers.is_null() ? otherwise : peers;
  if (from.empty()) return;
  ingress->push_back(
      {{"from", from}, {"ports", Json::array({{{"port", port}, {"protocol", "TCP"}}})}});
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
      {"type", dsd.service_type}, {"selector", decide::Selector(dsd.name)}, {"ports", HttpPorts()}};
  return object;
}

Json RevisionService(const api::DeepSeekDeployment& dsd, const std::string& name,
                     const std::string& hash8, const std::string& role) {
  Json object = Skeleton(dsd, "v1", "Service", name, hash8, role);
  object["spec"] = {{"type", "ClusterIP"},
                    {"selector", decide::Selector(dsd.name, hash8)},
                    {"ports", HttpPorts()}};
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
  AddRule(*dsd.allowed_from, same_namespace, api::kHttpPort, &ingress);
  AddRule(*dsd.scrape_from, prometheus, api::kMetricsPort, &ingress);
  if (!operator_namespace.empty()) {
    const Json ours = Json::array(
        {{{"namespaceSelector",
           {{"matchLabels", {{"kubernetes.io/metadata.name", operator_namespace}}}}},
          {"podSelector", {{"matchLabels", {{"app.kubernetes.io/name", "deepseek-operator"}}}}}}});
    AddRule(ours, ours, api::kMetricsPort, &ingress);
  }
  Json object = Skeleton(dsd, "networking.k8s.io/v1", "NetworkPolicy", dsd.name);
  object["spec"] = {{"podSelector", {{"matchLabels", decide::Selector(dsd.name)}}},
                    {"policyTypes", {"Ingress"}},
                    {"ingress", ingress}};
  return object;
}

}  // namespace deepseek::render
