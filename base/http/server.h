#pragma once
// HTTP/1.1 server for untrusted clients. Few I/O threads move bytes and enforce limits; handlers
// run on worker threads and may answer later from any thread.

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/http/message.h"
#include "base/http/server_tls.h"

namespace deepseek::http {

/// The answer to one request. Thread-safe; calls never block. Dropped without an answer, the client
/// gets a 500 (or, in mid-stream, a cut connection, so that it cannot take a part for the whole).
class ResponseWriter {
 public:
  virtual ~ResponseWriter() = default;
  /// The whole answer at once.
  virtual void Send(Response response) = 0;
  /// Begins a streamed answer; `head.body` is its first piece and may be empty.
  virtual void Start(Response head) = 0;
  /// False: nobody reads any more (gone, or so slow that ServerLimits::max_buffered_bytes were
  /// waiting), stop producing.
  virtual bool Write(std::string_view piece) = 0;
  /// Ends a streamed answer.
  virtual void Finish() = 0;
  /// Called at most once, on an I/O thread, when the client is gone before the answer was complete;
  /// at once if it already is. A client that closes its sending side counts as gone: it cannot be
  /// told from one that closed both.
  virtual void OnGone(std::function<void()> callback) = 0;
};

class Handler {
 public:
  virtual ~Handler() = default;
  /// Runs on a worker thread. Should not throw: an exception is a 500 and ends the connection.
  virtual void Handle(Request request, std::shared_ptr<ResponseWriter> writer) = 0;
};

struct ServerLimits {
  size_t header_bytes = size_t{16} << 10;
  size_t body_bytes = size_t{8} << 20;
  size_t max_buffered_bytes = size_t{1}
                              << 20;  ///< of a stream that the client does not read fast enough
  int max_connections = 4096;
  absl::Duration header_timeout =
      absl::Seconds(10);  ///< first byte (or connect) -> end of the header
  absl::Duration body_timeout = absl::Seconds(25);   ///< end of the header -> end of the body
  absl::Duration idle_timeout = absl::Seconds(75);   ///< between two requests of one connection
  absl::Duration write_timeout = absl::Seconds(25);  ///< a piece that the client does not take in
  absl::Duration linger = absl::Seconds(10);         ///< a refused body is read and dropped so long
};

struct ServerOptions {
  std::vector<std::string> addresses;  ///< "127.0.0.1:0", "[::]:8000", ":8000" (all interfaces)
  ServerLimits limits;
  int io_threads = 1;
  int worker_threads = 2;
  /// HTTPS instead of HTTP; null: plain.
  std::shared_ptr<ServerTls> tls;
  /// Looks at each request when its header is there and its body has not been read: an answer
  /// refuses it, and the connection ends. Runs on an I/O thread, so it must be quick; null: all are
  /// let in.
  std::function<std::optional<Response>(const Request& head)> admit;
  /// Makes the body of refusals that no handler sees (400, 408, 413, 415, 431, 500, 501, 503);
  /// null: plain text. `head`: what is known of the request, without a body; maybe nothing.
  std::function<Response(int status, std::string_view message, const Request& head)> refusal;
};

class Server {
 public:
  virtual ~Server() = default;  ///< stops at once
  /// "127.0.0.1:43210": what was bound, in the order of ServerOptions::addresses.
  virtual std::vector<std::string> addresses() const = 0;
  /// From now on every answer says `Connection: close` and idle connections end after their next
  /// request.
  virtual void CloseAfterResponse() = 0;
  /// Stops accepting, ends idle connections, lets answers in progress finish until `deadline`, then
  /// closes the rest. Returns how many answers were cut. The handler gets no call after this
  /// returned.
  virtual int Stop(absl::Time deadline) = 0;
  virtual int connections() const = 0;
};

/// Binds and starts. `handler` must outlive the server. kInvalidArgument: malformed address;
/// kUnavailable: cannot bind (address and the system's reason are named).
absl::StatusOr<std::unique_ptr<Server>> StartServer(ServerOptions options, Handler& handler);

/// Splits "host:port", "[v6]:port", ":port". kInvalidArgument names the address.
struct HostPort {
  std::string host;  ///< empty: all interfaces
  int port = 0;
};
absl::StatusOr<HostPort> ParseHostPort(std::string_view address);

}  // namespace deepseek::http
