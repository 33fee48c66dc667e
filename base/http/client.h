#pragma once
// HTTPS client for REST APIs that we trust to behave (the Kubernetes API server): keep-alive,
// client certificates, a deadline for every call, streamed answers. TLS is always verified, against
// the given roots only; plain http:// is for tests and loopback tools.

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/http/message.h"
#include "base/stop_signal.h"

namespace deepseek::http {

struct ClientTls {
  std::string ca_pem{};    ///< roots, replacing the system's; empty: the system's
  std::string cert_pem{};  ///< client certificate and chain; empty: none
  std::string key_pem{};
  std::string
      server_name{};  ///< name to verify and to send (SNI, Host); empty: the host of the URL
};

struct ClientOptions {
  std::string base_url;  ///< "https://10.0.0.1:6443"
  ClientTls tls{};
  /// Until the head of a streamed answer is there. API servers send it at once, before the first
  /// event.
  absl::Duration stream_head_timeout = absl::Seconds(30);
  /// Silence after which a streamed answer counts as dead. API servers send a bookmark about every
  /// minute.
  absl::Duration stream_idle_timeout = absl::Seconds(150);
  /// Ends all streams at once, as their `stop` does, which is asked every half minute then.
  std::shared_ptr<const StopSignal> streams_end{};
  /// What timeouts are measured by: not the wall clock, or a call would outlive the lease that
  /// bounds it when that is set back.
  std::function<absl::Time()> now = MonotonicNow;
};

/// Thread-safe. Connections are pooled and reused; each stream has one of its own.
class Client {
 public:
  virtual ~Client() = default;
  /// The whole answer, whatever its status. kDeadlineExceeded after `timeout`; kUnavailable: no
  /// answer (refused, cut, TLS not trusted), with the reason. The call may have taken effect in
  /// both cases.
  virtual absl::StatusOr<Response> Send(const Request& request, absl::Duration timeout) = 0;
  /// Calls `on_piece` on the calling thread as bytes of a 2xx answer arrive, until the answer ends
  /// (OK), it returns false (OK), `stop` returns true (OK; polled every second,
  /// or see streams_end), or `timeout` passes (kDeadlineExceeded). An answer of another status is
  /// returned whole, without calling `on_piece`.
  virtual absl::StatusOr<Response> Stream(const Request& request, absl::Duration timeout,
                                          const std::function<bool(std::string_view)>& on_piece,
                                          const std::function<bool()>& stop) = 0;
};

/// kInvalidArgument: malformed URL, certificate or key, or a key that does not belong to the
/// certificate.
absl::StatusOr<std::unique_ptr<Client>> NewClient(const ClientOptions& options);

}  // namespace deepseek::http
