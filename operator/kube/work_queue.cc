#include "operator/kube/work_queue.h"

#include <algorithm>

namespace deepseek::kube {
namespace {
// Take wakes up at least so often: `now` need not be the clock that a condition variable waits on.
constexpr absl::Duration kLongestNap = absl::Milliseconds(100);
}  // namespace

WorkQueue::WorkQueue(std::function<absl::Time()> now, BackoffOptions backoff)
    : now_(std::move(now)), backoff_(backoff) {}

void WorkQueue::Add(std::string_view key) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  if (const auto later = delayed_.find(key); later != delayed_.end()) delayed_.erase(later);
  if (!waiting_.emplace(key).second) return;
  if (!taken_.contains(key)) {
    due_.emplace_back(key);
    changed_.notify_one();
  }
}

void WorkQueue::AddAt(std::string_view key, absl::Time when) {
  const std::lock_guard lock(mutex_);
  if (stopped_ || waiting_.contains(key) || when == absl::InfiniteFuture()) return;
  const auto [it, added] = delayed_.try_emplace(std::string(key), when);
  if (!added) it->second = std::min(it->second, when);
  changed_.notify_one();
}

absl::Duration WorkQueue::AddAfterFailure(std::string_view key, absl::Duration most) {
  absl::Duration delay = backoff_.first;
  {
    const std::lock_guard lock(mutex_);
    int& failures = failures_[std::string(key)];
    // 2^18 * 5 ms is over 1000 s; a larger exponent would only overflow.
    delay = std::min(std::min(most, backoff_.most),
                     backoff_.first * (int64_t{1} << std::min(failures, 30)));
    ++failures;
  }
  AddAt(key, now_() + delay);
  return delay;
}

void WorkQueue::Forget(std::string_view key) {
  const std::lock_guard lock(mutex_);
  if (const auto it = failures_.find(key); it != failures_.end()) failures_.erase(it);
}

std::optional<std::string> WorkQueue::TakeLocked() {
  const absl::Time now = now_();
  for (auto it = delayed_.begin(); it != delayed_.end();) {
    if (it->second > now) {
      ++it;
      continue;
    }
    if (waiting_.insert(it->first).second && !taken_.contains(it->first)) due_.push_back(it->first);
    it = delayed_.erase(it);
  }
  if (due_.empty()) return std::nullopt;
  std::string key = std::move(due_.front());
  due_.pop_front();
  waiting_.erase(key);
  taken_.insert(key);
  return key;
}

std::optional<std::string> WorkQueue::TryTake() {
  const std::lock_guard lock(mutex_);
  return stopped_ ? std::nullopt : TakeLocked();
}

std::optional<std::string> WorkQueue::Take() {
  std::unique_lock lock(mutex_);
  while (!stopped_) {
    if (auto key = TakeLocked()) return key;
    absl::Duration nap = delayed_.empty() ? absl::Hours(1) : kLongestNap;
    for (const auto& [key, when] : delayed_) nap = std::min(nap, when - now_());
    changed_.wait_for(lock, absl::ToChronoMicroseconds(std::max(nap, absl::Microseconds(100))));
  }
  return std::nullopt;
}

void WorkQueue::Done(std::string_view key) {
  const std::lock_guard lock(mutex_);
  if (const auto it = taken_.find(key); it != taken_.end()) taken_.erase(it);
  if (!stopped_ && waiting_.contains(key)) {
    due_.emplace_back(key);
    changed_.notify_one();
  }
}

void WorkQueue::Stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  due_.clear();
  waiting_.clear();
  delayed_.clear();
  changed_.notify_all();
}

size_t WorkQueue::waiting() const {
  const std::lock_guard lock(mutex_);
  size_t out = waiting_.size();
  for (const auto& [key, when] : delayed_) out += waiting_.contains(key) ? 0 : 1;
  return out;
}

int WorkQueue::failures(std::string_view key) const {
  const std::lock_guard lock(mutex_);
  const auto it = failures_.find(key);
  return it == failures_.end() ? 0 : it->second;
}

}  // namespace deepseek::kube
