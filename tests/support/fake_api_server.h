#pragma once
// An in-memory Kubernetes API server as a Transport, with faults on demand.
//
// It knows what the operator relies on: create, get, list (label and field selectors, pages), watch
// (initial events, bookmarks, 410), update, merge patch, server-side apply with field ownership,
// the status and scale subresources, resourceVersion and uid preconditions, generations,
// finalizers, garbage collection by ownerReferences. It does not validate schemas, run controllers
// (see fake_workloads.h) or default more than `replicas: 1`. operator/kube's conformance test runs
// the same script against this and against a real kube-apiserver.

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
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
  bool initial_events = false;  ///< a watch that begins with a list
  /// "apply apps/deployments default/x status": what transcripts of tests print.
  std::string ToString() const;
};

/// kDrop: lost for good, only a list tells. kEndStream: the stream ends before it; the next watch
/// asks again.
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
  /// For every event that is due to a watcher; events are numbered from 1 in the order in which
  /// they are first due.
  void set_event_fate(std::function<EventFate(int number, const StoredEvent&)> fate);
  /// After write N was carried out its answer is lost, and nothing works until Restart: the
  /// client's process died.
  void CrashAfterWrite(int n);
  bool crashed() const;
  void Restart();
  /// For every list and every watch with initial events: the older state (see Snapshot) that
  /// answers it, resource version included; null: the newest.
  void set_list_state(
      std::function<std::shared_ptr<const FakeObjectStore::State>(const FakeCall&)> state);
  FakeObjectStore::State Snapshot() const;
  /// Refuses watches with initial events, as servers without WatchList do.
  void set_watch_list(bool offered);
  /// "monitoring.coreos.com/podmonitors": a collection whose CRD is (not) installed.
  void set_served(const std::string& collection, bool served);
  /// Times of creation and deletion. Called with the server's lock held.
  void set_clock(std::function<absl::Time()> clock);
  /// What admission says to a new or changed object: "" or why it is refused (422). `old` is null
  /// for a new one.
  void set_admission(std::function<std::string(const Json& object, const Json* old)> admission);
  /// Forgets the log: watches from older versions get 410.
  void Compact();
  /// Watches end now: those that are open, and those that were asked for and are about to open.
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
  HttpResponse Serve(const HttpRequest& request, const Target& target,
                     const FakeObjectStore::State* stale = nullptr);
  HttpResponse ServeList(const Target& target, const FakeObjectStore::State* stale);
  std::vector<std::string> InitialEvents(const Target& target, const FakeObjectStore::State& state);
  /// What of the log is due after `seen`; false: the stream ends after that.
  bool DueEvents(const Target& target, int64_t* seen, std::vector<std::string>* lines);
  std::shared_ptr<const FakeObjectStore::State> StateFor(const FakeCall& call);
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
  int call_count_ = 0, write_count_ = 0;
  std::map<int64_t, int> event_numbers_;  ///< by version
  std::set<int64_t> lost_;                ///< versions of events that were dropped
  int crash_after_ = 0;
  bool crashed_ = false;
  bool collect_at_once_ = true;
  int watch_epoch_ = 0;
  bool watch_list_ = true;
  std::set<std::string> unserved_;
  std::function<std::shared_ptr<const FakeObjectStore::State>(const FakeCall&)> list_state_;
  std::function<std::string(const Json&, const Json*)> admission_;
  std::map<std::string, std::vector<StoredObject>> pages_;  ///< continue token -> what is left
};

}  // namespace deepseek::kube
