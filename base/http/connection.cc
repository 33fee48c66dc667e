#include "base/http/connection.h"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/beast/http.hpp>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/strings.h"

namespace deepseek::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;

constexpr size_t kReadBytes = size_t{16} << 10;
// A body of at most so much goes out together with its head.
constexpr size_t kTogether = size_t{64} << 10;
constexpr uint32_t kMaxHead = uint32_t{64} << 10;
constexpr auto kNoLimit = std::numeric_limits<uint64_t>::max();
constexpr char kSending[] = "sending the request";
constexpr char kReading[] = "reading the answer";

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

Connection::Connection(const Endpoint& endpoint, std::function<absl::Time()> now,
                       std::unique_ptr<Wire> wire)
    : endpoint_(endpoint), now_(std::move(now)), wire_(std::move(wire)) {
  buffer_.reserve(kReadBytes);
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const Endpoint& endpoint, SSL_CTX* tls,
                                                             const Patience& patience) {
  ASSIGN_OR_RETURN(std::unique_ptr<Wire> wire, Wire::Open(endpoint, tls, patience));
  return std::unique_ptr<Connection>(new Connection(endpoint, patience.now, std::move(wire)));
}

error_code Connection::Write(const Request& request) {
  const std::string& body = request.body;
  std::string out = StrCat(request.method, " ", endpoint_.prefix, request.target,
                           " HTTP/1.1\r\nHost: ", endpoint_.host_header, "\r\n");
  for (const Header& header : request.headers) {
    StrAppend(&out, header.name, ": ", header.value, "\r\n");
  }
  if (!body.empty() && request.Get("Content-Type").empty()) {
    StrAppend(&out, "Content-Type: application/octet-stream\r\n");
  }
  const bool may_be_empty = request.method == "GET" || request.method == "HEAD";
  if (!body.empty() || !may_be_empty) StrAppend(&out, "Content-Length: ", body.size(), "\r\n");
  StrAppend(&out, "\r\n");
  const bool together = body.size() <= kTogether;
  if (together) out += body;
  const error_code error = wire_->Write(out);
  return error || together ? error : wire_->Write(body);
}

Connection::Result Connection::Call(const Request& request, absl::Time deadline) {
  wire_->set_patience({.deadline = deadline, .now = now_});
  if (const error_code error = Write(request)) {
    return {.response = WireStatus(kSending, error), .failed = Failed::kNotSent};
  }
  beast::http::response_parser<beast::http::string_body> in;
  in.header_limit(kMaxHead);
  in.body_limit(kNoLimit);
  if (request.method == "HEAD") in.skip(true);
  error_code error;
  beast::http::read(*wire_, buffer_, in, error);
  if (error) {
    Result result{.response = WireStatus(kReading, error)};
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
  wire_->set_patience({.deadline = std::min(limits.deadline, now_() + limits.head),
                       .now = now_,
                       .stop = limits.stop,
                       .ended = limits.ended});
  if (const error_code error = Write(request)) return WireStatus(kSending, error);
  beast::http::response_parser<beast::http::buffer_body> in;
  in.header_limit(kMaxHead);
  in.body_limit(kNoLimit);
  error_code error;
  beast::http::read_header(*wire_, buffer_, in, error);
  if (error) return WireStatus(kReading, error);
  Response out = HeadOf(in.get());
  const bool good = out.status >= 200 && out.status < 300;
  std::vector<char> piece(kReadBytes);
  while (!in.is_done()) {
    auto& body = in.get().body();
    body.data = piece.data();
    body.size = piece.size();
    wire_->set_patience({.deadline = std::min(limits.deadline, now_() + limits.idle),
                         .now = now_,
                         .stop = limits.stop,
                         .ended = limits.ended});
    beast::http::read_some(*wire_, buffer_, in, error);
    const std::string_view bytes(piece.data(), piece.size() - body.size);
    if (error == asio::error::operation_aborted) break;
    if (error && error != beast::http::error::need_buffer) return WireStatus(kReading, error);
    if (!good) {
      StrAppend(&out.body, bytes);
    } else if (!bytes.empty() && !limits.on_piece(bytes)) {
      break;
    }
  }
  return out;
}

}  // namespace deepseek::http
