#pragma once
// The work of a load: pieces of tensors, taken in the order in which they were added by threads of
// its own. Matrices of any size keep all threads busy, since pieces do not know of matrices.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/status/status.h"

namespace deepseek::engine {

/// Add and Finish belong to one thread.
class LoadQueue {
 public:
  /// Runs on some thread of the queue; `thread` in [0, threads).
  using Piece = std::function<absl::Status(int thread)>;

  /// `window_bytes`: Add waits while pieces of more bytes are pending. `cancel`, checked before
  /// each piece, may be null.
  LoadQueue(int threads, int64_t window_bytes, const std::atomic<bool>* cancel);
  LoadQueue(const LoadQueue&) = delete;
  LoadQueue& operator=(const LoadQueue&) = delete;
  /// Drops what waits and joins.
  ~LoadQueue();

  /// Nothing is taken any more after a failure, which is returned from then on: of several, the one
  /// that was added first, however the threads ran.
  absl::Status Add(int64_t bytes, Piece piece);
  /// Waits until all is done.
  absl::Status Finish();

 private:
  struct Entry {
    int64_t number = 0, bytes = 0;
    Piece piece;
  };
  void Work(int thread);
  /// True when the queue will run nothing more.
  bool Stopped() const { return stop_ || !status_.ok(); }

  const int64_t window_bytes_;
  const std::atomic<bool>* const cancel_;
  std::mutex mutex_;
  std::condition_variable added_, done_;
  std::deque<Entry> waiting_;  // guarded by mutex_, as all below
  int64_t pending_bytes_ = 0;  // of pieces that wait or run
  int64_t added_pieces_ = 0, running_ = 0;
  int64_t failed_piece_ = 0;  // the number that status_ came from
  absl::Status status_;       // OK, or the first failure
  bool stop_ = false;
  std::vector<std::thread> threads_;  // last
};

}  // namespace deepseek::engine
