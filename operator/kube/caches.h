#pragma once
// The caches of all kinds that a controller watches: what its reconcile function reads.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "operator/kube/client.h"
#include "operator/kube/informer.h"

namespace deepseek::kube {

/// A kind to watch, and the key ("namespace/name") of the object to reconcile when one of it
/// changes; "" for none.
struct Source {
  Resource resource;
  std::string label_selector;
  std::function<std::string(const Json&)> key_of;
  /// Takes off what nobody reads, before an object is kept. Null: nothing.
  std::function<void(Json*)> trim;
  /// The API server may not know the kind. When it comes to know it, everything is reconciled.
  bool optional = false;
};

/// Reads-your-writes: whoever writes tells the answer with Saw or SawGone, and from then on no read
/// returns an older state. Thread-safe but for the constructor and set_on_change.
class Caches {
 public:
  /// `namespaces` empty: all. The first source is the kind that is reconciled. Every kind is listed
  /// again after `relist`, by the clock `monotonic`.
  Caches(const Client& client, std::vector<Source> sources, std::vector<std::string> namespaces,
         std::function<absl::Time()> monotonic, absl::Duration relist = absl::Hours(8));

  /// Called with the key of what has to be reconciled. Before any informer runs.
  void set_on_change(std::function<void(const std::string& key)> on_change) {
    on_change_ = std::move(on_change);
  }

  /// Null if there is none.
  Object Get(const Resource& r, std::string_view ns, std::string_view name) const;
  /// What belongs to a key.
  std::vector<Object> Of(const Resource& r, std::string_view ns, std::string_view key) const;
  /// Is the object of this key of the reconciled kind known?
  bool Known(std::string_view ns, std::string_view name) const;
  /// False for an optional kind that the API server does not know.
  bool Serves(const Resource& r, std::string_view ns) const;
  /// Every kind has been listed once.
  bool Synced() const;
  size_t size() const;
  size_t bytes() const;

  /// The answer to a write or a read of our own.
  void Saw(const Resource& r, const Json& object);
  void SawGone(const Resource& r, std::string_view ns, std::string_view name, std::string_view uid);
  /// A list of all that belongs to a key.
  void SawAll(const Resource& r, std::string_view ns, std::string_view key, const List& list);

  const std::vector<std::unique_ptr<Informer>>& informers() const { return informers_; }

 private:
  Informer* Find(const Resource& r, std::string_view ns) const;

  std::function<void(const std::string& key)> on_change_;
  std::vector<std::unique_ptr<Informer>> informers_;
};

}  // namespace deepseek::kube
