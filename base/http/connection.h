#pragma once
// One keep-alive connection of the client. Internal to base/http.

#include <boost/beast/core/flat_buffer.hpp>
#include <functional>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/http/message.h"
#include "base/http/wire.h"

namespace deepseek::http {

/// Not thread-safe.
class Connection {
 public:
  /// As Wire::Open. `endpoint` and `tls` outlive the connection. All its deadlines are times of
  /// patience.now.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const Endpoint& endpoint, SSL_CTX* tls,
                                                          const Patience& patience);

  /// Nobody has closed it and nothing has arrived that nobody asked for.
  bool IsQuiet() const { return buffer_.size() == 0 && wire_->IsQuiet(); }

  /// How far a call came that failed.
  enum class Failed {
    kNotSent,  ///< part of the request never left: the server cannot have acted on it
    kClosed,   ///< the server closed the connection in good order before it answered: as kNotSent
    kUnanswered,  ///< nothing of an answer came; the server may have acted
    kHalfway,
  };
  struct Result {
    absl::StatusOr<Response> response;
    Failed failed = Failed::kHalfway;  ///< where !response.ok()
    bool keep = false;                 ///< another call may follow
  };
  Result Call(const Request& request, absl::Time deadline);

  struct StreamLimits {
    absl::Time deadline;
    absl::Duration head, idle;   ///< as in ClientOptions
    std::function<bool()> stop;  ///< of Patience, as the next
    const StopSignal* ended = nullptr;
    std::function<bool(std::string_view)> on_piece;  ///< of a 2xx answer; false ends it
  };
  /// As Client::Stream, but kCancelled where it was stopped before the head of the answer. Nothing
  /// may follow on this connection.
  absl::StatusOr<Response> Stream(const Request& request, const StreamLimits& limits);

 private:
  Connection(const Endpoint& endpoint, std::function<absl::Time()> now, std::unique_ptr<Wire> wire);

  boost::system::error_code Write(const Request& request);

  const Endpoint& endpoint_;
  const std::function<absl::Time()> now_;
  const std::unique_ptr<Wire> wire_;
  boost::beast::flat_buffer buffer_;
};

}  // namespace deepseek::http
