#include "operator/kube/resource.h"

#include "base/strings.h"

namespace deepseek::kube {

namespace resources {
const Resource kDeepSeekDeployment{"serving.deepseek-operator.io", "v1alpha1",
                                   "deepseekdeployments", "DeepSeekDeployment"};
const Resource kDeployment{"apps", "v1", "deployments", "Deployment"};
const Resource kControllerRevision{"apps", "v1", "controllerrevisions", "ControllerRevision"};
const Resource kReplicaSet{"apps", "v1", "replicasets", "ReplicaSet"};
const Resource kPod{"", "v1", "pods", "Pod"};
const Resource kService{"", "v1", "services", "Service"};
const Resource kServiceAccount{"", "v1", "serviceaccounts", "ServiceAccount"};
const Resource kConfigMap{"", "v1", "configmaps", "ConfigMap"};
const Resource kPersistentVolumeClaim{"", "v1", "persistentvolumeclaims", "PersistentVolumeClaim"};
const Resource kNode{"", "v1", "nodes", "Node", false};
const Resource kPodDisruptionBudget{"policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget"};
const Resource kNetworkPolicy{"networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy"};
const Resource kPodMonitor{"monitoring.coreos.com", "v1", "podmonitors", "PodMonitor"};
const Resource kEvent{"events.k8s.io", "v1", "events", "Event"};
const Resource kLease{"coordination.k8s.io", "v1", "leases", "Lease"};
}  // namespace resources

std::string Resource::ApiVersion() const {
  return group.empty() ? version : StrCat(group, "/", version);
}

std::string PercentEncode(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                            (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    if (unreserved) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

std::string CollectionPath(const Resource& r, std::string_view ns) {
  std::string path =
      r.group.empty() ? StrCat("/api/", r.version) : StrCat("/apis/", r.group, "/", r.version);
  if (r.namespaced && !ns.empty()) StrAppend(&path, "/namespaces/", PercentEncode(ns));
  StrAppend(&path, "/", r.plural);
  return path;
}

std::string ObjectPath(const Resource& r, std::string_view ns, std::string_view name,
                       std::string_view subresource) {
  std::string path = StrCat(CollectionPath(r, ns), "/", PercentEncode(name));
  if (!subresource.empty()) StrAppend(&path, "/", subresource);
  return path;
}

void AddQuery(std::string* path, std::string_view key, std::string_view value) {
  if (value.empty()) return;
  StrAppend(path, path->find('?') == std::string::npos ? "?" : "&", key, "=", PercentEncode(value));
}

}  // namespace deepseek::kube
