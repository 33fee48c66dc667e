#include "engine/kernels/cpu/thread_pool.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
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

void LowerComputePriority() {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kComputeNice);
}

ThreadPool::ThreadPool(int threads, bool spin)
    : spin_(spin), shares_(static_cast<size_t>(std::max(threads, 1))) {
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { Work(i); });
}

ThreadPool::~ThreadPool() {
  stop_ = true;
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

bool ThreadPool::Take(Share* share, bool own, int64_t* item) {
  uint64_t range = share->range.load(std::memory_order_relaxed);
  for (;;) {
    const uint64_t begin = range >> 32;
    const uint64_t end = range & 0xffffffffU;
    if (begin >= end) return false;
    const uint64_t rest = own ? (begin + 1) << 32 | end : begin << 32 | (end - 1);
    if (share->range.compare_exchange_weak(range, rest, std::memory_order_relaxed)) {
      *item = static_cast<int64_t>(own ? begin : end - 1);
      return true;
    }
  }
}

void ThreadPool::TakeItems(int thread) {
  const auto count = static_cast<int>(shares_.size());
  for (int i = 0; i < count; ++i) {
    Share* share = &shares_[static_cast<size_t>((thread + i) % count)];
    for (int64_t item = 0; Take(share, i == 0, &item);) {
      (*body_)(item, thread);
      shares_[static_cast<size_t>(thread)].finished.fetch_add(1, std::memory_order_relaxed);
    }
  }
}

int64_t ThreadPool::progress() const {
  int64_t finished = 0;
  for (const Share& share : shares_) finished += share.finished.load(std::memory_order_relaxed);
  return finished;
}

bool ThreadPool::Enter() {
  uint32_t gate = gate_.load(std::memory_order_relaxed);
  while ((gate & kOpen) != 0) {
    if (gate_.compare_exchange_weak(gate, gate + 1, std::memory_order_acquire)) return true;
  }
  return false;
}

void ThreadPool::Leave() {
  // The last one out of a closed loop wakes the caller.
  if (gate_.fetch_sub(1, std::memory_order_release) == 1) gate_.notify_one();
}

void ThreadPool::Work(int thread) {
  LowerComputePriority();
  for (uint32_t seen = 0;;) {
    WaitChange(epoch_, seen, spin_);
    // Loops that came and went meanwhile are not missed: their caller did without this worker.
    seen = epoch_.load(std::memory_order_acquire);
    if (stop_) return;
    if (!Enter()) continue;
    TakeItems(thread);
    Leave();
  }
}

void ThreadPool::Run(int64_t items, Body body) {
  body_ = &body;
  assert(items <= INT32_MAX);
  const auto count = static_cast<int64_t>(shares_.size());
  // The caller may end alone with all of a loop that is too short to share.
  for (int64_t t = 0; t < count; ++t) {
    const auto begin = static_cast<uint64_t>(items * t / count);
    const auto end = static_cast<uint64_t>(items * (t + 1) / count);
    shares_[static_cast<size_t>(t)].range.store(begin << 32 | end, std::memory_order_relaxed);
  }
  if (workers_.empty() || items <= 1) {
    TakeItems(0);
    return;
  }
  gate_.store(kOpen, std::memory_order_release);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  TakeItems(0);
  // Closed: who is not inside has nothing left to do here.
  for (uint32_t inside = gate_.fetch_and(~kOpen, std::memory_order_acq_rel) & ~kOpen; inside != 0;
       inside = gate_.load(std::memory_order_acquire)) {
    WaitChange(gate_, inside, spin_);
  }
}

}  // namespace deepseek::engine
