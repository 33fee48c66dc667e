#pragma once
// Informers -> work queue -> workers: what runs around a reconcile function.

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "operator/kube/caches.h"
#include "operator/kube/work_queue.h"

namespace deepseek::kube {

struct ControllerOptions {
  int workers = 2;
  /// Every key again after this time or up to a tenth later, in case an event was lost for good.
  absl::Duration resync = absl::Hours(10);
  /// As of WorkQueue; called by the workers.
  std::function<void(absl::Duration waited)> on_take{};
};

/// Brings one object a step closer to its spec; says when to come back (InfiniteDuration: on events
/// only). Reads that are not of the caches have been told to them when it returns.
using Reconcile =
    std::function<absl::StatusOr<absl::Duration>(std::string_view ns, std::string_view name)>;

class Controller {
 public:
  /// `caches` must outlive the controller, which becomes their listener. `monotonic` drives the
  /// queue; `chance` (uniform in [0, 1), thread-safe) the backoff of lists and the spread of
  /// resyncs.
  Controller(Caches& caches, ControllerOptions options, Reconcile reconcile,
             std::function<absl::Time()> monotonic, std::function<double()> chance);
  ~Controller();

  /// Fills and follows the caches; nothing is reconciled yet.
  void StartInformers();
  /// Reconciles from now on, after the caches have been filled once.
  void StartWorkers();
  /// One key that is due, on the calling thread, without waiting; false when none is due. What the
  /// workers do in a loop.
  bool ProcessOne();
  /// When the next delayed key is due.
  absl::Time NextDue() const { return queue_.NextDue(); }
  /// Every watch has been listed once: nothing about leadership.
  bool Synced() const { return caches_.Synced(); }
  QueueFigures figures() const { return queue_.figures(); }
  /// Asks everything to end. Calls of a reconcile in progress go on to their end.
  void Stop();
  /// After Stop: true once all threads have ended; false if some still run at `deadline` (steady
  /// wall time).
  bool Join(absl::Time deadline);

 private:
  void Process(const std::string& key);
  bool stopped() const;
  void Sleep(absl::Duration duration);
  void StartThread(std::function<void()> body);

  Caches& caches_;
  const ControllerOptions options_;
  const Reconcile reconcile_;
  const std::function<absl::Time()> monotonic_;
  const std::function<double()> chance_;
  WorkQueue queue_;
  std::vector<std::thread> threads_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
  size_t running_ = 0;
};

}  // namespace deepseek::kube
