#include "base/http/wire.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <cerrno>
#include <cstring>
#include <future>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/strings.h"

namespace deepseek::http {
namespace {

using boost::system::error_code;
namespace asio_error = boost::asio::error;

constexpr absl::Duration kStopPoll = absl::Seconds(1), kStopPollBesideSignal = absl::Seconds(30);

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

error_code SystemError(int number) {
  return {number, boost::system::system_category()};
}

// How long to wait before the next look at the clock and at who may end it, which is every `poll`:
// the clock of poll(2) does not run while the machine is suspended, that of the deadline may.
absl::Duration Slice(const Patience& patience, absl::Duration poll) {
  return std::clamp(patience.deadline - patience.now(), absl::ZeroDuration(), poll);
}

// Nothing, while there is patience left.
error_code Lost(const Patience& patience) {
  if (patience.ended != nullptr && patience.ended->IsSet()) return asio_error::operation_aborted;
  if (patience.stop && patience.stop()) return asio_error::operation_aborted;
  if (patience.now() >= patience.deadline) return asio_error::timed_out;
  return {};
}

error_code WaitFor(int socket, short events, const Patience& patience) {
  const int signal = patience.ended == nullptr ? -1 : patience.ended->fd();
  const absl::Duration look = signal < 0 ? kStopPoll : kStopPollBesideSignal;
  while (true) {
    if (const error_code lost = Lost(patience)) return lost;
    pollfd ready[] = {{.fd = socket, .events = events, .revents = 0},
                      {.fd = signal, .events = POLLIN, .revents = 0}};
    // Rounded up, or the last millisecond would be a busy loop.
    const int64_t wait = absl::ToInt64Milliseconds(Slice(patience, look) + absl::Microseconds(999));
    const int count = poll(ready, 2, static_cast<int>(wait));  // -1 is passed over
    if (count > 0 && ready[0].revents != 0) return {};
    if (count < 0 && errno != EINTR) return SystemError(errno);
  }
}

bool IsAddress(const std::string& text) {
  in6_addr any{};
  return inet_pton(AF_INET, text.c_str(), &any) == 1 ||
         inet_pton(AF_INET6, text.substr(0, text.find('%')).c_str(), &any) == 1;
}

// An error of getaddrinfo, or none.
int LookUp(const std::string& host, uint16_t port, std::vector<Address>* out) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  if (IsAddress(host)) hints.ai_flags = AI_NUMERICSERV | AI_NUMERICHOST;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), StrCat(port).c_str(), &hints, &found);
  if (error != 0) return error;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    Address address;
    std::memcpy(&address.storage, at->ai_addr, at->ai_addrlen);
    address.size = at->ai_addrlen;
    out->push_back(address);
  }
  freeaddrinfo(found);
  return 0;
}

absl::StatusOr<std::vector<Address>> Resolve(const Endpoint& endpoint, const Patience& patience) {
  using Found = std::pair<int, std::vector<Address>>;
  Found result;
  if (IsAddress(endpoint.host)) {
    result.first = LookUp(endpoint.host, endpoint.port, &result.second);
  } else {
    // getaddrinfo knows no deadline: a thread waits for it, and is left behind where it takes
    // longer.
    std::promise<Found> promise;
    std::future<Found> found = promise.get_future();
    std::thread([promise = std::move(promise), host = endpoint.host,
                 port = endpoint.port]() mutable {
      Found out;
      out.first = LookUp(host, port, &out.second);
      promise.set_value(std::move(out));
    }).detach();
    while (found.wait_for(absl::ToChronoMilliseconds(Slice(patience, kStopPoll))) !=
           std::future_status::ready) {
      if (const error_code lost = Lost(patience)) {
        return WireStatus(StrCat("looking up ", endpoint.host), lost);
      }
    }
    result = found.get();
  }
  if (result.first == 0) return std::move(result.second);
  return absl::UnavailableError(
      StrCat("looking up ", endpoint.host, ": ", gai_strerror(result.first)));
}

// Connects `socket`, which does not block.
error_code ConnectTo(int socket, const Address& address, const Patience& patience) {
  if (connect(socket, reinterpret_cast<const sockaddr*>(&address.storage), address.size) == 0)
    return {};
  if (errno != EINPROGRESS && errno != EINTR) return SystemError(errno);
  if (const error_code lost = WaitFor(socket, POLLOUT, patience)) return lost;
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 ? error_code() : SystemError(error);
}

// As OpenSSL's own for sockets, but a peer that has gone is an error, not a SIGPIPE.
int SendQuietly(BIO* bio, const char* bytes, int size) {
  const ssize_t sent = send(static_cast<int>(BIO_get_fd(bio, nullptr)), bytes,
                            static_cast<size_t>(size), MSG_NOSIGNAL);
  BIO_clear_retry_flags(bio);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

BIO_METHOD* SocketMethod() {
  static BIO_METHOD* const method = [] {
    const BIO_METHOD* plain = BIO_s_socket();
    BIO_METHOD* out = BIO_meth_new(BIO_TYPE_SOCKET, "socket without SIGPIPE");
    BIO_meth_set_write(out, SendQuietly);
    BIO_meth_set_read(out, BIO_meth_get_read(plain));
    BIO_meth_set_puts(out, BIO_meth_get_puts(plain));
    BIO_meth_set_ctrl(out, BIO_meth_get_ctrl(plain));
    BIO_meth_set_create(out, BIO_meth_get_create(plain));
    BIO_meth_set_destroy(out, BIO_meth_get_destroy(plain));
    return out;
  }();
  return method;
}

}  // namespace

absl::Status WireStatus(std::string_view what, const error_code& error) {
  if (error == asio_error::timed_out) {
    return absl::DeadlineExceededError(StrCat(what, ": no answer within the deadline"));
  }
  if (error == asio_error::operation_aborted)
    return absl::CancelledError(StrCat(what, ": stopped"));
  return absl::UnavailableError(StrCat(what, ": ", error.message()));
}

absl::StatusOr<std::unique_ptr<Wire>> Wire::Open(const Endpoint& endpoint, SSL_CTX* tls,
                                                 const Patience& patience) {
  ASSIGN_OR_RETURN(const std::vector<Address> addresses, Resolve(endpoint, patience));
  error_code error = asio_error::host_not_found;
  for (const Address& address : addresses) {
    const int socket =
        ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (socket < 0) {
      error = SystemError(errno);
      continue;
    }
    std::unique_ptr<Wire> out(new Wire(socket, patience));
    error = ConnectTo(socket, address, patience);
    if (error == asio_error::timed_out || error == asio_error::operation_aborted) break;
    if (error) continue;
    const int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (endpoint.tls) RETURN_IF_ERROR(out->Handshake(endpoint, tls));
    return out;
  }
  return WireStatus(StrCat("connecting to ", endpoint.host, ":", endpoint.port), error);
}

Wire::~Wire() {
  ssl_.reset();
  close(socket_);
}

absl::Status Wire::Handshake(const Endpoint& endpoint, SSL_CTX* tls) {
  ssl_.reset(SSL_new(tls));
  SSL* ssl = ssl_.get();
  BIO* bio = BIO_new(SocketMethod());
  if (ssl == nullptr || bio == nullptr) {
    BIO_free(bio);
    return absl::InternalError("TLS: no connection object");
  }
  BIO_set_fd(bio, socket_, BIO_NOCLOSE);
  SSL_set_bio(ssl, bio, bio);  // takes ownership
  const std::string& name = endpoint.verify_name;
  const bool set = IsAddress(name)
                       ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str()) == 1
                       : SSL_set1_host(ssl, name.c_str()) == 1 &&
                             SSL_set_tlsext_host_name(ssl, name.c_str()) == 1;
  const std::string what = StrCat("TLS with ", endpoint.host, ":", endpoint.port);
  if (!set) return absl::UnavailableError(StrCat(what, ": '", name, "' cannot be verified"));
  while (true) {
    BeginTls();
    const int result = SSL_connect(ssl);
    if (result == 1) return absl::OkStatus();
    const error_code error = AfterTls(result);
    if (!error) continue;
    if (const long why = SSL_get_verify_result(ssl); why != X509_V_OK) {
      return absl::UnavailableError(StrCat(what, ": ", X509_verify_cert_error_string(why)));
    }
    return WireStatus(what, error);
  }
}

bool Wire::IsQuiet() const {
  char byte = 0;
  return (ssl_ == nullptr || SSL_has_pending(ssl_.get()) == 0) &&
         recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
         (errno == EAGAIN || errno == EWOULDBLOCK);
}

error_code Wire::Wait(short events) const {
  return WaitFor(socket_, events, patience_);
}

void Wire::BeginTls() {
  ERR_clear_error();
  errno = 0;
}

error_code Wire::AfterTls(int result) {
  const int number = errno;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Wait(POLLIN);
    case SSL_ERROR_WANT_WRITE:
      return Wait(POLLOUT);
    case SSL_ERROR_ZERO_RETURN:
      return asio_error::eof;
    case SSL_ERROR_SYSCALL:
      if (number != 0) return SystemError(number);
      return boost::asio::ssl::error::stream_truncated;
    default:
      break;
  }
  const unsigned long code = ERR_get_error();
  if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
      ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
    return boost::asio::ssl::error::stream_truncated;
  return {static_cast<int>(code), asio_error::get_ssl_category()};
}

error_code Wire::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    if (const error_code lost = Lost(patience_)) return lost;
    ssize_t sent = 0;
    if (ssl_ != nullptr) {
      const size_t most = std::numeric_limits<int>::max();
      BeginTls();
      sent = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(std::min(bytes.size(), most)));
      if (sent <= 0) {
        if (const error_code error = AfterTls(static_cast<int>(sent))) return error;
        continue;
      }
    } else {
      sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR) return SystemError(errno);
        if (const error_code error = Wait(POLLOUT)) return error;
        continue;
      }
    }
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return {};
}

size_t Wire::Read(char* to, size_t size, error_code& error) {
  // A peer that never pauses is no reason to go on for ever.
  error = Lost(patience_);
  // An answer is seldom there yet: looking first would be a system call for nothing.
  const bool pending = ssl_ != nullptr && SSL_has_pending(ssl_.get()) != 0;
  if (!error && !pending) error = Wait(POLLIN);
  while (!error) {
    ssize_t got = 0;
    if (ssl_ != nullptr) {
      BeginTls();
      const size_t most = std::numeric_limits<int>::max();
      got = SSL_read(ssl_.get(), to, static_cast<int>(std::min(size, most)));
      if (got <= 0) error = AfterTls(static_cast<int>(got));
    } else {
      got = recv(socket_, to, size, 0);
      if (got == 0) error = asio_error::eof;
      if (got < 0) error = errno == EAGAIN || errno == EINTR ? Wait(POLLIN) : SystemError(errno);
    }
    if (got > 0) return static_cast<size_t>(got);
  }
  return 0;
}

}  // namespace deepseek::http
