#include "bench/operator/metered_transport.h"

#include <time.h>

#include "absl/time/clock.h"
#include "operator/kube/throttle.h"

namespace deepseek::bench {
namespace {

thread_local absl::Duration in_server;

absl::Duration Read(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return absl::DurationFromTimespec(t);
}

}  // namespace

absl::Duration ThreadCpu() {
  return Read(CLOCK_THREAD_CPUTIME_ID);
}

absl::Duration ProcessCpu() {
  return Read(CLOCK_PROCESS_CPUTIME_ID);
}

absl::Duration MeteredTransport::ThreadInServer() {
  return in_server;
}

absl::StatusOr<kube::HttpResponse> MeteredTransport::Send(const kube::HttpRequest& request) {
  ++requests_;
  const absl::Duration cpu = ThreadCpu(), wall = Read(CLOCK_MONOTONIC);
  absl::StatusOr<kube::HttpResponse> response = inner_->Send(request);
  server_cpu_ += absl::ToInt64Nanoseconds(ThreadCpu() - cpu);
  in_server += Read(CLOCK_MONOTONIC) - wall;
  return response;
}

void MeteredTransport::Begin() {
  requests_ = 0;
  begun_at_ = absl::ToInt64Nanoseconds(Read(CLOCK_MONOTONIC));
}

bool MeteredTransport::WouldQueue() const {
  const kube::ThrottleOptions limit;
  const absl::Duration since = Read(CLOCK_MONOTONIC) - absl::Nanoseconds(begun_at_.load());
  return static_cast<double>(requests_.load()) >
         limit.burst + limit.requests_per_second * absl::ToDoubleSeconds(since);
}

absl::StatusOr<kube::HttpResponse> MeteredTransport::Stream(
    const kube::HttpRequest& request, const std::function<bool(std::string_view line)>& on_line,
    const std::function<bool()>& stop) {
  // Between lines the time is the server's, within them it is ours.
  absl::Duration since = ThreadCpu();
  const auto handed_over = [&] {
    const absl::Duration now = ThreadCpu();
    server_cpu_ += absl::ToInt64Nanoseconds(now - since);
  };
  auto response = inner_->Stream(
      request,
      [&](std::string_view line) {
        handed_over();
        const bool more = on_line(line);
        since = ThreadCpu();
        return more;
      },
      stop);
  handed_over();
  return response;
}

}  // namespace deepseek::bench
