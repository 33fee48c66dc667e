#pragma once
// The objects of the fake API server: resource versions, generations, the log that watches read,
// garbage collection. Not thread-safe: the server holds its lock.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/json.h"
#include "tests/support/fake_field_set.h"

namespace deepseek::kube {

using StoredObject = std::shared_ptr<const Json>;

struct StoredEvent {
  int64_t version;
  std::string collection;  ///< "apps/deployments"
  std::string type;        ///< ADDED, MODIFIED, DELETED
  StoredObject object;
  StoredObject previous;  ///< null for ADDED
};

class FakeObjectStore {
 public:
  /// Key of an object in its collection: "namespace/name".
  using Objects = std::map<std::string, StoredObject>;
  using Collections = std::map<std::string, Objects>;
  /// All objects at one moment.
  struct State {
    Collections collections;
    int64_t version = 0;
    bool operator==(const State& other) const { return collections == other.collections; }
  };

  /// Null if there is none.
  StoredObject Find(const std::string& collection, const std::string& key) const;
  /// Stores `object`, new or changed, with its ownership in metadata.managedFields, a new resource
  /// version and, where the spec changed, a new generation. An unchanged object keeps everything
  /// and makes no event.
  StoredObject Put(const std::string& collection, const std::string& key, Json object,
                   const Ownership& ownership);
  /// Removes the object, or with finalizers marks it deleted. Dependents follow at the next
  /// CollectGarbage.
  void Delete(const std::string& collection, const std::string& key);
  /// Deletes every object whose owners are all gone, to the end of the chain. Looks only at what
  /// may have become such an object since the last time.
  void CollectGarbage();

  /// Times of creation and deletion; without it, one second per object from a fixed time on.
  void set_clock(std::function<absl::Time()> clock) { clock_ = std::move(clock); }

  const Collections& collections() const { return collections_; }
  State state() const { return {collections_, version_}; }
  /// The events after `version`, in order.
  std::deque<StoredEvent>::const_iterator EventsAfter(int64_t version) const;
  std::deque<StoredEvent>::const_iterator EventsEnd() const { return log_.end(); }
  int64_t version() const { return version_; }
  /// Watches from before this version are too old (410).
  int64_t compacted() const { return compacted_; }
  void Compact();

 private:
  std::string Now();
  void Log(const std::string& collection, const std::string& type, StoredObject object,
           StoredObject previous);
  void Store(const std::string& collection, const std::string& key, const StoredObject& object);
  void Erase(const std::string& collection, const std::string& key);
  void Gone(const std::string& collection, const std::string& key);

  Collections collections_;
  std::set<std::string> uids_alive_;
  /// Collection and key of what names an owner, by the owner's uid.
  std::map<std::string, std::set<std::pair<std::string, std::string>>> dependents_;
  std::set<std::pair<std::string, std::string>> suspects_;  ///< may have lost their last owner
  std::deque<StoredEvent> log_;
  int64_t version_ = 100;
  int64_t compacted_ = 100;
  int64_t uids_ = 0;
  std::function<absl::Time()> clock_;
  int64_t seconds_ = 0;  ///< of the clock that there is without one
};

}  // namespace deepseek::kube
