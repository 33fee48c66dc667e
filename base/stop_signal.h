#pragma once
// "It is over", told once and heard at once by whoever waits in poll(2).

#include <atomic>

#include "absl/time/time.h"

namespace deepseek {

/// Thread-safe. Where the process has no descriptor left for it, only IsSet tells.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  /// For good. May be called in a signal handler.
  void Set();
  bool IsSet() const { return set_.load(); }
  /// Readable from Set on, never read. -1: there is none.
  int fd() const { return fd_; }
  /// Returns IsSet() once it is set, or after `duration`, or a little earlier (signals).
  bool Wait(absl::Duration duration) const;

 private:
  const int fd_;
  std::atomic<bool> set_{false};
};

}  // namespace deepseek
