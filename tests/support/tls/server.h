#pragma once
// A TLS server for tests that says exactly what a test wants, byte by byte.

#include <openssl/ssl.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/tls/certificates.h"

namespace deepseek::testing_tls {

/// One connection, after a request has been read.
class Exchange {
 public:
  Exchange(SSL* ssl, std::string request, std::string client_name, int connection)
      : request(std::move(request)),
        client_name(std::move(client_name)),
        connection(connection),
        ssl_(ssl) {}
  /// False: the client is gone.
  bool Say(const std::string& bytes);
  /// A whole answer with Content-Length.
  bool Answer(int code, const std::string& body);
  /// Blocks until the client closes the connection.
  void WaitForEnd();
  /// The connection ends as that of a process that is killed.
  bool Cut();

  const std::string request;      ///< head and body
  const std::string client_name;  ///< CN of the client's certificate; "" without one
  const int connection;           ///< number of the connection, from 1

 private:
  SSL* ssl_;
};

class Server {
 public:
  /// `handle` runs for every request on a thread per connection; false closes the connection, with
  /// close_notify unless the exchange was to be cut.
  /// `client_ca` not empty: asks for a client certificate of it, and refuses others.
  Server(const Identity& identity, const std::string& client_ca,
         std::function<bool(Exchange&)> handle);
  ~Server();
  int port() const { return port_; }
  std::string url(const std::string& host = "127.0.0.1") const {
    return "https://" + host + ":" + std::to_string(port_);
  }

 private:
  void Accept();
  void Serve(int fd, int number);

  SSL_CTX* context_;
  std::function<bool(Exchange&)> handle_;
  int listener_ = -1;
  int port_ = 0;
  std::mutex mutex_;
  std::vector<int> open_;
  std::vector<std::thread> threads_;
  bool stopped_ = false;
  std::thread acceptor_;
};

}  // namespace deepseek::testing_tls
