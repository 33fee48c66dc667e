#pragma once
// A local copy of one kind's objects, kept by list and watch.

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "operator/kube/client.h"
#include "operator/kube/object_cache.h"

namespace deepseek::kube {

struct InformerOptions {
  Resource resource;
  ListOptions list;
  ObjectCache::Options cache;
  /// A watch that begins later than this after the last list lists again, in case an event was lost
  /// for good. Needs `monotonic`.
  absl::Duration relist = absl::InfiniteDuration();
  /// Tells also how long watches live: one that lived for a while was no failure. Null: unknown.
  std::function<absl::Time()> monotonic;
  /// Called for every object that came, changed or went (then with its last state), as the API
  /// server told it and without locks held. Not called for what Saw and Forget bring: whoever calls
  /// those knows already.
  std::function<void(const Json&)> on_change;
  /// The kind may be unknown to the API server (its CRD is not installed): then there are no
  /// objects of it, and it is asked for again, as after a failure.
  bool optional = false;
  /// An optional kind has become known.
  std::function<void()> on_served;
};

/// What an informer cannot do purely: waiting and chance.
struct InformerWorld {
  std::function<bool()> stop;
  /// Returns after the time or when stop() is true.
  std::function<void(absl::Duration)> sleep;
  /// Uniform in [0, 1).
  std::function<double()> chance;
};

/// Delay before attempt `failures` + 1: 0.8 s doubling to 30 s, times 1 to 2 by chance, so that the
/// clients of an API server that comes back do not all list at once.
absl::Duration ListBackoff(int failures, double chance);

/// Everything but Run, RunOnce and Pump is thread-safe; those belong to one thread.
class Informer {
 public:
  Informer(Client client, InformerOptions options);

  /// Lists and watches until world.stop(). A broken watch goes on from the last version seen; 410
  /// lists again.
  void Run(const InformerWorld& world);
  /// One list (unless the version of the last one still serves) and one watch. Returns how the
  /// watch ended. The first state comes as a stream (WatchList) from servers that offer it, in
  /// pages from others.
  absl::Status RunOnce(const std::function<bool()>& stop);
  /// The same, but only as far as the server has something to tell now. For tests.
  absl::Status Pump();

  /// True once the first list is in the store.
  bool synced() const { return synced_.load(); }
  /// False while an optional kind is unknown to the API server. As far as we know.
  bool served() const { return served_.load(); }
  const Resource& resource() const { return options_.resource; }
  /// The one namespace that is watched; empty: all.
  const std::string& ns() const { return options_.list.ns; }
  const ObjectCache& cache() const { return cache_; }
  Object Get(std::string_view ns, std::string_view name) const;

  /// The answer to a write or a read of ours, which the watch need not have told yet.
  void Saw(const Json& object);
  void SawGone(std::string_view ns, std::string_view name, std::string_view uid);
  /// A list of all objects with this index value.
  void SawAll(std::string_view index, const List& list);

 private:
  absl::Status ListAndWatch(const std::function<bool()>& stop);
  absl::Status List();
  absl::Status WatchList(const std::function<bool()>& stop);
  bool IsKnown(const EventHead& head);
  void OnEvent(const WatchEvent& event);
  void Put(const Json& object);
  void EndList(std::string_view version);
  /// The first state is known, events follow.
  void BeginWatch();
  /// Did the last RunOnce watch for so long that its end is no failure?
  bool WatchedForLong() const;

  Client client_;
  const InformerOptions options_;
  ObjectCache cache_;
  std::string version_;   ///< where the next watch begins; empty: list first
  absl::Time listed_at_;  ///< the beginning of the last list
  /// The beginning of the last watch; InfiniteFuture: there was none in this RunOnce.
  absl::Time watched_since_ = absl::InfiniteFuture();
  bool streams_ = true;  ///< the server offers WatchList as far as we know
  std::atomic<bool> synced_{false};
  std::atomic<bool> served_{true};
};

}  // namespace deepseek::kube
