#pragma once
// A local copy of objects of one kind: what watches, lists and answers to our own writes have told,
// whichever is newest. It never goes back in time.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "operator/kube/client.h"

namespace deepseek::kube {

/// Which of two states of an object is newer is told by their resource versions, which are integers
/// that grow over all objects of a kind (KEP-5504). Where a server's are not, the last to come
/// counts.
///
/// Objects are kept packed (as text) and unpacked at each read: as trees they take about ten times
/// the room. Thread-safe.
class ObjectCache {
 public:
  struct Options {
    /// A second key for ByIndex: the owner, say. Null: no index. "" leaves an object out of it.
    std::function<std::string(const Json&)> index;
    /// Takes off what nobody reads before an object is kept. Null: nothing.
    std::function<void(Json*)> trim;
  };

  /// What a Put has changed.
  struct Change {
    bool changed = false;  ///< more than the resource version of what is kept
    Object moved_from;     ///< the state before, if it was under another index value; else null
  };

  explicit ObjectCache(Options options) : options_(std::move(options)) {}

  /// Keeps `object` unless what is here is as new, or it is known to have gone since.
  Change Put(const Json& object);
  /// Would Put keep an object like this? A list that is under way has seen it in any case.
  bool IsNews(std::string_view key, const std::string& uid, int64_t version);
  /// A DELETED event, `last` being its object: it is gone, or no longer matches the selector.
  /// Returns the state that was here; null if nothing went.
  Object Remove(const Json& last);
  /// The object of this uid is gone for good, as the answer to a delete or a read said. True if it
  /// was here.
  bool Forget(std::string_view key, std::string_view uid);

  /// A list of everything, in pieces: what is neither put between these two calls nor newer than
  /// `version` is gone. Returns the last states of what went.
  void BeginList();
  std::vector<Object> EndList(std::string_view version);
  /// A list of what has this index value, likewise.
  std::vector<Object> EndListOf(std::string_view index, const std::vector<Object>& listed,
                                std::string_view version);

  /// Null if there is none. `key` is that of KeyOf.
  Object Get(std::string_view key) const;
  bool Contains(std::string_view key) const;
  std::vector<Object> ByIndex(std::string_view value) const;
  std::vector<Object> All() const;
  size_t size() const;
  /// Of the packed objects.
  size_t bytes() const;

 private:
  struct Entry {
    std::string packed, uid, index;
    int64_t version = -1;
    uint64_t list = 0;  ///< the list that it was seen in last
  };
  using Entries = std::map<std::string, Entry, std::less<>>;

  bool IsNewsLocked(Entries::const_iterator it, const std::string& uid, int64_t version) const;
  void EraseLocked(Entries::iterator it);
  void BuryLocked(const std::string& uid, int64_t version);

  const Options options_;
  mutable std::mutex mutex_;
  Entries entries_;  ///< by KeyOf
  std::map<std::string, std::set<std::string>, std::less<>> index_;
  std::unordered_map<std::string, int64_t> gone_;  ///< uid -> version in which it went
  std::deque<std::string> gone_order_;
  uint64_t list_ = 0;
  size_t bytes_ = 0;
};

/// metadata's `field`; empty where there is none, or no text.
std::string MetadataText(const Json& object, const char* field);

/// "namespace/name", or "name" for cluster-wide kinds: keys of caches and work queues.
std::string KeyOf(const Json& object);
std::string KeyOf(std::string_view ns, std::string_view name);

/// The resource version as a number that can be compared with others of its kind; -1 if it is none.
int64_t VersionOf(const Json& object);
int64_t ParseVersion(std::string_view version);

}  // namespace deepseek::kube
