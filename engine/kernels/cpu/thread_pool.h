#pragma once
// A small persistent pool for one caller: items of a loop are taken by whoever is free, the caller
// included.

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace deepseek::engine {

/// Run() may be called by one thread at a time. Items run in any order, each once; what an item
/// computes must not depend on the thread. Workers spin for at most 50 microseconds after a loop
/// and then block; with more threads than CPUs (`spin` false) they block at once.
class ThreadPool {
 public:
  using Body = std::function<void(int64_t item, int thread)>;

  ThreadPool(int threads, bool spin);
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool();

  int threads() const { return static_cast<int>(workers_.size()) + 1; }
  /// body(item, thread) for every item in [0, items); thread in [0, threads()). Returns when all
  /// have run.
  void Run(int64_t items, const Body& body);
  /// Items finished so far. Any thread.
  int64_t progress() const { return finished_.load(std::memory_order_relaxed); }

 private:
  void Work(int thread);
  void TakeItems(int thread);

  const bool spin_;
  const Body* body_ = nullptr;
  int64_t items_ = 0;
  std::atomic<int64_t> next_{0};
  std::atomic<uint32_t> epoch_{0};  // a new value starts a loop (or, with stop_, ends the workers)
  std::atomic<uint32_t> busy_{0};   // workers still inside the current loop
  std::atomic<int64_t> finished_{0};
  std::atomic<bool> stop_{false};
  std::vector<std::thread> workers_;
};

}  // namespace deepseek::engine
