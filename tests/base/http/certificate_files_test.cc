#include "base/http/certificate_files.h"

#include <gtest/gtest.h>

#include <fstream>

#include "absl/time/clock.h"
#include "base/http/client.h"
#include "base/http/server.h"
#include "base/strings.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tls/certificates.h"

namespace deepseek::http {
namespace {

using testing_tls::Authority;
using testing_tls::Identity;

class Echo : public Handler {
 public:
  void Handle(Request request, std::shared_ptr<ResponseWriter> writer) override {
    writer->Send({200, "text/plain", {}, request.body});
  }
};

class CertificateFilesTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const { return (dir_ / name).string(); }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name)) << text;
  }
  void Write(const Identity& identity) const {
    Write("tls.crt", identity.cert_pem);
    Write("tls.key", identity.key_pem);
  }
  void Start(const std::string& client_ca = "") {
    if (!client_ca.empty()) Write("ca.crt", client_ca);
    Write(authority_.Issue("server", "DNS:localhost"));
    files_ = std::make_unique<CertificateFiles>(Path("tls.crt"), Path("tls.key"),
                                                client_ca.empty() ? "" : Path("ca.crt"));
    auto tls = files_->Load();
    ASSERT_TRUE(tls.ok()) << tls.status();
    ServerOptions options;
    options.addresses = {"127.0.0.1:0"};
    options.tls = *tls;
    server_ = *StartServer(std::move(options), echo_);
  }
  std::unique_ptr<Client> NewTlsClient(const std::string& ca, const Identity& as = {}) const {
    return *NewClient({.base_url = StrCat("https://", server_->addresses()[0]),
                       .tls = {.ca_pem = ca,
                               .cert_pem = as.cert_pem,
                               .key_pem = as.key_pem,
                               .server_name = "localhost"}});
  }
  static bool Answers(Client& client) {
    const auto answer =
        client.Send({.method = "POST", .target = "/", .headers = {}, .body = "x", .peer = ""},
                    absl::Seconds(20));
    return answer.ok() && answer->body == "x";
  }

  const TempDir dir_{"certificate_files_test"};
  const Authority authority_;
  Echo echo_;
  std::unique_ptr<CertificateFiles> files_;
  std::unique_ptr<Server> server_;
};

TEST_F(CertificateFilesTest, AHundredRotationsLoseNoCall) {
  Start();
  const auto kept = NewTlsClient(authority_.ca_pem());
  for (int i = 0; i < 100; ++i) {
    Write(authority_.Issue("server", "DNS:localhost"));
    ASSERT_TRUE(*files_->Refresh(absl::Now()));
    ASSERT_FALSE(*files_->Refresh(absl::Now())) << "nothing new";
    ASSERT_TRUE(Answers(*kept)) << "a connection from before";
    ASSERT_TRUE(Answers(*NewTlsClient(authority_.ca_pem())));
  }
}

TEST_F(CertificateFilesTest, BadMaterialNeverTakesTheGoodAway) {
  Start();
  const auto used = files_->not_after();
  const Identity good = authority_.Issue("server", "DNS:localhost");
  const Identity other = authority_.Issue("server", "DNS:localhost");
  const Identity expired = authority_.Issue("server", "DNS:localhost", /*expired=*/true);
  const std::vector<Identity> bad = {
      {good.cert_pem, other.key_pem},
      {good.cert_pem.substr(0, good.cert_pem.size() / 2), good.key_pem},
      {good.cert_pem, good.key_pem.substr(0, good.key_pem.size() / 2)},
      {"", good.key_pem},
      {good.cert_pem, ""},
      {"", ""},
      expired,
      {good.key_pem, good.cert_pem}};
  for (const Identity& material : bad) {
    Write(material);
    EXPECT_FALSE(files_->Refresh(absl::Now()).ok());
    EXPECT_TRUE(Answers(*NewTlsClient(authority_.ca_pem())));
  }
  std::filesystem::remove(Path("tls.key"));
  EXPECT_FALSE(files_->Refresh(absl::Now()).ok());
  EXPECT_EQ(files_->not_after(), used);
  Write(good);
  EXPECT_FALSE(files_->Refresh(absl::Now() + absl::Hours(2)).ok()) << "its time is over by then";
  EXPECT_FALSE(files_->Refresh(absl::Now() - absl::Hours(2)).ok()) << "its time has not come";
  EXPECT_TRUE(*files_->Refresh(absl::Now())) << "mended";
}

TEST_F(CertificateFilesTest, DatesOfWhatIsInUse) {
  Start();
  EXPECT_TRUE(files_->CheckDates(absl::Now()).ok());
  EXPECT_FALSE(files_->CheckDates(absl::Now() + absl::Hours(2)).ok());
  EXPECT_GT(files_->not_after(), absl::Now());
}

TEST_F(CertificateFilesTest, ClientsNeedACertificateOfTheirAuthority) {
  const Authority clients, strangers;
  Start(clients.ca_pem());
  const std::string& ca = authority_.ca_pem();
  EXPECT_TRUE(Answers(*NewTlsClient(ca, clients.Issue("me", ""))));
  EXPECT_FALSE(Answers(*NewTlsClient(ca)));
  EXPECT_FALSE(Answers(*NewTlsClient(ca, strangers.Issue("me", ""))));
  EXPECT_FALSE(Answers(*NewTlsClient(ca, clients.Issue("me", "", /*expired=*/true))));

  Write("ca.crt", "");
  EXPECT_FALSE(files_->Refresh(absl::Now()).ok()) << "an empty file must not open the door";
  EXPECT_FALSE(Answers(*NewTlsClient(ca)));
  Write("ca.crt", strangers.ca_pem());
  EXPECT_TRUE(*files_->Refresh(absl::Now()));
  EXPECT_FALSE(Answers(*NewTlsClient(ca, clients.Issue("me", ""))));
  EXPECT_TRUE(Answers(*NewTlsClient(ca, strangers.Issue("me", ""))));
}

TEST(CertificateFiles, WhatIsMissingIsNamed) {
  const auto status = CertificateFiles("/absent.crt", "/absent.key").Load().status();
  EXPECT_NE(std::string(status.message()).find("/absent.crt: No such file"), std::string::npos)
      << status;
}

}  // namespace
}  // namespace deepseek::http
