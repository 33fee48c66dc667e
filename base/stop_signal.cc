#include "base/stop_signal.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

namespace deepseek {

StopSignal::StopSignal() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

StopSignal::~StopSignal() {
  if (fd_ >= 0) close(fd_);
}

void StopSignal::Set() {
  const int before = errno;  // a signal handler must not change it
  set_.store(true);
  const uint64_t one = 1;
  // Fails only where it has been told 2^64 - 2 times.
  if (fd_ >= 0) (void)!write(fd_, &one, sizeof(one));
  errno = before;
}

bool StopSignal::Wait(absl::Duration duration) const {
  pollfd told{.fd = fd_, .events = POLLIN, .revents = 0};
  // Rounded up, or a loop would be busy in the last millisecond; below zero poll(2) waits for ever.
  const absl::Duration most = std::clamp(absl::Ceil(duration, absl::Milliseconds(1)),
                                         absl::ZeroDuration(), absl::Hours(24));
  if (!IsSet()) poll(&told, 1, static_cast<int>(absl::ToInt64Milliseconds(most)));
  return IsSet();
}

}  // namespace deepseek
