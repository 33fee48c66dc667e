#include "operator/kube/work_queue.h"

#include <algorithm>
#include <utility>

namespace deepseek::kube {
namespace {
// Take looks again before the next key is due: `now` need not be the clock that a condition
// variable waits on (after a suspended machine it is ahead).
absl::Duration Nap(absl::Duration until_due) {
  constexpr absl::Duration kShort = absl::Seconds(1), kLong = absl::Minutes(1);
  return std::clamp(until_due, absl::Microseconds(100), std::clamp(until_due / 8, kShort, kLong));
}
}  // namespace

WorkQueue::WorkQueue(std::function<absl::Time()> now, BackoffOptions backoff,
                     std::function<void(absl::Duration waited)> on_take)
    : now_(std::move(now)), backoff_(backoff), on_take_(std::move(on_take)) {}

void WorkQueue::PushDueLocked(std::string_view key) {
  const size_t slash = key.find('/');
  const std::string_view ns = key.substr(0, slash == std::string_view::npos ? 0 : slash);
  auto it = due_.find(ns);
  if (it == due_.end()) {
    it = due_.emplace(ns, std::deque<std::string>()).first;
    turns_.emplace_back(ns);
  }
  it->second.emplace_back(key);
  changed_.notify_one();
}

absl::Time WorkQueue::EraseDelayedLocked(std::string_view key) {
  const auto it = delayed_.find(key);
  if (it == delayed_.end()) return absl::InfiniteFuture();
  const absl::Time when = it->second;
  by_time_.erase({when, it->first});
  delayed_.erase(it);
  return when;
}

void WorkQueue::QueueLocked(std::string_view key, absl::Time since) {
  if (!waiting_.emplace(key, since).second) return;
  ++adds_;
  if (!taken_.contains(key)) PushDueLocked(key);
}

void WorkQueue::Add(std::string_view key) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  // It may have been due for a while, and nobody looked.
  const absl::Time due = EraseDelayedLocked(key);
  QueueLocked(key, std::min(due, now_()));
}

void WorkQueue::AddAt(std::string_view key, absl::Time when) {
  const std::lock_guard lock(mutex_);
  if (stopped_ || waiting_.contains(key) || when == absl::InfiniteFuture()) return;
  if (const auto it = delayed_.find(key); it != delayed_.end() && it->second <= when) return;
  EraseDelayedLocked(key);
  by_time_.emplace(when, key);
  delayed_.emplace(key, when);
  WakeInTimeLocked();
}

void WorkQueue::WakeInTimeLocked() {
  if (naps_.empty() || by_time_.empty()) return;
  if (*naps_.begin() > by_time_.begin()->first) changed_.notify_one();
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

std::optional<WorkQueue::Taken> WorkQueue::TakeLocked() {
  const absl::Time now = now_();
  while (!by_time_.empty() && by_time_.begin()->first <= now) {
    const std::string key = by_time_.begin()->second;
    QueueLocked(key, EraseDelayedLocked(key));
  }
  if (turns_.empty()) return std::nullopt;
  const auto it = due_.find(turns_.front());
  std::string key = std::move(it->second.front());
  it->second.pop_front();
  if (it->second.empty()) {
    due_.erase(it);
  } else {
    turns_.push_back(std::move(turns_.front()));
  }
  turns_.pop_front();
  const auto waits = waiting_.find(key);
  const absl::Duration waited = now - waits->second;
  waiting_.erase(waits);
  taken_.emplace(key, now);
  return Taken{std::move(key), waited};
}

std::optional<std::string> WorkQueue::Tell(std::optional<Taken> taken) const {
  if (!taken) return std::nullopt;
  if (on_take_) on_take_(taken->waited);
  return std::move(taken->key);
}

std::optional<std::string> WorkQueue::TryTake() {
  std::optional<Taken> taken;
  {
    const std::lock_guard lock(mutex_);
    if (!stopped_) taken = TakeLocked();
  }
  return Tell(std::move(taken));
}

std::optional<std::string> WorkQueue::Take() {
  std::unique_lock lock(mutex_);
  while (!stopped_) {
    if (std::optional<Taken> taken = TakeLocked()) {
      WakeInTimeLocked();  // whoever leaves may be the one who would have been
      lock.unlock();
      return Tell(std::move(taken));
    }
    const absl::Time now = now_();
    const absl::Duration nap =
        Nap(by_time_.empty() ? absl::Hours(1) : by_time_.begin()->first - now);
    const auto entry = naps_.insert(now + nap);
    changed_.wait_for(lock, absl::ToChronoMicroseconds(nap));
    naps_.erase(entry);
  }
  return std::nullopt;
}

void WorkQueue::Done(std::string_view key) {
  const std::lock_guard lock(mutex_);
  if (const auto it = taken_.find(key); it != taken_.end()) taken_.erase(it);
  if (!stopped_ && waiting_.contains(key)) PushDueLocked(key);
}

void WorkQueue::Stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  due_.clear();
  turns_.clear();
  waiting_.clear();
  delayed_.clear();
  by_time_.clear();
  changed_.notify_all();
}

absl::Time WorkQueue::NextDue() const {
  const std::lock_guard lock(mutex_);
  return by_time_.empty() ? absl::InfiniteFuture() : by_time_.begin()->first;
}

size_t WorkQueue::due() const {
  return figures().depth;
}

QueueFigures WorkQueue::figures() const {
  const std::lock_guard lock(mutex_);
  const absl::Time now = now_();
  QueueFigures out{.depth = DueLocked(now), .adds = adds_};
  for (const auto& [key, since] : taken_) {
    out.work += now - since;
    out.oldest = std::max(out.oldest, now - since);
  }
  return out;
}

size_t WorkQueue::DueLocked(absl::Time now) const {
  size_t out = 0;
  for (const auto& [ns, keys] : due_) out += keys.size();
  for (const auto& [when, key] : by_time_) {
    if (when > now) break;
    out += waiting_.contains(key) || taken_.contains(key) ? 0 : 1;
  }
  return out;
}

int WorkQueue::failures(std::string_view key) const {
  const std::lock_guard lock(mutex_);
  const auto it = failures_.find(key);
  return it == failures_.end() ? 0 : it->second;
}

}  // namespace deepseek::kube
