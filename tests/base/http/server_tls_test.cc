#include "base/http/server_tls.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "base/http/client.h"
#include "base/http/server.h"
#include "base/strings.h"
#include "tests/support/tls/certificates.h"

namespace deepseek::http {
namespace {

class Echo : public Handler {
 public:
  void Handle(Request request, std::shared_ptr<ResponseWriter> writer) override {
    writer->Send({200, "text/plain", {}, StrCat(request.method, " ", request.body)});
  }
};

class ServerTlsTest : public ::testing::Test {
 protected:
  ServerTlsTest() {
    const auto identity = authority_.Issue("server", "DNS:localhost");
    tls_ = *ServerTls::Make(identity.cert_pem, identity.key_pem);
    ServerOptions options;
    options.addresses = {"127.0.0.1:0"};
    options.tls = tls_;
    options.limits.header_timeout = absl::Milliseconds(300);
    options.limits.max_connections = 2;
    server_ = *StartServer(std::move(options), echo_);
  }
  std::unique_ptr<Client> NewTlsClient(const std::string& ca) const {
    return *NewClient({.base_url = StrCat("https://", server_->addresses()[0]),
                       .tls = {.ca_pem = ca, .server_name = "localhost"}});
  }
  absl::StatusOr<Response> Post(Client& client, std::string body) const {
    return client.Send({.method = "POST",
                        .target = "/",
                        .headers = {{"Content-Type", "text/plain"}},
                        .body = std::move(body),
                        .peer = ""},
                       absl::Seconds(20));
  }
  // A plain TCP connection to the server.
  int Connect() const {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(ParseHostPort(server_->addresses()[0])->port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
    return fd;
  }

  testing_tls::Authority authority_;
  Echo echo_;
  std::shared_ptr<ServerTls> tls_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTlsTest, RequestsOneAfterTheOtherAndLargeOnes) {
  const auto client = NewTlsClient(authority_.ca_pem());
  for (int i = 0; i < 5; ++i) {
    const auto answer = Post(*client, StrCat("hello ", i));
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->body, StrCat("POST hello ", i));
  }
  const std::string large(size_t{3} << 20, 'x');
  const auto answer = Post(*client, large);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->body.size(), large.size() + 5);
}

TEST_F(ServerTlsTest, WhoeverTrustsAnotherAuthorityGetsNothing) {
  const testing_tls::Authority other;
  const auto client = NewTlsClient(other.ca_pem());
  EXPECT_FALSE(Post(*client, "x").ok());
}

TEST_F(ServerTlsTest, PlainHttpIsNotServed) {
  const int fd = Connect();
  const std::string request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  ASSERT_EQ(send(fd, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  std::string got;
  char piece[256];
  for (ssize_t n; (n = recv(fd, piece, sizeof(piece), 0)) > 0;)
    got.append(piece, static_cast<size_t>(n));
  EXPECT_EQ(got.find("HTTP/1.1"), std::string::npos);
  close(fd);
}

TEST_F(ServerTlsTest, AHandshakeThatNeverBeginsIsCut) {
  const int fd = Connect();
  char byte;
  EXPECT_LE(recv(fd, &byte, 1, 0), 0) << "the server ends it after its header timeout";
  close(fd);
}

TEST_F(ServerTlsTest, BeyondTheLimitConnectionsAreDroppedWithoutAHandshake) {
  std::vector<int> held = {Connect(), Connect(), Connect(), Connect()};
  char byte;
  EXPECT_LE(recv(held.back(), &byte, 1, 0), 0);
  for (const int fd : held) close(fd);
}

TEST_F(ServerTlsTest, StopEndsHandshakesToo) {
  const int fd = Connect();
  EXPECT_EQ(server_->Stop(absl::Now() + absl::Seconds(10)), 0);
  close(fd);
}

TEST_F(ServerTlsTest, BadMaterialIsRefusedAndTheGoodStays) {
  const auto a = authority_.Issue("a", "DNS:localhost"), b = authority_.Issue("b", "DNS:localhost");
  EXPECT_FALSE(tls_->Replace({a.cert_pem, b.key_pem, ""}).ok()) << "a key of another certificate";
  EXPECT_FALSE(tls_->Replace({"", "", ""}).ok());
  EXPECT_FALSE(tls_->Replace({a.cert_pem.substr(0, 100), a.key_pem, ""}).ok());
  EXPECT_FALSE(tls_->Replace({a.cert_pem, "", ""}).ok());
  const auto client = NewTlsClient(authority_.ca_pem());
  EXPECT_TRUE(Post(*client, "x").ok());
  EXPECT_FALSE(ServerTls::Make("no PEM", "no PEM").ok());
}

TEST(SelfSignedTest, TwoAreNotTheSame) {
  EXPECT_NE(SelfSigned("localhost")->cert_pem, SelfSigned("localhost")->cert_pem);
  EXPECT_FALSE(SelfSigned("").ok());
}

}  // namespace
}  // namespace deepseek::http
