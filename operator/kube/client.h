#pragma once
// Typed calls on the Kubernetes API over a Transport: objects are JSON, kinds are Resource values.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/json.h"
#include "operator/kube/transport.h"

namespace deepseek::kube {

/// Objects are shared and immutable once read.
using Object = std::shared_ptr<const Json>;

/// A kind as the API server serves it.
struct Resource {
  std::string group;       ///< "" for core
  std::string version;     ///< "v1"
  std::string plural;      ///< "deployments"
  std::string kind;        ///< "Deployment"
  bool namespaced = true;
};

/// The kinds that the operator reads and writes.
namespace resources {
extern const Resource kDeepSeekDeployment, kDeployment, kControllerRevision, kPod, kService, kServiceAccount,
    kPodDisruptionBudget, kNetworkPolicy, kEvent, kLease, kNode, kPersistentVolumeClaim, kReplicaSet;
}

struct ListOptions {
  std::string ns;               ///< empty: all namespaces
  std::string label_selector, field_selector;
  int page_size = 500;
};
struct List {
  std::vector<Object> items;
  std::string resource_version;
};

enum class WatchEventType { kAdded, kModified, kDeleted, kBookmark };
struct WatchEvent {
  WatchEventType type;
  Object object;
};

struct ApplyOptions {
  std::string field_manager;    ///< "deepseek-operator"
  bool force = true;
  bool dry_run = false;
};

/// Errors carry the API server's own message and map its codes: 404 kNotFound, 409 AlreadyExists -> kAlreadyExists,
/// other 409 -> kAborted, 410 -> kOutOfRange, 401/403 kPermissionDenied (403 with "exceeded quota" ->
/// kResourceExhausted), 400/422 kInvalidArgument, 429/5xx/network -> kUnavailable, timeouts kDeadlineExceeded.
/// Thread-safe.
class Client {
 public:
  explicit Client(std::shared_ptr<Transport> transport);

  absl::StatusOr<Object> Get(const Resource& r, std::string_view ns, std::string_view name);
  absl::StatusOr<List> ListAll(const Resource& r, const ListOptions& options);
  absl::StatusOr<Object> Create(const Resource& r, std::string_view ns, const Json& object,
                                std::string_view field_manager);
  /// PUT of the whole object: metadata.resourceVersion in it is the precondition.
  absl::StatusOr<Object> Update(const Resource& r, std::string_view ns, std::string_view name, const Json& object,
                                std::string_view field_manager);
  /// Server-side apply of `object` (apiVersion, kind, metadata.name needed). `subresource`: "" or "status" or "scale".
  absl::StatusOr<Object> Apply(const Resource& r, std::string_view ns, std::string_view name, const Json& object,
                               const ApplyOptions& options, std::string_view subresource = "");
  /// JSON merge patch; put metadata.resourceVersion in it for a precondition.
  absl::StatusOr<Object> MergePatch(const Resource& r, std::string_view ns, std::string_view name, const Json& patch,
                                    std::string_view field_manager, std::string_view subresource = "");
  /// Preconditions: uid and resource_version if not empty. Background propagation.
  absl::Status Delete(const Resource& r, std::string_view ns, std::string_view name, std::string_view uid = "",
                      std::string_view resource_version = "");
  /// Runs until the stream ends or stop(). kOutOfRange: resource_version is too old (relist).
  absl::Status Watch(const Resource& r, const ListOptions& options, std::string_view resource_version,
                     const std::function<void(const WatchEvent&)>& on_event, const std::function<bool()>& stop);
  /// Raw GET ("/version").
  absl::StatusOr<Json> GetRaw(std::string_view path);

 private:
  std::shared_ptr<Transport> transport_;
};

}  // namespace deepseek::kube
