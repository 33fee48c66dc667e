#pragma once
// What Events warn of pods that do not start: read once for all objects of a namespace.

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "operator/kube/client.h"

namespace deepseek::reconcile {

/// Thread-safe. Warnings only add words to what the pods say: where they cannot be read, what was
/// read last stays, and nothing stops.
class Warnings {
 public:
  /// What `client` uses must outlive this; `now` is the wall clock, which may be set back.
  Warnings(const kube::Client& client, std::function<absl::Time()> now);

  /// Those about `pods` of the namespace, at most some 4 s old where the API server answers. One
  /// thread reads a namespace at a time; others get what was read before meanwhile, and wait for
  /// it only where nothing was. A failure is logged once, and tried again after 4 s, doubling to a
  /// minute. A namespace that nobody asked about for a while is forgotten.
  std::vector<kube::Object> About(const std::vector<kube::Object>& pods, std::string_view ns);

  /// Namespaces that are remembered.
  size_t size() const;

 private:
  using ByPod = std::map<std::string, std::vector<kube::Object>, std::less<>>;  ///< by uid
  struct Namespace {
    std::shared_ptr<const ByPod> read;           ///< null: never went well
    bool reading = false;                        ///< by some thread
    int failures = 0;                            ///< in a row
    absl::Time read_at = absl::InfinitePast();   ///< the end of the last attempt
    absl::Time asked_at = absl::InfinitePast();  ///< by anybody
  };

  absl::StatusOr<ByPod> Read(const std::string& ns);
  /// Whether it is time to read; mutex_ is held, as in the next ones.
  static bool IsDue(const Namespace& entry, absl::Time now);
  std::shared_ptr<Namespace> Find(std::string_view ns, absl::Time now);
  void Forget(absl::Time now);

  kube::Client client_;
  const std::function<absl::Time()> now_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;  ///< somebody has read
  std::map<std::string, std::shared_ptr<Namespace>, std::less<>> namespaces_;
  absl::Time forgot_at_ = absl::InfinitePast();
};

}  // namespace deepseek::reconcile
