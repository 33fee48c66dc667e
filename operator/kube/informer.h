#pragma once
// A local copy of one kind's objects, kept by list and watch.

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "operator/kube/client.h"

namespace deepseek::kube {

struct InformerOptions {
  Resource resource;
  ListOptions list;
  /// A second key for ByIndex: the name of an owner, say. Null: no index. "" leaves an object out
  /// of it.
  std::function<std::string(const Json&)> index;
  /// Called for every object that came, changed or went (then with its last state), without locks
  /// held.
  std::function<void(const Object&)> on_change;
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

class Informer {
 public:
  Informer(Client client, InformerOptions options);

  /// Lists and watches until world.stop(). A broken watch goes on from the last version seen; 410
  /// lists again.
  void Run(const InformerWorld& world);
  /// One list (unless the version of the last one still serves) and one watch. Returns how the
  /// watch ended.
  absl::Status RunOnce(const std::function<bool()>& stop);

  /// True once the first list is in the store.
  bool synced() const { return synced_.load(); }
  Object Get(std::string_view ns, std::string_view name) const;
  std::vector<Object> ByIndex(std::string_view value) const;
  std::vector<Object> All() const;
  const Resource& resource() const { return options_.resource; }

 private:
  absl::Status Relist();
  void Put(const Object& object);
  Object Remove(const std::string& key);
  void Changed(const Object& object) const;

  Client client_;
  const InformerOptions options_;
  std::string
      version_;  ///< where the next watch begins; empty: list first. Only Run's thread touches it
  std::atomic<bool> synced_{false};
  mutable std::mutex mutex_;
  std::map<std::string, Object, std::less<>> objects_;  ///< by "namespace/name"
  std::map<std::string, std::set<std::string>, std::less<>> index_;
};

/// "namespace/name", or "name" for cluster-wide kinds: keys of work queues.
std::string KeyOf(const Json& object);

}  // namespace deepseek::kube
