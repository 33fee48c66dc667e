#pragma once
// Signals as values that a loop waits for.

#include "absl/time/time.h"

namespace deepseek::agent {

/// SIGTERM, SIGINT and SIGHUP arrive here and nowhere else: blocked from the constructor on, which
/// must run before the first thread starts. SIGPIPE is ignored.
class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  /// From any thread: ends the Wait that is or will be running.
  void Wake() const;
  /// The number of a signal, or 0 after a Wake or when the time is over.
  int Wait(absl::Duration timeout) const;
  /// The same, for who only wants to know whether to stop: SIGHUP counts as nothing.
  int WaitForStop(absl::Duration timeout) const;

 private:
  int signals_, wake_;
};

}  // namespace deepseek::agent
