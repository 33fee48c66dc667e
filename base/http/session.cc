#include "base/http/session.h"

#include <poll.h>

#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "base/http/framing.h"
#include "base/http/session_writer.h"
#include "base/strings.h"

namespace deepseek::http {
namespace {

namespace beast_http = boost::beast::http;

constexpr size_t kReadBytes = size_t{16} << 10;
/// How long a closing server waits for a client to take leave.
constexpr absl::Duration kShortLinger = absl::Milliseconds(500);
/// How often a peer is looked at that may be gone behind what it sent.
constexpr absl::Duration kPeerLook = absl::Milliseconds(500);

int StatusOf(const boost::system::error_code& ec) {
  if (ec == beast_http::error::header_limit || ec == beast_http::error::buffer_overflow) return 431;
  if (ec == beast_http::error::body_limit) return 413;
  return 400;
}

}  // namespace

Session::Session(std::shared_ptr<asio::io_context> io, Socket socket, SessionHost& host)
    : io_(std::move(io)),
      socket_(std::move(socket)),
      host_(host),
      read_timer_(socket_.get_executor()),
      write_timer_(socket_.get_executor()),
      received_(kReadBytes) {
  // The stream keeps what it needs of the context, which may be replaced meanwhile.
  if (const auto& tls = host_.options().tls)
    tls_ = std::make_unique<asio::ssl::stream<Socket&>>(socket_, *tls->context());
  boost::system::error_code ec;
  socket_.set_option(Tcp::no_delay(true), ec);
  const auto peer = socket_.remote_endpoint(ec);
  if (!ec) peer_ = peer.address().to_string();
}

void Session::Post(void (Session::*method)()) {
  asio::post(socket_.get_executor(), [self = shared_from_this(), method] { ((*self).*method)(); });
}

void Session::Run() {
  Post(&Session::Begin);
}

void Session::Begin() {
  if (!tls_ || state_ == State::kClosed) return Parse();
  state_ = State::kHandshaking;
  ArmReadTimer(host_.options().limits.header_timeout);
  tls_->async_handshake(asio::ssl::stream_base::server,
                        [self = shared_from_this()](boost::system::error_code ec) {
                          if (self->state_ == State::kClosed) return;
                          if (ec) return self->Close();
                          self->Parse();
                        });
}

template <typename Callback>
void Session::AsyncRead(Callback callback) {
  if (tls_) {
    tls_->async_read_some(asio::buffer(received_), std::move(callback));
  } else {
    socket_.async_read_some(asio::buffer(received_), std::move(callback));
  }
}

template <typename Callback>
void Session::AsyncWrite(Callback callback) {
  if (tls_) {
    asio::async_write(*tls_, asio::buffer(writing_), std::move(callback));
  } else {
    asio::async_write(socket_, asio::buffer(writing_), std::move(callback));
  }
}

void Session::RunRefusal(int status, std::string_view message) {
  // Not worth a handshake.
  if (tls_) return Post(&Session::Close);
  asio::post(socket_.get_executor(), [self = shared_from_this(), status,
                                      text = std::string(message)] { self->Refuse(status, text); });
}

void Session::StartRead() {
  // While an answer is written, pipelined bytes are taken in only up to what a header may need.
  if (read_pending_ || eof_ || state_ == State::kClosed) return;
  if (state_ == State::kBusy && buffer_.size() >= host_.options().limits.header_bytes)
    return ArmReadTimer(kPeerLook);
  read_pending_ = true;
  AsyncRead([self = shared_from_this()](boost::system::error_code ec, size_t n) {
    self->read_pending_ = false;
    self->OnRead(ec, n);
  });
}

void Session::OnRead(boost::system::error_code ec, size_t n) {
  if (state_ == State::kClosed) return;
  if (ec) {
    eof_ = true;
    if (state_ == State::kBusy) PeerGone();
    if (state_ != State::kBusy || ec != asio::error::eof) Close();
    return;
  }
  if (state_ == State::kLingering) return StartRead();  // dropped
  std::memcpy(buffer_.prepare(n).data(), received_.data(), n);
  buffer_.commit(n);
  if (state_ == State::kBusy) return StartRead();
  Parse();
}

void Session::Parse() {
  if (state_ == State::kClosed) return;
  const ServerLimits& limits = host_.options().limits;
  for (;;) {
    if (!parser_) {
      if (buffer_.size() == 0) {
        if (end_when_idle_) return Close();
        state_ = State::kIdle;
        ArmReadTimer(requests_ == 0 ? limits.header_timeout : limits.idle_timeout);
        return StartRead();
      }
      state_ = State::kReading;
      parser_.emplace();
      parser_->header_limit(static_cast<std::uint32_t>(limits.header_bytes));
      parser_->body_limit(limits.body_bytes);
      header_seen_ = false;
      ArmReadTimer(limits.header_timeout);
    }
    if (buffer_.size() == 0) return StartRead();
    boost::system::error_code ec;
    const size_t used = parser_->put(buffer_.data(), ec);
    buffer_.consume(used);
    const bool need_more = ec == beast_http::error::need_more || (!ec && used == 0);
    if (ec && !need_more) {
      return Refuse(StatusOf(ec), ec == beast_http::error::body_limit
                                      ? StrCat("the request body is larger than the limit of ",
                                               limits.body_bytes, " bytes")
                                      : StrCat("malformed HTTP request: ", ec.message()));
    }
    if (parser_->is_header_done() && !header_seen_) {
      header_seen_ = true;
      if (!OnHeader()) return;
      if (!parser_->is_done()) continue;
    }
    if (parser_->is_done()) return DispatchRequest();
    if (!need_more) continue;
    // Beast bounds header and body; what is left here frames chunks: extensions or trailers.
    if (buffer_.size() > limits.header_bytes) {
      return Refuse(431, StrCat("chunk extensions and trailers may have ", limits.header_bytes,
                                " bytes at most"));
    }
    return StartRead();
  }
}

bool Session::OnHeader() {
  const auto& message = parser_->get();
  if (message.version() != 10 && message.version() != 11) {
    Refuse(400, "only HTTP/1.0 and HTTP/1.1 are served");
    return false;
  }
  head_ = ReadHead();
  head_http10_ = message.version() == 10;
  head_keep_alive_ = message.keep_alive();
  auto bad = CheckFraming(head_, head_http10_);
  if (!bad) bad = CheckHeaders(head_, head_http10_, !parser_->is_done());
  if (bad) {
    Refuse(bad->status, bad->message);
    return false;
  }
  if (!Admit()) return false;
  parser_->eager(true);
  ArmReadTimer(host_.options().limits.body_timeout);
  const auto expect = message[beast_http::field::expect];
  if (!head_http10_ && !parser_->is_done() && buffer_.size() == 0 &&
      absl::EqualsIgnoreCase({expect.data(), expect.size()}, "100-continue")) {
    const std::lock_guard lock(mutex_);
    outbox_ += "HTTP/1.1 100 Continue\r\n\r\n";
    ScheduleFlush();
  }
  return true;
}

bool Session::Admit() {
  const auto& admit = host_.options().admit;
  if (!admit) return true;
  std::optional<Response> refused = admit(head_);
  if (!refused) return true;
  RefuseWith(*refused, head_.method == "HEAD");
  return false;
}

Request Session::ReadHead() const {
  const auto& message = parser_->get();
  Request request;
  request.method = std::string(message.method_string());
  request.target = std::string(message.target());
  request.peer = peer_;
  for (const auto& field : message) {
    request.headers.push_back({std::string(field.name_string()), std::string(field.value())});
  }
  return request;
}

void Session::DispatchRequest() {
  read_timer_.cancel();
  Request request = std::exchange(head_, {});
  request.body = std::move(parser_->get().body());
  parser_.reset();
  state_ = State::kBusy;
  ++requests_;
  uint64_t exchange;
  {
    const std::lock_guard lock(mutex_);
    exchange = ++exchange_;
    finished_ = started_ = gone_ = false;
    http10_ = head_http10_;
    keep_alive_ = head_keep_alive_;
    head_only_ = request.method == "HEAD";
  }
  host_.Dispatch(std::move(request), std::make_shared<SessionWriter>(shared_from_this(), exchange));
  StartRead();
}

Response Session::Refusal(int status, std::string_view message, const Request& head) const {
  const auto& make = host_.options().refusal;
  Response response = make ? make(status, message, head)
                           : Response{status, "text/plain", {}, StrCat(message, "\n")};
  response.status = status;
  return response;
}

void Session::Refuse(int status, std::string_view message) {
  RefuseWith(Refusal(status, message, parser_ ? ReadHead() : Request{}));
}

void Session::RefuseWith(const Response& response, bool head_only) {
  state_ = State::kLingering;
  parser_.reset();
  {
    const std::lock_guard lock(mutex_);
    keep_alive_ = http10_ = false;
    head_only_ = head_only;
    outbox_ += Head(response, response.body.size());
    if (!head_only) outbox_ += response.body;
    ++exchange_;
    finished_ = started_ = true;
    ScheduleFlush();
  }
  buffer_.consume(buffer_.size());
  ArmReadTimer(host_.options().limits.linger);
  StartRead();
}

void Session::ArmReadTimer(absl::Duration timeout) {
  read_timer_.expires_after(absl::ToChronoMilliseconds(timeout));
  read_timer_.async_wait([self = shared_from_this()](boost::system::error_code ec) {
    if (!ec && self->read_timer_.expiry() <= std::chrono::steady_clock::now())
      self->OnReadTimeout();
  });
}

void Session::OnReadTimeout() {
  switch (state_) {
    case State::kReading:
      return Refuse(408, "the request did not arrive in time");
    case State::kHandshaking:
    case State::kIdle:
    case State::kLingering:
      return Close();
    case State::kBusy:
      return LookAtPeer();
    default:
      return;
  }
}

/// Behind bytes that are not read a read does not see the peer's end; poll does.
void Session::LookAtPeer() {
  if (read_pending_) return;
  pollfd peer{.fd = socket_.native_handle(), .events = POLLRDHUP, .revents = 0};
  if (::poll(&peer, 1, 0) > 0) {
    PeerGone();
    if ((peer.revents & (POLLERR | POLLHUP)) != 0) Close();
    return;
  }
  ArmReadTimer(kPeerLook);
}

void Session::EndWhenIdle() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    self->end_when_idle_ = true;
    if (self->state_ == State::kIdle || self->state_ == State::kHandshaking) self->Close();
    if (self->state_ == State::kLingering) self->ArmReadTimer(kShortLinger);
  });
}

void Session::Abort(std::function<void(bool)> done) {
  asio::post(socket_.get_executor(), [self = shared_from_this(), done = std::move(done)] {
    const bool cut = self->state_ == State::kBusy;
    self->Close();
    done(cut);
  });
}

std::string Session::Head(const Response& response, std::optional<size_t> length) {
  const bool close = !keep_alive_ || host_.closing();
  keep_alive_ = !close;
  return HeadText(response, {length, chunked_, close, http10_});
}

void Session::Send(uint64_t exchange, const Response& response) {
  std::function<void()> forgotten;  // destroyed after the lock: it may own the last writer
  const std::lock_guard lock(mutex_);
  if (exchange != exchange_ || finished_ || started_ || closed_) return;
  // A client that only closed its sending side still gets a whole answer.
  outbox_ += Head(response, response.body.size());
  if (!head_only_) outbox_ += response.body;
  started_ = finished_ = true;
  std::swap(forgotten, on_gone_);
  ScheduleFlush();
}

void Session::Start(uint64_t exchange, const Response& head) {
  const std::lock_guard lock(mutex_);
  if (!Active(exchange) || started_) return;
  chunked_ = !http10_;
  if (http10_)
    keep_alive_ = false;  // HTTP/1.0 knows no chunks: the end of the connection ends the body
  outbox_ += Head(head, std::nullopt);
  if (!head.body.empty() && !head_only_) outbox_ += chunked_ ? Chunk(head.body) : head.body;
  started_ = true;
  ScheduleFlush();
}

bool Session::Write(uint64_t exchange, std::string_view piece) {
  const std::lock_guard lock(mutex_);
  if (!Active(exchange) || !started_) return false;
  if (piece.empty() || head_only_) return true;
  if (outbox_.size() + piece.size() > host_.options().limits.max_buffered_bytes) {
    Post(&Session::Close);
    return false;
  }
  if (chunked_) {
    outbox_ += Chunk(piece);
  } else {
    outbox_ += piece;
  }
  ScheduleFlush();
  return true;
}

void Session::Finish(uint64_t exchange) {
  std::function<void()> forgotten;
  const std::lock_guard lock(mutex_);
  if (!Active(exchange) || !started_) return;
  if (chunked_ && !head_only_) outbox_ += "0\r\n\r\n";
  finished_ = true;
  std::swap(forgotten, on_gone_);
  ScheduleFlush();
}

void Session::OnGone(uint64_t exchange, std::function<void()> callback) {
  {
    const std::lock_guard lock(mutex_);
    if (exchange != exchange_ || finished_) return;
    if (!gone_) {
      on_gone_ = std::move(callback);
      return;
    }
  }
  callback();
}

void Session::Dropped(uint64_t exchange) {
  bool unanswerable;
  {
    const std::lock_guard lock(mutex_);
    if (exchange != exchange_ || finished_ || closed_) return;
    unanswerable = started_ || gone_;
  }
  if (unanswerable) {
    Post(&Session::Close);
  } else {
    Send(exchange, {500, "text/plain", {}, "the request was dropped without an answer\n"});
  }
}

void Session::Fail(uint64_t exchange) {
  {
    const std::lock_guard lock(mutex_);
    if (exchange != exchange_ || finished_ || closed_) return;
    keep_alive_ = false;
    if (started_) return Post(&Session::Close);
  }
  Send(exchange, Refusal(500, "the server failed to answer this request", {}));
}

void Session::ScheduleFlush() {
  if (flushing_) return;
  flushing_ = true;
  Post(&Session::Flush);
}

void Session::Flush() {
  if (state_ == State::kClosed) return;
  bool answered = false;
  {
    const std::lock_guard lock(mutex_);
    writing_.clear();
    std::swap(writing_, outbox_);
    flushing_ = !writing_.empty();
    answered = !flushing_ && finished_;
  }
  if (writing_.empty()) {
    if (answered) AnswerDone();
    return;
  }
  write_timer_.expires_after(absl::ToChronoMilliseconds(host_.options().limits.write_timeout));
  write_timer_.async_wait([self = shared_from_this()](boost::system::error_code ec) {
    if (!ec && self->write_timer_.expiry() <= std::chrono::steady_clock::now()) self->Close();
  });
  AsyncWrite(
      [self = shared_from_this()](boost::system::error_code ec, size_t) { self->OnWritten(ec); });
}

void Session::OnWritten(boost::system::error_code ec) {
  write_timer_.cancel();
  if (state_ == State::kClosed) return;
  if (ec) return Close();
  Flush();
}

void Session::AnswerDone() {
  if (state_ == State::kLingering) return Linger();
  if (state_ != State::kBusy) return;
  bool keep;
  {
    const std::lock_guard lock(mutex_);
    keep = keep_alive_;
  }
  if (eof_) return Close();
  if (!keep) return Linger();
  state_ = State::kIdle;
  Parse();
}

/// Closing with unread bytes makes the kernel send a reset, which can destroy the answer before the
/// client reads it: say that nothing more comes, then drop what still arrives for a while.
void Session::Linger() {
  boost::system::error_code ec;
  socket_.shutdown(Tcp::socket::shutdown_send, ec);
  if (ec) return Close();
  if (state_ != State::kLingering) {
    state_ = State::kLingering;
    buffer_.consume(buffer_.size());
    ArmReadTimer(end_when_idle_ ? kShortLinger : host_.options().limits.linger);
  }
  StartRead();
}

void Session::PeerGone() {
  std::function<void()> callback;
  {
    const std::lock_guard lock(mutex_);
    if (finished_) return;
    gone_ = true;
    std::swap(callback, on_gone_);
  }
  if (callback) callback();
}

void Session::Close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  PeerGone();
  boost::system::error_code ec;
  socket_.close(ec);
  read_timer_.cancel();
  write_timer_.cancel();
  host_.Remove(this);
}

}  // namespace deepseek::http
