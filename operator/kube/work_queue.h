#pragma once
// The work queue of a controller: keys, each waiting at most once, each in the hands of one worker
// at a time. Namespaces take turns, so that one with a thousand changes does not keep the others
// waiting.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
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

/// What metrics tell of a queue; the meanings are those of client-go's workqueue.
struct QueueFigures {
  size_t depth = 0;  ///< keys that are due now and in no worker's hands
  int64_t adds = 0;  ///< keys that came to wait, so far; one that waits already is not added
  /// Since the keys that workers have now were taken: together, and of the one that was taken
  /// first.
  absl::Duration work = absl::ZeroDuration(), oldest = absl::ZeroDuration();
};

/// Thread-safe.
class WorkQueue {
 public:
  /// `now` is a clock that only goes forward. `on_take`, if not null, is told of each key that is
  /// taken how long it has waited since it was added or became due; without locks held.
  explicit WorkQueue(std::function<absl::Time()> now, BackoffOptions backoff = {},
                     std::function<void(absl::Duration waited)> on_take = nullptr);

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
  size_t due() const;  ///< the depth of QueueFigures
  QueueFigures figures() const;
  int failures(std::string_view key) const;

 private:
  struct Taken {
    std::string key;
    absl::Duration waited;
  };
  std::optional<Taken> TakeLocked();
  std::optional<std::string> Tell(std::optional<Taken> taken) const;
  /// `key` waits since `since`, if it does not wait already.
  void QueueLocked(std::string_view key, absl::Time since);
  void PushDueLocked(std::string_view key);
  /// When it would have been due; InfiniteFuture if it was not delayed.
  absl::Time EraseDelayedLocked(std::string_view key);
  size_t DueLocked(absl::Time now) const;
  /// Wakes one of those who wait if none will be awake when the next delayed key is due.
  void WakeInTimeLocked();

  const std::function<absl::Time()> now_;
  const BackoffOptions backoff_;
  const std::function<void(absl::Duration waited)> on_take_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  /// Due keys by namespace, each in the order in which they came, and whose turn is when. A
  /// namespace is in `turns_` as long as it has due keys.
  std::map<std::string, std::deque<std::string>, std::less<>> due_;
  std::deque<std::string> turns_;
  /// Those of due_, and those to come again when Done; since when.
  std::map<std::string, absl::Time, std::less<>> waiting_;
  std::map<std::string, absl::Time, std::less<>> taken_;  ///< and since when
  std::map<std::string, absl::Time, std::less<>> delayed_;
  std::set<std::pair<absl::Time, std::string>> by_time_;  ///< the same as delayed_
  std::map<std::string, int, std::less<>> failures_;
  std::multiset<absl::Time> naps_;  ///< when those who wait in Take look again
  int64_t adds_ = 0;
  bool stopped_ = false;
};

}  // namespace deepseek::kube
