#include "tests/support/tls/server.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace deepseek::testing_tls {
namespace {

BIO* Memory(const std::string& text) {
  return BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
}

X509* ReadCertificate(const std::string& pem) {
  BIO* bio = Memory(pem);
  X509* cert = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  return cert;
}

std::string PeerName(SSL* ssl) {
  X509* peer = SSL_get1_peer_certificate(ssl);
  if (peer == nullptr) return "";
  char name[256] = "";
  X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, name, sizeof(name));
  X509_free(peer);
  return name;
}

// Head and body of the next request; empty when the connection ended.
std::string ReadRequest(SSL* ssl) {
  std::string text;
  size_t wanted = std::string::npos;
  char buffer[4096];
  while (text.size() < wanted) {
    const int n = SSL_read(ssl, buffer, sizeof(buffer));
    if (n <= 0) return "";
    text.append(buffer, static_cast<size_t>(n));
    const size_t head = text.find("\r\n\r\n");
    if (wanted == std::string::npos && head != std::string::npos) {
      wanted = head + 4;
      const size_t length = text.find("Content-Length:");
      if (length < head) wanted += std::stoul(text.substr(length + 15));
    }
  }
  return text;
}

}  // namespace

bool Exchange::Say(const std::string& bytes) {
  return SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) > 0;
}

bool Exchange::Answer(int code, const std::string& body) {
  return Say("HTTP/1.1 " + std::to_string(code) +
             " X\r\nContent-Type: application/json\r\nContent-Length: " +
             std::to_string(body.size()) + "\r\n\r\n" + body);
}

void Exchange::WaitForEnd() {
  char byte = 0;
  while (SSL_read(ssl_, &byte, 1) > 0) {
  }
}

bool Exchange::Cut() {
  SSL_set_quiet_shutdown(ssl_, 1);
  return false;
}

Server::Server(const Identity& identity, const std::string& client_ca,
               std::function<bool(Exchange&)> handle)
    : context_(SSL_CTX_new(TLS_server_method())), handle_(std::move(handle)) {
  signal(SIGPIPE, SIG_IGN);
  X509* cert = ReadCertificate(identity.cert_pem);
  SSL_CTX_use_certificate(context_, cert);
  X509_free(cert);
  BIO* bio = Memory(identity.key_pem);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  SSL_CTX_use_PrivateKey(context_, key);
  EVP_PKEY_free(key);
  BIO_free(bio);
  if (!client_ca.empty()) {
    X509* root = ReadCertificate(client_ca);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context_), root);
    X509_free(root);
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(listener_, 64) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("test server cannot listen");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

Server::~Server() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    for (const int fd : open_) shutdown(fd, SHUT_RDWR);
  }
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  for (std::thread& thread : threads_) thread.join();
  close(listener_);
  SSL_CTX_free(context_);
}

void Server::Accept() {
  for (int number = 1;; ++number) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const std::lock_guard lock(mutex_);
    if (fd < 0 || stopped_) {
      if (fd >= 0) close(fd);
      return;
    }
    open_.push_back(fd);
    threads_.emplace_back([this, fd, number] { Serve(fd, number); });
  }
}

void Server::Serve(int fd, int number) {
  SSL* ssl = SSL_new(context_);
  SSL_set_fd(ssl, fd);
  if (SSL_accept(ssl) == 1) {
    for (std::string request; !(request = ReadRequest(ssl)).empty();) {
      Exchange exchange(ssl, request, PeerName(ssl), number);
      if (!handle_(exchange)) break;
    }
  }
  SSL_shutdown(ssl);
  SSL_free(ssl);
  const std::lock_guard lock(mutex_);
  open_.erase(std::find(open_.begin(), open_.end(), fd));
  close(fd);
}

}  // namespace deepseek::testing_tls
