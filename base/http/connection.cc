#include "base/http/connection.h"

#include <netinet/tcp.h>
#include <openssl/x509_vfy.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <future>
#include <limits>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using boost::system::error_code;

constexpr size_t kReadBytes = size_t{16} << 10;
constexpr uint32_t kMaxHead = uint32_t{64} << 10;
constexpr auto kNoLimit = std::numeric_limits<uint64_t>::max();
constexpr std::chrono::nanoseconds kStopPoll = std::chrono::seconds(1);
constexpr char kSending[] = "sending the request";
constexpr char kReading[] = "reading the answer";

std::chrono::nanoseconds Left(absl::Time deadline) {
  return absl::ToChronoNanoseconds(std::min(deadline - absl::Now(), absl::Hours(24)));
}

// How long to wait before the next look at `stop`.
std::chrono::nanoseconds Slice(absl::Time deadline, const std::function<bool()>& stop) {
  return stop ? std::min(Left(deadline), kStopPoll) : Left(deadline);
}

absl::Status StatusOf(std::string_view what, const error_code& error) {
  if (error == asio::error::timed_out) {
    return absl::DeadlineExceededError(StrCat(what, ": no answer within the deadline"));
  }
  if (error == asio::error::operation_aborted)
    return absl::CancelledError(StrCat(what, ": stopped"));
  return absl::UnavailableError(StrCat(what, ": ", error.message()));
}

// getaddrinfo knows no deadline: a thread waits for it, and is left behind where it takes longer.
absl::StatusOr<std::vector<tcp::endpoint>> Resolve(const Endpoint& endpoint, absl::Time deadline,
                                                   const std::function<bool()>& stop) {
  const uint16_t port = endpoint.port;
  error_code error;
  const asio::ip::address literal = asio::ip::make_address(endpoint.host, error);
  if (!error) return std::vector{tcp::endpoint(literal, port)};
  using Found = std::pair<error_code, std::vector<tcp::endpoint>>;
  std::promise<Found> promise;
  std::future<Found> found = promise.get_future();
  std::thread([promise = std::move(promise), host = endpoint.host, port]() mutable {
    asio::io_context io;
    error_code error;
    std::vector<tcp::endpoint> out;
    for (const auto& entry : tcp::resolver(io).resolve(host, std::to_string(port),
                                                       tcp::resolver::numeric_service, error)) {
      out.push_back(entry.endpoint());
    }
    promise.set_value({error, std::move(out)});
  }).detach();
  const std::string what = StrCat("looking up ", endpoint.host);
  while (found.wait_for(Slice(deadline, stop)) != std::future_status::ready) {
    if (stop && stop()) return StatusOf(what, asio::error::operation_aborted);
    if (absl::Now() >= deadline) return StatusOf(what, asio::error::timed_out);
  }
  auto [failed, endpoints] = found.get();
  if (failed) return StatusOf(what, failed);
  return std::move(endpoints);
}

template <typename Body>
Response HeadOf(const beast::http::response<Body>& message) {
  Response out{.status = static_cast<int>(message.result_int()),
               .content_type = std::string(message[beast::http::field::content_type]),
               .headers = {},
               .body = ""};
  for (const auto& field : message) {
    out.headers.push_back({std::string(field.name_string()), std::string(field.value())});
  }
  return out;
}

}  // namespace

Connection::Connection(const Endpoint& endpoint, asio::ssl::context& tls) : endpoint_(endpoint) {
  if (endpoint.tls) tls_.emplace(socket_, tls);
  buffer_.reserve(kReadBytes);
}

template <typename Start>
error_code Connection::Drive(absl::Time deadline, Start start, const std::function<bool()>& stop) {
  std::optional<error_code> done;
  io_.restart();
  start([&done](const error_code& error, const auto&...) { done = error; });
  error_code why = asio::error::timed_out;
  while (true) {
    io_.run_for(Slice(deadline, stop));
    if (done) return *done;
    if (stop && stop()) {
      why = asio::error::operation_aborted;
      break;
    }
    if (absl::Now() >= deadline) break;
  }
  error_code ignored;
  socket_.close(ignored);
  io_.restart();
  io_.run();  // the operation that was cut off ends now
  return why;
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const Endpoint& endpoint,
                                                             asio::ssl::context& tls,
                                                             absl::Time deadline,
                                                             const std::function<bool()>& stop) {
  std::unique_ptr<Connection> out(new Connection(endpoint, tls));
  RETURN_IF_ERROR(out->Connect(deadline, stop));
  if (endpoint.tls) RETURN_IF_ERROR(out->Handshake(deadline, stop));
  return out;
}

absl::Status Connection::Connect(absl::Time deadline, const std::function<bool()>& stop) {
  ASSIGN_OR_RETURN(const std::vector<tcp::endpoint> addresses, Resolve(endpoint_, deadline, stop));
  const error_code error = Drive(
      deadline, [&](auto done) { asio::async_connect(socket_, addresses, done); }, stop);
  if (error) return StatusOf(StrCat("connecting to ", endpoint_.host, ":", endpoint_.port), error);
  error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  return absl::OkStatus();
}

absl::Status Connection::Handshake(absl::Time deadline, const std::function<bool()>& stop) {
  SSL* ssl = tls_->native_handle();
  const std::string& name = endpoint_.verify_name;
  error_code no_address;
  asio::ip::make_address(name, no_address);
  const bool named = no_address.failed();
  const bool set = named ? SSL_set1_host(ssl, name.c_str()) == 1 &&
                               SSL_set_tlsext_host_name(ssl, name.c_str()) == 1
                         : X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str()) == 1;
  const std::string what = StrCat("TLS with ", endpoint_.host, ":", endpoint_.port);
  if (!set) return absl::UnavailableError(StrCat(what, ": '", name, "' cannot be verified"));
  const error_code error = Drive(
      deadline, [&](auto done) { tls_->async_handshake(asio::ssl::stream_base::client, done); },
      stop);
  if (!error) return absl::OkStatus();
  if (const long why = SSL_get_verify_result(ssl); why != X509_V_OK) {
    return absl::UnavailableError(StrCat(what, ": ", X509_verify_cert_error_string(why)));
  }
  return StatusOf(what, error);
}

bool Connection::IsQuiet() {
  char byte = 0;
  return buffer_.size() == 0 &&
         recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
         (errno == EAGAIN || errno == EWOULDBLOCK);
}

Connection::Result Connection::Call(const Request& request, absl::Time deadline) {
  return tls_ ? CallOver(*tls_, request, deadline) : CallOver(socket_, request, deadline);
}

template <typename Wire>
error_code Connection::Write(Wire& wire, const Request& request, absl::Time deadline,
                             const std::function<bool()>& stop) {
  beast::http::request<beast::http::span_body<const char>> out;
  out.version(11);
  out.method_string(request.method);
  out.target(endpoint_.prefix + request.target);
  out.set(beast::http::field::host, endpoint_.host_header);
  for (const Header& header : request.headers) out.insert(header.name, header.value);
  out.body() = {request.body.data(), request.body.size()};
  if (!request.body.empty() && request.Get("Content-Type").empty()) {
    out.set(beast::http::field::content_type, "application/octet-stream");
  }
  out.prepare_payload();
  return Drive(
      deadline, [&](auto done) { beast::http::async_write(wire, out, std::move(done)); }, stop);
}

template <typename Wire>
Connection::Result Connection::CallOver(Wire& wire, const Request& request, absl::Time deadline) {
  if (const error_code error = Write(wire, request, deadline, nullptr)) {
    return {.response = StatusOf(kSending, error), .failed = Failed::kNotSent};
  }
  beast::http::response_parser<beast::http::string_body> in;
  in.header_limit(kMaxHead);
  in.body_limit(kNoLimit);
  if (request.method == "HEAD") in.skip(true);
  if (const error_code error = Drive(
          deadline, [&](auto done) { beast::http::async_read(wire, buffer_, in, std::move(done)); },
          nullptr)) {
    Result result{.response = StatusOf(kReading, error)};
    if (!in.got_some() && buffer_.size() == 0) {
      // Over TLS the end of the stream is signed; over plain TCP it may be that of a process.
      const bool in_order = endpoint_.tls && error == beast::http::error::end_of_stream;
      result.failed = in_order ? Failed::kClosed : Failed::kUnanswered;
    }
    return result;
  }
  Response out = HeadOf(in.get());
  out.body = std::move(in.get().body());
  return {.response = std::move(out), .keep = in.keep_alive()};
}

absl::StatusOr<Response> Connection::Stream(const Request& request, const StreamLimits& limits) {
  return tls_ ? StreamOver(*tls_, request, limits) : StreamOver(socket_, request, limits);
}

template <typename Wire>
absl::StatusOr<Response> Connection::StreamOver(Wire& wire, const Request& request,
                                                const StreamLimits& limits) {
  const absl::Time head_deadline = std::min(limits.deadline, absl::Now() + limits.head);
  if (const error_code error = Write(wire, request, head_deadline, limits.stop)) {
    return StatusOf(kSending, error);
  }
  beast::http::response_parser<beast::http::buffer_body> in;
  in.header_limit(kMaxHead);
  in.body_limit(kNoLimit);
  error_code error = Drive(
      head_deadline,
      [&](auto done) { beast::http::async_read_header(wire, buffer_, in, std::move(done)); },
      limits.stop);
  if (error) return StatusOf(kReading, error);
  Response out = HeadOf(in.get());
  const bool good = out.status >= 200 && out.status < 300;
  std::vector<char> piece(kReadBytes);
  while (!in.is_done()) {
    auto& body = in.get().body();
    body.data = piece.data();
    body.size = piece.size();
    error = Drive(
        std::min(limits.deadline, absl::Now() + limits.idle),
        [&](auto done) { beast::http::async_read_some(wire, buffer_, in, std::move(done)); },
        limits.stop);
    const std::string_view bytes(piece.data(), piece.size() - body.size);
    if (error == asio::error::operation_aborted) break;
    if (error && error != beast::http::error::need_buffer) return StatusOf(kReading, error);
    if (!good) {
      StrAppend(&out.body, bytes);
    } else if (!bytes.empty() && !limits.on_piece(bytes)) {
      break;
    }
  }
  return out;
}

}  // namespace deepseek::http
