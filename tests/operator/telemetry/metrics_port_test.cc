#include "operator/telemetry/metrics_port.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "absl/time/clock.h"
#include "base/http/certificate_files.h"
#include "base/http/client.h"
#include "base/strings.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tls/certificates.h"

namespace deepseek::telemetry {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class MetricsPortTest : public ::testing::Test {
 protected:
  void Serve(std::shared_ptr<http::ServerTls> tls) {
    auto server = ServeMetrics("127.0.0.1:0", std::move(tls), port_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  absl::StatusOr<http::Response> Get(const std::string& ca, const std::string& path,
                                     const std::string& authorization,
                                     const std::string& method = "GET") {
    auto client = http::NewClient({.base_url = StrCat("https://", server_->addresses()[0]),
                                   .tls = {.ca_pem = ca, .server_name = "localhost"}});
    EXPECT_TRUE(client.ok()) << client.status();
    return (*client)->Send({.method = method,
                            .target = path,
                            .headers = {{"Authorization", authorization}},
                            .body = "",
                            .peer = ""},
                           absl::Seconds(10));
  }

  Telemetry telemetry_{"1"};
  MetricsPort port_{telemetry_,
                    [](std::string_view who, std::string_view /*path*/) -> absl::Status {
                      if (who == "Bearer down") return absl::UnavailableError("cut");
                      if (who == "Bearer weak") return absl::PermissionDeniedError("may not");
                      if (who != "Bearer good") return absl::UnauthenticatedError("who are you");
                      return absl::OkStatus();
                    }};
  testing_tls::Authority authority_;
  std::unique_ptr<http::Server> server_;
};

TEST_F(MetricsPortTest, OverTlsForWhomItMayLetIn) {
  const auto identity = authority_.Issue("operator", "DNS:localhost,IP:127.0.0.1");
  Serve(*http::ServerTls::Make(identity.cert_pem, identity.key_pem));
  const std::string& ca = authority_.ca_pem();
  const auto good = Get(ca, "/metrics", "Bearer good");
  ASSERT_TRUE(good.ok()) << good.status();
  EXPECT_EQ(good->status, 200);
  EXPECT_THAT(good->body, HasSubstr("controller_runtime_reconcile_total"));
  EXPECT_EQ(Get(ca, "/metrics", "")->status, 401);
  EXPECT_EQ(Get(ca, "/metrics", "Bearer weak")->status, 403);
  EXPECT_EQ(Get(ca, "/metrics", "Bearer down")->status, 500);
  EXPECT_EQ(Get(ca, "/secret", "")->status, 401) << "strangers do not learn what there is";
  EXPECT_EQ(Get(ca, "/secret", "Bearer good")->status, 404);
  EXPECT_EQ(Get(ca, "/metrics", "Bearer good", "DELETE")->status, 405);
}

TEST_F(MetricsPortTest, ACertificateInFilesIsReplacedWhileItIsServed) {
  const TempDir dir("metrics_port_test");
  const auto write = [&](const testing_tls::Identity& identity) {
    std::ofstream(dir / "tls.crt") << identity.cert_pem;
    std::ofstream(dir / "tls.key") << identity.key_pem;
  };
  write(authority_.Issue("operator", "DNS:localhost"));
  http::CertificateFiles files((dir / "tls.crt").string(), (dir / "tls.key").string());
  auto tls = files.Load();
  ASSERT_TRUE(tls.ok()) << tls.status();
  Serve(*tls);
  EXPECT_EQ(Get(authority_.ca_pem(), "/metrics", "Bearer good")->status, 200);
  EXPECT_FALSE(*files.Refresh(absl::Now()));

  const testing_tls::Authority other;
  const auto next = other.Issue("operator", "DNS:localhost");
  std::ofstream(dir / "tls.crt")
      << next.cert_pem;  // half of a change: the key is still the old one
  EXPECT_FALSE(files.Refresh(absl::Now()).ok());
  EXPECT_EQ(Get(authority_.ca_pem(), "/metrics", "Bearer good")->status, 200);
  write(next);
  EXPECT_TRUE(*files.Refresh(absl::Now()));
  EXPECT_EQ(Get(other.ca_pem(), "/metrics", "Bearer good")->status, 200);
  EXPECT_FALSE(Get(authority_.ca_pem(), "/metrics", "Bearer good").ok());
  fs::remove(dir / "tls.crt");
  EXPECT_FALSE(files.Refresh(absl::Now()).ok());
  EXPECT_FALSE(http::CertificateFiles("/absent", "/absent").Load().ok());
}

TEST_F(MetricsPortTest, ACertificateOfOurOwnMaking) {
  const auto pair = http::SelfSigned("localhost");
  ASSERT_TRUE(pair.ok()) << pair.status();
  Serve(*http::ServerTls::Make(pair->cert_pem, pair->key_pem));
  EXPECT_EQ(Get(pair->cert_pem, "/metrics", "Bearer good")->status, 200);
}

}  // namespace
}  // namespace deepseek::telemetry
