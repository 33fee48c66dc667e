#pragma once
// How fast we may ask: a rate limit of our own, and the server's "not now".

#include <functional>
#include <memory>
#include <mutex>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "operator/kube/transport.h"

namespace deepseek::kube {

struct ThrottleOptions {
  double requests_per_second = 200;
  double burst = 400;
  /// Used where a 429 names no time.
  absl::Duration pause = absl::Seconds(1);
};

struct ThrottleWorld {
  std::function<absl::Time()> monotonic;
  std::function<absl::Time()> wall;  ///< what dates of the server are compared with
  /// Returns after the time, or earlier when the process ends.
  std::function<void(absl::Duration)> sleep;
};

/// A Transport that sends at most `requests_per_second` (a token bucket of `burst`) and repeats
/// what was answered with 429, or with 5xx and Retry-After, once the time that the server asked for
/// is over, as client-go does (API priority and fairness, etcd's limits, a change of its leader).
/// The pause holds for all requests, since it is the server that is busy. What was answered with
/// 500 or 504 may have been carried out, and the second time is refused then: so writes carry
/// preconditions, or names that can be taken only once. Waiting counts against each request's own
/// timeout: what cannot be sent within it is kDeadlineExceeded, or the server's last answer.
/// Streams wait for their turn too, but are not repeated: whoever watches does that.
class ThrottledTransport : public Transport {
 public:
  ThrottledTransport(std::shared_ptr<Transport> inner, ThrottleOptions options,
                     ThrottleWorld world);

  absl::StatusOr<HttpResponse> Send(const HttpRequest& request) override;
  absl::StatusOr<HttpResponse> Stream(const HttpRequest& request,
                                      const std::function<bool(std::string_view line)>& on_line,
                                      const std::function<bool()>& stop) override;

  /// Whether requests wait, or soon will: most of the burst is used up, or the server is busy. What
  /// can be put off is put off then.
  bool Busy() const;

 private:
  /// Takes a token; how long to wait until it may be used.
  absl::Duration Reserve();
  /// Takes a token and waits for its turn; the token is given back if that does not come in time.
  absl::Status WaitForTurn(absl::Time deadline);
  absl::Status Wait(absl::Duration wait, absl::Time deadline);

  const std::shared_ptr<Transport> inner_;
  const ThrottleOptions options_;
  const ThrottleWorld world_;
  mutable std::mutex mutex_;
  double tokens_;  ///< negative: promised to those who wait
  absl::Time counted_at_;
  absl::Time paused_until_ = absl::InfinitePast();
};

}  // namespace deepseek::kube
