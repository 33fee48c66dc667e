#pragma once
// The work queue of a controller: keys, each waiting at most once, each in the hands of one worker
// at a time. Namespaces take turns, so that one with a thousand changes does not keep the others
// waiting.

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "absl/time/time.h"

namespace deepseek::kube {

struct BackoffOptions {
  absl::Duration first = absl::Milliseconds(5);
  absl::Duration most = absl::Seconds(1000);
};

/// Thread-safe. Time is an argument of everything except Take, which waits on `now`.
class WorkQueue {
 public:
  /// `now` is a clock that only goes forward.
  explicit WorkQueue(std::function<absl::Time()> now, BackoffOptions backoff = {});

  /// Queues `key`. If a worker has it now, it comes again when that worker is done; if it waits
  /// already, nothing.
  void Add(std::string_view key);
  /// Queues `key` at `when`, or earlier if that is already so.
  void AddAt(std::string_view key, absl::Time when);
  /// Queues `key` after its backoff: 5 ms, 10 ms, ... 1000 s, until Forget; this time at most
  /// `most`. Returns the delay.
  absl::Duration AddAfterFailure(std::string_view key,
                                 absl::Duration most = absl::InfiniteDuration());
  /// `key` went well: its backoff starts from the beginning.
  void Forget(std::string_view key);

  /// The next key, once it is due; waits for it. nullopt after Stop. Each must be given back with
  /// Done.
  std::optional<std::string> Take();
  /// The same without waiting: nullopt when nothing is due.
  std::optional<std::string> TryTake();
  void Done(std::string_view key);

  /// Take returns nullopt from now on; what waits is dropped.
  void Stop();

  /// When the next delayed key is due; InfiniteFuture if none is delayed.
  absl::Time NextDue() const;
  size_t due() const;  ///< keys that are due now and in no worker's hands
  int failures(std::string_view key) const;

 private:
  std::optional<std::string> TakeLocked();
  void PushDueLocked(std::string_view key);
  bool EraseDelayedLocked(std::string_view key);
  /// Wakes one of those who wait if none will be awake when the next delayed key is due.
  void WakeInTimeLocked();

  const std::function<absl::Time()> now_;
  const BackoffOptions backoff_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  /// Due keys by namespace, each in the order in which they came, and whose turn is when. A
  /// namespace is in `turns_` as long as it has due keys.
  std::map<std::string, std::deque<std::string>, std::less<>> due_;
  std::deque<std::string> turns_;
  std::set<std::string, std::less<>>
      waiting_;  ///< those of due_, and those to come again when Done
  std::set<std::string, std::less<>> taken_;
  std::map<std::string, absl::Time, std::less<>> delayed_;
  std::set<std::pair<absl::Time, std::string>> by_time_;  ///< the same as delayed_
  std::map<std::string, int, std::less<>> failures_;
  std::multiset<absl::Time> naps_;  ///< when those who wait in Take look again
  bool stopped_ = false;
};

}  // namespace deepseek::kube
