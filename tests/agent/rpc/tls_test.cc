#include <fstream>

#include "base/http/server_tls.h"
#include "tests/agent/rpc/server_case.h"
#include "tests/support/tls/certificates.h"

namespace deepseek::agent::rpc {
namespace {

using testing_tls::Authority;
using testing_tls::Identity;

class RpcTlsTest : public ServerCase {
 protected:
  void StartTls(const std::string& client_ca = "") {
    tls_ = *http::ServerTls::Make(Material(authority_, client_ca));
    Start("Paris", {.tls = tls_});
  }
  static http::TlsMaterial Material(const Authority& authority, const std::string& client_ca = "") {
    const Identity identity = authority.Issue("server", "DNS:localhost,IP:127.0.0.1");
    return {identity.cert_pem, identity.key_pem, client_ca};
  }
  bool Answers(const std::string& ca, const Identity& as = {}) {
    const auto stub =
        v1::Inference::NewStub(NewChannel(grpc::SslCredentials({ca, as.key_pem, as.cert_pem})));
    return Answers(*stub);
  }
  static bool Answers(v1::Inference::Stub& stub) { return Chat(stub, kHi).second.ok(); }

  const Authority authority_;
  std::shared_ptr<http::ServerTls> tls_;
};

TEST_F(RpcTlsTest, OnlyWhoTrustsTheAuthorityIsServed) {
  StartTls();
  EXPECT_TRUE(Answers(authority_.ca_pem()));
  EXPECT_FALSE(Answers(Authority().ca_pem()));
  EXPECT_FALSE(Answers(*NewStub())) << "plain text";
}

TEST_F(RpcTlsTest, RotationsLoseNoCallAndBadPairsChangeNothing) {
  StartTls();
  const auto kept =
      v1::Inference::NewStub(NewChannel(grpc::SslCredentials({authority_.ca_pem(), "", ""})));
  for (int i = 0; i < 20; ++i) {
    http::TlsMaterial mixed = Material(authority_);
    mixed.key_pem = Material(authority_).key_pem;
    ASSERT_FALSE(tls_->Replace(mixed).ok());
    ASSERT_TRUE(Answers(authority_.ca_pem()));
    ASSERT_TRUE(tls_->Replace(Material(authority_)).ok());
    ASSERT_TRUE(Answers(authority_.ca_pem()));
    ASSERT_TRUE(Answers(*kept)) << "a connection from before";
  }
  const Authority next;
  ASSERT_TRUE(tls_->Replace(Material(next)).ok());
  EXPECT_TRUE(Answers(next.ca_pem()));
  EXPECT_FALSE(Answers(authority_.ca_pem()));
}

TEST_F(RpcTlsTest, ClientsNeedACertificateOfTheirAuthority) {
  const Authority clients, strangers;
  StartTls(clients.ca_pem());
  const std::string& ca = authority_.ca_pem();
  EXPECT_TRUE(Answers(ca, clients.Issue("me", "")));
  EXPECT_FALSE(Answers(ca));
  EXPECT_FALSE(Answers(ca, strangers.Issue("me", "")));
  ASSERT_TRUE(tls_->Replace(Material(authority_, strangers.ca_pem())).ok());
  EXPECT_FALSE(Answers(ca, clients.Issue("me", "")));
  EXPECT_TRUE(Answers(ca, strangers.Issue("me", "")));
}

}  // namespace
}  // namespace deepseek::agent::rpc
