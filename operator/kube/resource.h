#pragma once
// A kind as the API server serves it, and the paths of its objects.

#include <string>
#include <string_view>

namespace deepseek::kube {

/// A kind as the API server serves it.
struct Resource {
  std::string group;    ///< "" for core
  std::string version;  ///< "v1"
  std::string plural;   ///< "deployments"
  std::string kind;     ///< "Deployment"
  bool namespaced = true;

  /// "apps/v1", or "v1" for core.
  std::string ApiVersion() const;
};

/// The kinds that the operator reads and writes. Events are those of events.k8s.io.
namespace resources {
extern const Resource kDeepSeekDeployment, kDeployment, kControllerRevision, kPod, kService,
    kServiceAccount, kPodDisruptionBudget, kNetworkPolicy, kEvent, kLease, kNode,
    kPersistentVolumeClaim, kReplicaSet, kConfigMap, kPodMonitor;
}

/// Path of the collection; all namespaces when `ns` is empty.
std::string CollectionPath(const Resource& r, std::string_view ns);

/// Path of one object, `subresource` may be empty. The parts are percent-encoded, so a hostile name
/// stays one segment.
std::string ObjectPath(const Resource& r, std::string_view ns, std::string_view name,
                       std::string_view subresource = "");

/// Appends `key=value` to a path with '?' or '&'; nothing when `value` is empty.
void AddQuery(std::string* path, std::string_view key, std::string_view value);

/// RFC 3986: everything outside the unreserved characters becomes %XX.
std::string PercentEncode(std::string_view text);

}  // namespace deepseek::kube
