#pragma once
// Bytes over TCP or TLS with deadlines, on the thread that asks (send, poll, receive): what an HTTP
// connection is made on. Internal to base/http.

#include <openssl/ssl.h>

#include <boost/asio/buffer.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/stop_signal.h"

namespace deepseek::http {

struct Endpoint {
  bool tls = true;
  std::string host{};  ///< name or address, without brackets
  uint16_t port = 0;
  std::string prefix{};  ///< path before every target: "" or "/k8s/clusters/c1"
  std::string host_header{};
  std::string verify_name{};  ///< name or address that the server's certificate must have
};

struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using TlsContext = std::unique_ptr<SSL_CTX, SslFree>;

/// How long an operation may take.
struct Patience {
  absl::Time deadline;              ///< then timed_out
  std::function<absl::Time()> now;  ///< whose time the deadline is
  /// Asked every second and before each read, where there is one; true: operation_aborted.
  std::function<bool()> stop{};
  /// Where there is one, it does the same at once, and `stop` is asked every half minute.
  const StopSignal* ended = nullptr;
};

/// Not thread-safe. After an error nothing may follow. Errors are those of Asio: eof where the peer
/// ended in good order (over TLS that is signed), stream_truncated where over TLS it did not.
class Wire {
 public:
  /// Resolves, connects to the first address that answers, shakes hands if endpoint.tls. Errors:
  /// kUnavailable, kDeadlineExceeded, kCancelled (stopped).
  static absl::StatusOr<std::unique_ptr<Wire>> Open(const Endpoint& endpoint, SSL_CTX* tls,
                                                    const Patience& patience);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  /// Of every operation from here on.
  void set_patience(Patience patience) { patience_ = std::move(patience); }

  /// The peer has not closed it and nothing has arrived.
  bool IsQuiet() const;

  /// All of it.
  boost::system::error_code Write(std::string_view bytes);
  /// What has arrived, at most `size` bytes; waits for the first.
  size_t Read(char* to, size_t size, boost::system::error_code& error);

  // A SyncReadStream of Beast.
  template <typename Buffers>
  size_t read_some(const Buffers& buffers, boost::system::error_code& error) {
    const boost::asio::mutable_buffer first = *boost::asio::buffer_sequence_begin(buffers);
    return Read(static_cast<char*>(first.data()), first.size(), error);
  }
  template <typename Buffers>
  size_t read_some(const Buffers& buffers) {
    boost::system::error_code error;
    const size_t bytes = read_some(buffers, error);
    if (error) throw boost::system::system_error(error);
    return bytes;
  }

 private:
  Wire(int socket, Patience patience) : socket_(socket), patience_(std::move(patience)) {}

  absl::Status Handshake(const Endpoint& endpoint, SSL_CTX* tls);
  /// Until the socket is ready for `events` of poll(2).
  boost::system::error_code Wait(short events) const;
  /// Before each SSL function: its errors are told by what it leaves behind.
  static void BeginTls();
  /// After an SSL function returned `result`: waits for what it wants, or says what went wrong.
  boost::system::error_code AfterTls(int result);

  const int socket_;
  Patience patience_;
  std::unique_ptr<SSL, SslFree> ssl_;
};

/// `what` went wrong in this way.
absl::Status WireStatus(std::string_view what, const boost::system::error_code& error);

}  // namespace deepseek::http
