#include "engine/model/load_queue.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace deepseek::engine {
namespace {

// Packing gives way to probes and to the answers of the pod that is being replaced, which run at 0.
constexpr int kLoadNice = 5;

}  // namespace

LoadQueue::LoadQueue(int threads, int64_t window_bytes, const std::atomic<bool>* cancel)
    : window_bytes_(window_bytes), cancel_(cancel) {
  for (int i = 0; i < std::max(threads, 1); ++i) threads_.emplace_back([this, i] { Work(i); });
}

LoadQueue::~LoadQueue() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  added_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

absl::Status LoadQueue::Add(int64_t bytes, Piece piece) {
  {
    std::unique_lock lock(mutex_);
    // A piece that is larger than the window passes alone.
    done_.wait(lock, [&] {
      return Stopped() || pending_bytes_ == 0 || pending_bytes_ + bytes <= window_bytes_;
    });
    if (!status_.ok()) {
      done_.wait(lock, [&] { return running_ == 0; });  // an earlier piece may fail, too
      return status_;
    }
    waiting_.push_back({added_pieces_++, bytes, std::move(piece)});
    pending_bytes_ += bytes;
  }
  added_.notify_one();
  return absl::OkStatus();
}

absl::Status LoadQueue::Finish() {
  std::unique_lock lock(mutex_);
  done_.wait(lock, [&] { return running_ == 0 && (waiting_.empty() || Stopped()); });
  return status_;
}

void LoadQueue::Work(int thread) {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kLoadNice);
  std::unique_lock lock(mutex_);
  while (true) {
    added_.wait(lock, [&] { return stop_ || (!waiting_.empty() && status_.ok()); });
    if (stop_) return;
    Entry entry = std::move(waiting_.front());
    waiting_.pop_front();
    ++running_;
    lock.unlock();
    absl::Status status = cancel_ != nullptr && cancel_->load()
                              ? absl::CancelledError("loading was cancelled")
                              : entry.piece(thread);
    entry.piece = nullptr;  // frees what it holds outside of the lock
    lock.lock();
    --running_;
    pending_bytes_ -= entry.bytes;
    // Pieces start in order: when one fails, all before it have been started and are waited for, so
    // that the first of them all is known.
    if (!status.ok() && (status_.ok() || entry.number < failed_piece_)) {
      status_ = std::move(status);
      failed_piece_ = entry.number;
    }
    done_.notify_all();
  }
}

}  // namespace deepseek::engine
