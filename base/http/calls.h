#pragma once
// Calls over pooled keep-alive connections to one server. Internal to base/http.

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/http/connection.h"
#include "base/http/message.h"
#include "base/http/wire.h"

namespace deepseek::http {

/// Thread-safe: each call has a connection to itself, and runs on the thread that makes it.
class Calls {
 public:
  /// Deadlines are times of `now`.
  Calls(Endpoint endpoint, TlsContext tls, std::function<absl::Time()> now)
      : endpoint_(std::move(endpoint)), tls_(std::move(tls)), now_(std::move(now)) {}

  /// As Client::Send. A pooled connection that turns out to be closed is replaced, but a request
  /// that the server may have acted on is repeated only where that is safe (GET, HEAD).
  absl::StatusOr<Response> Send(const Request& request, absl::Time deadline);
  /// As Client::Stream, on a connection of its own.
  absl::StatusOr<Response> Stream(const Request& request, const Connection::StreamLimits& limits);

 private:
  std::unique_ptr<Connection> TakeIdle();
  void PutBack(std::unique_ptr<Connection> connection);
  void DropIdle();

  const Endpoint endpoint_;
  const TlsContext tls_;
  const std::function<absl::Time()> now_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;  ///< the last one used is at the end
};

}  // namespace deepseek::http
