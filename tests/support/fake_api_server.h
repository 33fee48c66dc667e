#pragma once
// An in-memory Kubernetes API server as a Transport, with faults on demand.
//
// It knows what the operator relies on: create, get, list (label and field selectors, pages), watch
// (bookmarks, 410), update, merge patch, server-side apply with field ownership, the status and
// scale subresources, resourceVersion and uid preconditions, generations, finalizers, garbage
// collection by ownerReferences. It does not validate schemas, run controllers (see
// fake_workloads.h) or default more than `replicas: 1`. operator/kube's conformance test runs the
// same script against this and against a real kube-apiserver.

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "operator/kube/resource.h"
#include "operator/kube/transport.h"
#include "tests/support/fake_object_store.h"

namespace deepseek::kube {

/// A request as faults see it.
struct FakeCall {
  int number = 0;          ///< of all requests, from 1
  int write_number = 0;    ///< of all writes, from 1; 0 for a read
  std::string verb;        ///< get list watch create update patch apply delete
  std::string collection;  ///< "apps/deployments", "/pods"
  std::string ns, name, subresource;
  bool dry_run = false;
  /// "apply apps/deployments default/x status": what transcripts of tests print.
  std::string ToString() const;
};

enum class EventFate { kDeliver, kDrop, kEndStream };

class FakeApiServer : public Transport {
 public:
  FakeApiServer();

  absl::StatusOr<HttpResponse> Send(const HttpRequest& request) override;
  absl::StatusOr<HttpResponse> Stream(const HttpRequest& request,
                                      const std::function<bool(std::string_view line)>& on_line,
                                      const std::function<bool()>& stop) override;

  // Faults. Each may be set at any time.

  /// Before a request is carried out: an answer or an error instead of it. Called without the
  /// server's lock.
  void set_before(
      std::function<std::optional<absl::StatusOr<HttpResponse>>(const FakeCall&)> before);
  /// After it was carried out: what the client sees instead of the answer (nullopt: the answer).
  void set_after(std::function<std::optional<absl::StatusOr<HttpResponse>>(const FakeCall&,
                                                                           const HttpResponse&)>
                     after);
  /// For every event and watcher, numbered from 1 over the whole run.
  void set_event_fate(std::function<EventFate(int number, const StoredEvent&)> fate);
  /// After write N was carried out its answer is lost, and nothing works until Restart: the
  /// client's process died.
  void CrashAfterWrite(int n);
  bool crashed() const;
  void Restart();
  /// The next `count` lists are answered from `then` (see Snapshot).
  void ServeStaleLists(FakeObjectStore::Collections then, int count);
  FakeObjectStore::Collections Snapshot() const;
  /// Forgets the log: watches from older versions get 410.
  void Compact();
  /// Open watches end now.
  void CutWatches();
  /// Dependents of a deleted owner stay until CollectGarbage. Default: collected at once.
  void set_garbage_collection(bool at_once);
  void CollectGarbage();

  // What tests look at, and change as another client would (kubectl, a controller).

  /// A request of somebody else: no faults, not among Calls().
  HttpResponse SendAsController(const HttpRequest& request);

  /// Null if there is none. With managedFields.
  StoredObject Find(const Resource& r, std::string_view ns, std::string_view name) const;
  std::vector<StoredObject> All(const Resource& r, std::string_view ns = "") const;
  /// All calls since the start or the last Forget, in order; reads only with `reads`.
  std::vector<std::string> Calls(bool reads = false) const;
  void ForgetCalls();
  /// Objects of all kinds.
  size_t size() const;

  /// A refusal as the API server words it.
  static HttpResponse Refusal(int code, std::string_view reason, std::string_view message);

 private:
  struct Target;
  HttpResponse Serve(const HttpRequest& request, const Target& target);
  HttpResponse ServeList(const Target& target);
  HttpResponse ServeCreate(const HttpRequest& request, const Target& target);
  HttpResponse ServeWrite(const HttpRequest& request, const Target& target);
  HttpResponse ServeDelete(const HttpRequest& request, const Target& target);
  HttpResponse Store(const Target& target, const StoredObject& old, Json next, Ownership ownership,
                     int code);
  static absl::StatusOr<Target> TargetOf(const HttpRequest& request);
  std::optional<absl::StatusOr<HttpResponse>> Begin(const HttpRequest& request, Target* target,
                                                    FakeCall* call);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  FakeObjectStore store_;
  std::function<std::optional<absl::StatusOr<HttpResponse>>(const FakeCall&)> before_;
  std::function<std::optional<absl::StatusOr<HttpResponse>>(const FakeCall&, const HttpResponse&)>
      after_;
  std::function<EventFate(int, const StoredEvent&)> fate_;
  std::vector<FakeCall> calls_;
  int call_count_ = 0, write_count_ = 0, event_count_ = 0;
  int crash_after_ = 0;
  bool crashed_ = false;
  bool collect_at_once_ = true;
  int watch_epoch_ = 0;
  int stale_lists_ = 0;
  FakeObjectStore::Collections stale_;
  std::map<std::string, std::vector<StoredObject>> pages_;  ///< continue token -> what is left
};

}  // namespace deepseek::kube
