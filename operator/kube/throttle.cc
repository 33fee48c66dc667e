#include "operator/kube/throttle.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::kube {
namespace {

// A server that is busy for so long is treated as one that failed.
constexpr int kAttempts = 5;
constexpr absl::Duration kLongestPause = absl::Minutes(1);
// Of the burst; with less left it is called busy.
constexpr double kBusy = 0.25;

// Seconds, or a date as RFC 9110 writes it (IMF-fixdate): proxies in front of the API server do.
absl::Duration PauseOf(const HttpResponse& response, absl::Time wall, absl::Duration otherwise) {
  const auto it = response.headers.find("retry-after");
  if (it == response.headers.end()) return otherwise;
  int64_t seconds = 0;
  absl::Time until;
  if (absl::SimpleAtoi(it->second, &seconds)) {
    return seconds < 0 ? otherwise : std::min(absl::Seconds(seconds), kLongestPause);
  }
  if (!absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", it->second, &until, nullptr)) return otherwise;
  return std::clamp(until - wall, absl::ZeroDuration(), kLongestPause);
}

bool IsNotNow(const HttpResponse& response) {
  return response.code == 429 || (response.code >= 500 && response.headers.contains("retry-after"));
}

}  // namespace

ThrottledTransport::ThrottledTransport(std::shared_ptr<Transport> inner, ThrottleOptions options,
                                       ThrottleWorld world)
    : inner_(std::move(inner)),
      options_(options),
      world_(std::move(world)),
      tokens_(options.burst),
      counted_at_(world_.monotonic()) {}

absl::Duration ThrottledTransport::Reserve() {
  const std::lock_guard lock(mutex_);
  const absl::Time now = world_.monotonic();
  tokens_ = std::min(options_.burst, tokens_ + options_.requests_per_second *
                                                   absl::ToDoubleSeconds(now - counted_at_));
  counted_at_ = now;
  tokens_ -= 1;
  const absl::Duration turn =
      tokens_ >= 0 ? absl::ZeroDuration() : absl::Seconds(-tokens_ / options_.requests_per_second);
  return std::max(turn, paused_until_ - now);
}

bool ThrottledTransport::Busy() const {
  const std::lock_guard lock(mutex_);
  const absl::Time now = world_.monotonic();
  const double tokens =
      tokens_ + options_.requests_per_second * absl::ToDoubleSeconds(now - counted_at_);
  return now < paused_until_ || tokens < options_.burst * kBusy;
}

absl::Status ThrottledTransport::WaitForTurn(absl::Time deadline) {
  absl::Status waited = Wait(Reserve(), deadline);
  if (!waited.ok()) {
    // Nothing is sent: who gives up must not push back everyone after it.
    const std::lock_guard lock(mutex_);
    tokens_ = std::min(options_.burst, tokens_ + 1);
  }
  return waited;
}

absl::Status ThrottledTransport::Wait(absl::Duration wait, absl::Time deadline) {
  while (wait > absl::ZeroDuration()) {
    const absl::Time now = world_.monotonic();
    if (now + wait >= deadline) {
      return absl::DeadlineExceededError(
          StrCat("not sent: the API server's or our own rate limit asks for ",
                 absl::ToInt64Milliseconds(wait), " ms, longer than the call may take"));
    }
    world_.sleep(wait);
    if (world_.monotonic() < now + wait) {
      return absl::CancelledError("not sent: the process ends");
    }
    const std::lock_guard lock(mutex_);
    wait = paused_until_ - world_.monotonic();  // the server may have paused us meanwhile
  }
  return absl::OkStatus();
}

absl::StatusOr<HttpResponse> ThrottledTransport::Send(const HttpRequest& request) {
  const absl::Time deadline = world_.monotonic() + request.timeout;
  for (int attempt = 1;; ++attempt) {
    RETURN_IF_ERROR(WaitForTurn(deadline));
    HttpRequest bounded = request;
    bounded.timeout = deadline - world_.monotonic();
    absl::StatusOr<HttpResponse> response = inner_->Send(bounded);
    if (!response.ok() || !IsNotNow(*response)) return response;
    const absl::Time now = world_.monotonic();
    const absl::Duration pause = PauseOf(*response, world_.wall(), options_.pause);
    {
      const std::lock_guard lock(mutex_);
      paused_until_ = std::max(paused_until_, now + pause);
    }
    if (attempt == kAttempts || now + pause >= deadline) return response;
  }
}

absl::StatusOr<HttpResponse> ThrottledTransport::Stream(
    const HttpRequest& request, const std::function<bool(std::string_view line)>& on_line,
    const std::function<bool()>& stop) {
  RETURN_IF_ERROR(WaitForTurn(world_.monotonic() + request.timeout));
  absl::StatusOr<HttpResponse> response = inner_->Stream(request, on_line, stop);
  if (response.ok() && IsNotNow(*response)) {
    const std::lock_guard lock(mutex_);
    paused_until_ = std::max(
        paused_until_, world_.monotonic() + PauseOf(*response, world_.wall(), options_.pause));
  }
  return response;
}

}  // namespace deepseek::kube
