#pragma once
// One connection of the server. Internal to base/http: the only header that knows Boost.

#include <utility>  // before Boost: 1.74's asio/awaitable.hpp uses std::exchange without it

#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/http/server.h"

namespace deepseek::http {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;
using Strand = asio::strand<asio::io_context::executor_type>;
using Socket = asio::basic_stream_socket<Tcp, Strand>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Strand>;

class Session;

/// A writer that can also tell of a handler that failed.
class ExchangeWriter : public ResponseWriter {
 public:
  /// Answers 500 or cuts an answer that has begun; the connection ends.
  virtual void Fail() = 0;
};

/// What a session needs of its server.
class SessionHost {
 public:
  virtual ~SessionHost() = default;
  virtual const ServerOptions& options() const = 0;
  virtual bool closing() const = 0;  ///< answers say `Connection: close`
  virtual void Dispatch(Request request, std::shared_ptr<ExchangeWriter> writer) = 0;
  virtual void Remove(Session* session) = 0;
};

/// Reads requests one after the other and writes their answers in that order: while one is
/// answered, further (pipelined) bytes wait in the buffer. One read is always pending while there
/// is room, so that a peer's close is noticed; without room the socket is looked at now and then.
/// Members without a comment belong to the strand; the answer's outbox belongs to the mutex.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<asio::io_context> io, Socket socket, SessionHost& host);

  void Run();
  /// Any thread. Ends an idle connection now, a busy one after its answer.
  void EndWhenIdle();
  /// Any thread. Closes now; true in `cut` if an answer was in progress.
  void Abort(std::function<void(bool cut)> done);
  /// Tells the client why it is not served (`status`), then closes.
  void RunRefusal(int status, std::string_view message);

  // The writer's side (any thread). `exchange` is the number of the request that is answered.
  void Send(uint64_t exchange, const Response& response);
  void Start(uint64_t exchange, const Response& head);
  bool Write(uint64_t exchange, std::string_view piece);
  void Finish(uint64_t exchange);
  void OnGone(uint64_t exchange, std::function<void()> callback);
  void Dropped(uint64_t exchange);
  void Fail(uint64_t exchange);

 private:
  enum class State { kHandshaking, kIdle, kReading, kBusy, kLingering, kClosed };

  void Post(void (Session::*method)());
  void Begin();
  template <typename Callback>
  void AsyncRead(Callback callback);
  template <typename Callback>
  void AsyncWrite(Callback callback);
  void StartRead();
  void OnRead(boost::system::error_code ec, size_t n);
  void Parse();
  bool OnHeader();
  bool Admit();
  Request ReadHead() const;
  void DispatchRequest();
  Response Refusal(int status, std::string_view message, const Request& head) const;
  void Refuse(int status, std::string_view message);
  void RefuseWith(const Response& response, bool head_only = false);
  void ArmReadTimer(absl::Duration timeout);
  void OnReadTimeout();
  void LookAtPeer();
  void Flush();
  void OnWritten(boost::system::error_code ec);
  void AnswerDone();
  void Linger();
  void PeerGone();
  void Close();
  std::string Head(const Response& response, std::optional<size_t> length);
  bool Active(uint64_t exchange) const { return exchange == exchange_ && !finished_ && !gone_; }
  void ScheduleFlush();

  const std::shared_ptr<asio::io_context> io_;  ///< a writer may outlive the server
  Socket socket_;
  /// Over the socket, which it does not own; null: plain HTTP. At most one read and one write at a
  /// time, both on the strand: what ssl::stream permits.
  std::unique_ptr<asio::ssl::stream<Socket&>> tls_;
  SessionHost& host_;
  Timer read_timer_, write_timer_;
  State state_ = State::kIdle;
  std::vector<char> received_;        ///< what the pending read fills
  boost::beast::flat_buffer buffer_;  ///< bytes not yet parsed
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  bool header_seen_ = false;
  Request head_;  ///< as it was at its end: Beast adds trailers to the headers
  bool head_http10_ = false, head_keep_alive_ = false;
  bool read_pending_ = false;
  bool eof_ = false;
  bool end_when_idle_ = false;
  int requests_ = 0;
  std::string peer_;
  std::string writing_;  ///< what async_write holds

  mutable std::mutex mutex_;
  uint64_t exchange_ = 0;
  bool finished_ = true;  ///< of the current exchange: its last byte is in the outbox
  bool started_ = false;  ///< its head is in the outbox
  bool gone_ = false;
  bool closed_ = false;    ///< the connection; no call touches the server any more
  bool flushing_ = false;  ///< Flush is posted or a write is pending
  bool chunked_ = false, keep_alive_ = false, head_only_ = false, http10_ = false;
  std::string outbox_;
  std::function<void()> on_gone_;
};

}  // namespace deepseek::http
