#include "agent/cli/signals.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

namespace deepseek::agent {

Signals::Signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signals_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

Signals::~Signals() {
  close(signals_);
  close(wake_);
}

void Signals::Wake() const {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(wake_, &one, sizeof(one));
}

int Signals::Wait(absl::Duration timeout) const {
  pollfd fds[] = {{signals_, POLLIN, 0}, {wake_, POLLIN, 0}};
  const auto ms = std::clamp<int64_t>(absl::ToInt64Milliseconds(timeout), 0, 3'600'000);
  poll(fds, 2, static_cast<int>(ms));
  uint64_t count = 0;
  [[maybe_unused]] ssize_t n = read(wake_, &count, sizeof(count));
  signalfd_siginfo info{};
  n = read(signals_, &info, sizeof(info));
  return n == sizeof(info) ? static_cast<int>(info.ssi_signo) : 0;
}

int Signals::WaitForStop(absl::Duration timeout) const {
  const int signal = Wait(timeout);
  return signal == SIGHUP ? 0 : signal;
}

}  // namespace deepseek::agent
