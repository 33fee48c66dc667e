#pragma once
// One keep-alive connection of the client, driven by the thread that calls. Internal to base/http.

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/http/message.h"

namespace deepseek::http {

struct Endpoint {
  bool tls = true;
  std::string host{};  ///< name or address, without brackets
  uint16_t port = 0;
  std::string prefix{};  ///< path before every target: "" or "/k8s/clusters/c1"
  std::string host_header{};
  std::string verify_name{};  ///< name or address that the server's certificate must have
};

/// Not thread-safe.
class Connection {
 public:
  /// Resolves, connects to the first address that answers, shakes hands. `tls` outlives the
  /// connection. `stop` is polled every second, where there is one: kCancelled.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const Endpoint& endpoint,
                                                          boost::asio::ssl::context& tls,
                                                          absl::Time deadline,
                                                          const std::function<bool()>& stop);

  /// Nobody has closed it and nothing has arrived that nobody asked for.
  bool IsQuiet();

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
    absl::Duration head, idle;                       ///< as in ClientOptions
    std::function<bool()> stop;                      ///< polled every second
    std::function<bool(std::string_view)> on_piece;  ///< of a 2xx answer; false ends it
  };
  /// As Client::Stream, but kCancelled where it was stopped before the head of the answer. Nothing
  /// may follow on this connection.
  absl::StatusOr<Response> Stream(const Request& request, const StreamLimits& limits);

 private:
  Connection(const Endpoint& endpoint, boost::asio::ssl::context& tls);

  absl::Status Connect(absl::Time deadline, const std::function<bool()>& stop);
  absl::Status Handshake(absl::Time deadline, const std::function<bool()>& stop);
  template <typename Wire>
  boost::system::error_code Write(Wire& wire, const Request& request, absl::Time deadline,
                                  const std::function<bool()>& stop);
  template <typename Wire>
  Result CallOver(Wire& wire, const Request& request, absl::Time deadline);
  template <typename Wire>
  absl::StatusOr<Response> StreamOver(Wire& wire, const Request& request,
                                      const StreamLimits& limits);
  /// Runs one operation to its end, or until the deadline (timed_out) or `stop`
  /// (operation_aborted): then the socket is closed.
  template <typename Start>
  boost::system::error_code Drive(absl::Time deadline, Start start,
                                  const std::function<bool()>& stop);

  const Endpoint& endpoint_;
  boost::asio::io_context io_{1};
  boost::asio::ip::tcp::socket socket_{io_};
  std::optional<boost::beast::ssl_stream<boost::asio::ip::tcp::socket&>> tls_;
  boost::beast::flat_buffer buffer_;
};

}  // namespace deepseek::http
