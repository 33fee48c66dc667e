#include "engine/kernels/cpu/thread_pool.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>

namespace deepseek::engine {
namespace {

constexpr std::chrono::microseconds kSpin{50};
// Compute gives way to I/O and probes, which run at 0.
constexpr int kComputeNice = 5;

void Relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Waits until `value` is no longer `old`.
void WaitChange(const std::atomic<uint32_t>& value, uint32_t old, bool spin) {
  if (spin) {
    const auto end = std::chrono::steady_clock::now() + kSpin;
    do {
      for (int i = 0; i < 64; ++i) {
        if (value.load(std::memory_order_acquire) != old) return;
        Relax();
      }
    } while (std::chrono::steady_clock::now() < end);
  }
  value.wait(old, std::memory_order_acquire);
}

}  // namespace

ThreadPool::ThreadPool(int threads, bool spin) : spin_(spin) {
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { Work(i); });
}

ThreadPool::~ThreadPool() {
  stop_ = true;
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::TakeItems(int thread) {
  for (int64_t i = next_.fetch_add(1, std::memory_order_relaxed); i < items_;
       i = next_.fetch_add(1, std::memory_order_relaxed)) {
    (*body_)(i, thread);
    finished_.fetch_add(1, std::memory_order_relaxed);
  }
}

void ThreadPool::Work(int thread) {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kComputeNice);
  for (uint32_t seen = 0;;) {
    WaitChange(epoch_, seen, spin_);
    // Every worker takes part in every loop: Run() does not return before, so the epoch moves one
    // at a time.
    ++seen;
    if (stop_) return;
    TakeItems(thread);
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
  }
}

void ThreadPool::Run(int64_t items, const Body& body) {
  body_ = &body;
  items_ = items;
  next_.store(0, std::memory_order_relaxed);
  if (workers_.empty() || items <= 1) {
    TakeItems(0);
    return;
  }
  busy_.store(static_cast<uint32_t>(workers_.size()), std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  TakeItems(0);
  for (uint32_t left = busy_.load(std::memory_order_acquire); left != 0;
       left = busy_.load(std::memory_order_acquire)) {
    WaitChange(busy_, left, spin_);
  }
}

}  // namespace deepseek::engine
