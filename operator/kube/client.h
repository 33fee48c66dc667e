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
#include "operator/kube/event_head.h"
#include "operator/kube/object_text.h"
#include "operator/kube/resource.h"
#include "operator/kube/transport.h"

namespace deepseek::kube {

/// Objects are shared and immutable once read.
using Object = std::shared_ptr<const Json>;

struct ListOptions {
  std::string ns;  ///< empty: all namespaces
  std::string label_selector, field_selector;
  int page_size = 500;  ///< of ListAll
};
struct List {
  std::vector<Object> items;
  std::string resource_version;
};

enum class WatchEventType { kAdded, kModified, kDeleted, kBookmark };
struct WatchEvent {
  WatchEventType type;
  Object object;
  bool initial_events_end =
      false;  ///< of WatchList: a bookmark after the last object that was there
};

/// Asked before an event that adds or changes an object is read in full; true: there is nothing new
/// in it, it is not delivered.
using IsKnownEvent = std::function<bool(const EventHead&)>;

struct ApplyOptions {
  std::string field_manager;  ///< "deepseek-operator"
  bool force = true;
  bool dry_run = false;
};

/// Errors carry the API server's own message; the mapping of codes is in api_error.h. Failures to
/// get an answer are kUnavailable, timeouts kDeadlineExceeded. Objects come without
/// metadata.managedFields and with apiVersion and kind. Thread-safe; copies share the transport.
class Client {
 public:
  explicit Client(std::shared_ptr<Transport> transport, absl::Duration timeout = absl::Seconds(30));

  /// The same client with another deadline for each call (a watch's own length is not touched).
  Client WithTimeout(absl::Duration timeout) const { return Client(transport_, timeout); }

  absl::StatusOr<Object> Get(const Resource& r, std::string_view ns, std::string_view name);
  /// All pages. The resource version is where a Watch goes on.
  absl::StatusOr<List> ListAll(const Resource& r, const ListOptions& options);
  /// POST: kAlreadyExists if the name is taken.
  absl::StatusOr<Object> Create(const Resource& r, std::string_view ns, const Json& object,
                                std::string_view field_manager);
  /// Create, for whom the object as it was stored does not matter: it is not read.
  absl::Status CreateUnread(const Resource& r, std::string_view ns, const Json& object,
                            std::string_view field_manager);
  /// Would a Create go well, with every field known to the server? Nothing is kept (dry run with
  /// strict validation). kInvalidArgument: no, and why.
  absl::Status TryCreate(const Resource& r, std::string_view ns, const Json& object,
                         std::string_view field_manager);
  /// PUT of the whole object: metadata.resourceVersion in it is the precondition. `subresource`: ""
  /// or "status".
  absl::StatusOr<Object> Update(const Resource& r, std::string_view ns, std::string_view name,
                                const Json& object, std::string_view field_manager,
                                std::string_view subresource = "");
  /// Server-side apply of `object` (apiVersion, kind, metadata.name needed; metadata.uid and
  /// resourceVersion in it are preconditions). `subresource`: "" or "status" or "scale". Conflicts
  /// of an unforced apply: kAborted.
  ///
  /// Fields that the same manager wrote before with Create, Update or MergePatch are owned by a
  /// second entry of the API server ("operation: Update"), which would keep them alive after an
  /// apply drops them. So that entry is folded away after the first apply (one more write, once):
  /// from then on, what an apply leaves out is removed.
  absl::StatusOr<Object> Apply(const Resource& r, std::string_view ns, std::string_view name,
                               const Json& object, const ApplyOptions& options,
                               std::string_view subresource = "");
  /// JSON merge patch; put metadata.resourceVersion in it for a precondition.
  absl::StatusOr<Object> MergePatch(const Resource& r, std::string_view ns, std::string_view name,
                                    const Json& patch, std::string_view field_manager,
                                    std::string_view subresource = "");
  /// Preconditions: uid and resource_version if not empty. Background propagation. `deleting`, if
  /// not null, becomes the object when it stays for a while (finalizers, a pod's grace period) and
  /// null when it is gone.
  absl::Status Delete(const Resource& r, std::string_view ns, std::string_view name,
                      std::string_view uid = "", std::string_view resource_version = "",
                      Object* deleting = nullptr);
  /// Runs until the stream ends or stop(). kOutOfRange: resource_version is too old (relist).
  /// Bookmarks are asked for and delivered: they carry a newer resource version and nothing else.
  absl::Status Watch(const Resource& r, const ListOptions& options,
                     std::string_view resource_version,
                     const std::function<void(const WatchEvent&)>& on_event,
                     const std::function<bool()>& stop, const IsKnownEvent& is_known = nullptr);
  /// A list and a watch in one stream: an event kAdded for every object that is there, a bookmark
  /// with initial_events_end, then as Watch. kInvalidArgument: the server does not offer it. See
  /// https://kubernetes.io/docs/reference/using-api/api-concepts/#streaming-lists
  absl::Status WatchList(const Resource& r, const ListOptions& options,
                         const std::function<void(const WatchEvent&)>& on_event,
                         const std::function<bool()>& stop, const IsKnownEvent& is_known = nullptr);
  /// Raw GET ("/version").
  absl::StatusOr<Json> GetRaw(std::string_view path);

 private:
  /// A successful answer of the server.
  absl::StatusOr<HttpResponse> Ask(std::string_view method, std::string path, std::string body,
                                   std::string_view content_type, std::string_view what);
  absl::StatusOr<Json> Call(std::string_view method, std::string path, std::string body,
                            std::string_view content_type, std::string_view what,
                            ManagedFields managed_fields = ManagedFields::kSkip);
  absl::Status FollowEvents(std::string path, std::string_view what,
                            const std::function<void(const WatchEvent&)>& on_event,
                            const std::function<bool()>& stop, const IsKnownEvent& is_known);

  std::shared_ptr<Transport> transport_;
  absl::Duration timeout_;
};

}  // namespace deepseek::kube
