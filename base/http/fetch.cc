#include "base/http/fetch.h"

#include <openssl/ssl.h>

#include <array>
#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::http {
namespace {

namespace asio = boost::asio;
namespace beast_http = boost::beast::http;
using ErrorCode = boost::system::error_code;
using Tcp = asio::ip::tcp;

constexpr std::chrono::milliseconds kPoll(100);

/// Runs one asynchronous operation to its end, a timeout or a cancellation.
class Waiter {
 public:
  Waiter(asio::io_context& io, Tcp::socket& socket, const FetchOptions& options)
      : io_(io), socket_(socket), options_(options) {}

  template <typename Begin>
  absl::Status Run(std::string_view what, absl::Duration timeout, Begin begin) {
    std::optional<ErrorCode> result;
    begin([&](const ErrorCode& ec, auto&&...) { result = ec; });
    const absl::Time deadline = absl::Now() + timeout;
    absl::Status stopped;
    io_.restart();
    while (!result) {
      io_.run_one_for(kPoll);
      if (result || !stopped.ok()) continue;
      if (options_.cancelled && options_.cancelled()) stopped = absl::CancelledError("cancelled");
      if (absl::Now() > deadline) stopped = absl::DeadlineExceededError(StrCat(what, ": timed out"));
      if (!stopped.ok()) {
        ErrorCode ignored;
        socket_.close(ignored);   // the operation ends with an error
      }
    }
    if (!stopped.ok()) return stopped;
    last_ = *result;
    if (*result) return absl::UnavailableError(StrCat(what, ": ", result->message()));
    return absl::OkStatus();
  }
  const ErrorCode& last() const { return last_; }

 private:
  asio::io_context& io_;
  Tcp::socket& socket_;
  const FetchOptions& options_;
  ErrorCode last_;
};

std::string Where(const Url& url) { return StrCat(url.host, ":", url.port); }

template <typename Stream>
absl::StatusOr<int> Exchange(Stream& stream, Waiter& waiter, const Url& url, const Request& request,
                             const OnPiece& on_piece, const FetchOptions& options) {
  beast_http::request<beast_http::string_body> message;
  message.method_string(request.method);
  message.target(url.path + request.target);
  const bool default_port = url.port == (url.tls ? "443" : "80");
  message.set(beast_http::field::host, default_port ? url.host : Where(url));
  message.set(beast_http::field::connection, "close");
  for (const Header& h : request.headers) message.set(h.name, h.value);
  message.body() = request.body;
  message.prepare_payload();
  RETURN_IF_ERROR(waiter.Run(StrCat("send to ", Where(url)), options.idle_timeout, [&](auto done) {
    beast_http::async_write(stream, message, done);
  }));
  boost::beast::flat_buffer buffer;
  beast_http::response_parser<beast_http::buffer_body> parser;
  parser.body_limit(boost::none);
  const std::string reading = StrCat("answer of ", Where(url));
  RETURN_IF_ERROR(waiter.Run(reading, options.idle_timeout, [&](auto done) {
    beast_http::async_read_header(stream, buffer, parser, done);
  }));
  const int status = static_cast<int>(parser.get().result_int());
  std::array<char, 8192> piece;
  while (!parser.is_done()) {
    parser.get().body().data = piece.data();
    parser.get().body().size = piece.size();
    parser.get().body().more = true;
    const absl::Status read = waiter.Run(reading, options.idle_timeout, [&](auto done) {
      beast_http::async_read_some(stream, buffer, parser, done);
    });
    const bool full = waiter.last() == beast_http::error::need_buffer;
    if (!read.ok() && !full) return read;
    const size_t n = piece.size() - parser.get().body().size;
    if (n > 0 && !on_piece(status, std::string_view(piece.data(), n))) return absl::CancelledError("cancelled");
  }
  return status;
}

}  // namespace

absl::StatusOr<Url> ParseUrl(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    return absl::InvalidArgumentError(StrCat("URL '", text, "': ", why, " (expected http://HOST[:PORT][/PATH])"));
  };
  Url url;
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    url.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return bad("no http:// or https:// in front");
  }
  const size_t slash = rest.find_first_of("/?#");
  std::string_view authority = rest.substr(0, slash);
  std::string_view path = slash == std::string_view::npos ? std::string_view() : rest.substr(slash);
  if (path.find_first_of("?#") != std::string_view::npos) return bad("a query has no meaning here");
  while (path.ends_with('/')) path.remove_suffix(1);
  url.path = std::string(path);
  if (authority.find('@') != std::string_view::npos) return bad("user names and passwords are not taken");
  const size_t colon = authority.rfind(':');
  const bool has_port = colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos;
  url.port = has_port ? std::string(authority.substr(colon + 1)) : (url.tls ? "443" : "80");
  std::string_view host = has_port ? authority.substr(0, colon) : authority;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (host.empty()) return bad("no host");
  if (url.port.empty() || url.port.find_first_not_of("0123456789") != std::string::npos) return bad("bad port");
  url.host = std::string(host);
  return url;
}

absl::StatusOr<int> Fetch(const Url& url, const Request& request, const OnPiece& on_piece,
                          const FetchOptions& options) {
  // Asio and Beast may throw where they take no error code (SSL context, allocation).
  try {
    asio::io_context io;
    ErrorCode ec;
    Tcp::resolver resolver(io);
    const auto endpoints = resolver.resolve(url.host, url.port, ec);
    if (ec) return absl::UnavailableError(StrCat("resolve ", url.host, ": ", ec.message()));
    asio::ssl::context tls(asio::ssl::context::tls_client);
    boost::beast::ssl_stream<Tcp::socket> secure(io, tls);
    Tcp::socket& socket = secure.next_layer();
    Waiter waiter(io, socket, options);
    RETURN_IF_ERROR(waiter.Run(StrCat("connect to ", Where(url)), options.connect_timeout,
                               [&](auto done) { asio::async_connect(socket, endpoints, done); }));
    socket.set_option(Tcp::no_delay(true), ec);
    if (!url.tls) return Exchange(socket, waiter, url, request, on_piece, options);
    SSL_CTX_set_default_verify_paths(tls.native_handle());
    SSL_set_verify(secure.native_handle(), SSL_VERIFY_PEER, nullptr);
    SSL_set_tlsext_host_name(secure.native_handle(), url.host.c_str());
    SSL_set1_host(secure.native_handle(), url.host.c_str());
    RETURN_IF_ERROR(waiter.Run(StrCat("TLS with ", Where(url)), options.connect_timeout, [&](auto done) {
      secure.async_handshake(asio::ssl::stream_base::client, done);
    }));
    return Exchange(secure, waiter, url, request, on_piece, options);
  } catch (const std::exception& e) {
    return absl::InternalError(StrCat("request to ", Where(url), ": ", e.what()));
  }
}

}  // namespace deepseek::http
