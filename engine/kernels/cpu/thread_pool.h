#pragma once
// A small persistent pool for one caller: items of a loop are taken by whoever is free, the caller
// included.

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"

namespace deepseek::engine {

/// The calling thread gives way to I/O and probes (nice +5), as the workers do. For threads that
/// only compute: threads made by it inherit the priority, and it cannot be raised again.
void LowerComputePriority();

/// Run() may be called by one thread at a time. Items run in any order, each once; what an item
/// computes must not depend on the thread. Workers spin for at most 50 microseconds after a loop
/// and then block; with more threads than CPUs (`spin` false) they block at once.
///
/// Run() waits for the workers that have taken an item, never for one that the kernel has not
/// scheduled yet: on a crowded machine a short loop is finished by the caller alone.
class ThreadPool {
 public:
  using Body = absl::FunctionRef<void(int64_t item, int thread)>;

  ThreadPool(int threads, bool spin);
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool();

  int threads() const { return static_cast<int>(workers_.size()) + 1; }
  /// body(item, thread) for every item in [0, items); thread in [0, threads()). Returns when all
  /// have run.
  void Run(int64_t items, Body body);
  /// Items finished so far. Any thread.
  int64_t progress() const;

 private:
  static constexpr uint32_t kOpen = 1U << 31;

  /// A thread's part of the loop: neighbouring items, so that what it reads is one stream. The
  /// owner takes from the front; who has nothing left takes from the back of another's.
  struct alignas(64) Share {
    std::atomic<uint64_t> range{0};  // begin << 32 | end
    std::atomic<int64_t> finished{0};
  };

  void Work(int thread);
  void TakeItems(int thread);
  static bool Take(Share* share, bool own, int64_t* item);
  bool Enter();
  void Leave();

  const bool spin_;
  const Body* body_ = nullptr;      // of the current loop; read by those inside only
  std::atomic<uint32_t> epoch_{0};  // a new value wakes the workers
  std::atomic<uint32_t> gate_{
      0};  // workers inside the current loop, and kOpen while they may enter
  std::atomic<bool> stop_{false};
  std::vector<std::thread> workers_;
  std::vector<Share> shares_;  // [threads]
};

}  // namespace deepseek::engine
