#pragma once
// The objects of the fake API server: resource versions, generations, the log that watches read,
// garbage collection. Not thread-safe: the server holds its lock.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

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
  /// Deletes every object whose owners are all gone, to the end of the chain.
  void CollectGarbage();

  const Collections& collections() const { return collections_; }
  const std::deque<StoredEvent>& log() const { return log_; }
  int64_t version() const { return version_; }
  /// Watches from before this version are too old (410).
  int64_t compacted() const { return compacted_; }
  void Compact();

 private:
  void Log(const std::string& collection, const std::string& type, StoredObject object,
           StoredObject previous);

  Collections collections_;
  std::deque<StoredEvent> log_;
  int64_t version_ = 100;
  int64_t compacted_ = 100;
  int64_t uids_ = 0;
  int64_t seconds_ = 0;  ///< creation times advance by one second per object
};

}  // namespace deepseek::kube
