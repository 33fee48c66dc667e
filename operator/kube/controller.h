#pragma once
// Informers -> work queue -> workers: what runs around a reconcile function.

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "operator/kube/client.h"
#include "operator/kube/informer.h"
#include "operator/kube/work_queue.h"

namespace deepseek::kube {

/// A kind to watch, and the key ("namespace/name") of the object to reconcile when one of it
/// changes; "" for none.
struct Source {
  Resource resource;
  std::string label_selector;
  std::function<std::string(const Json&)> key_of;
};

struct ControllerOptions {
  std::vector<Source> sources;          ///< the first one is the kind that is reconciled
  std::vector<std::string> namespaces;  ///< empty: all
  int workers = 2;
  absl::Duration resync = absl::Hours(10);  ///< every key again, in case an event was lost for good
};

/// Brings one object a step closer to its spec; says when to come back (InfiniteDuration: on events
/// only).
using Reconcile =
    std::function<absl::StatusOr<absl::Duration>(std::string_view ns, std::string_view name)>;

class Controller {
 public:
  /// `monotonic` drives the queue; `chance` (uniform in [0, 1), thread-safe) the backoff of lists.
  Controller(Client client, ControllerOptions options, Reconcile reconcile,
             std::function<absl::Time()> monotonic, std::function<double()> chance);
  ~Controller();

  /// Fills and follows the caches; nothing is reconciled yet.
  void StartInformers();
  /// Reconciles from now on, after the caches have been filled once.
  void StartWorkers();
  /// Every watch has been listed once: nothing about leadership.
  bool Synced() const;
  /// Keys that wait, delayed ones included.
  size_t waiting() const { return queue_.waiting(); }
  /// Asks everything to end. Calls of a reconcile in progress go on to their end.
  void Stop();
  /// After Stop: true once all threads have ended; false if some still run at `deadline` (steady
  /// wall time).
  bool Join(absl::Time deadline);

 private:
  void Work();
  bool Known(const std::string& ns, const std::string& name) const;
  bool stopped() const;
  void Sleep(absl::Duration duration);

  const ControllerOptions options_;
  const Reconcile reconcile_;
  const std::function<absl::Time()> monotonic_;
  const std::function<double()> chance_;
  WorkQueue queue_;
  std::vector<std::unique_ptr<Informer>> informers_;
  std::vector<std::thread> threads_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
  size_t running_ = 0;
};

}  // namespace deepseek::kube
