#include "operator/kube/http_transport.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "base/strings.h"
#include "operator/kube/client.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tls/server.h"

namespace deepseek::kube {
namespace {

namespace fs = std::filesystem;
using testing_tls::Authority;
using testing_tls::Exchange;

constexpr char kLocal[] = "DNS:localhost,IP:127.0.0.1";

class HttpTransportTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Write("ca.crt", authority_.ca_pem());
    Write("token", "one\n");
  }
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(dir_ / name) << text;
  }
  std::shared_ptr<Transport> Connect(const std::string& url) {
    Config config;
    config.server = url;
    config.ca.file = (dir_ / "ca.crt").string();
    config.token.file = (dir_ / "token").string();
    auto transport = NewHttpTransport(
        config, "test/1", [this] { return now_ + absl::Seconds(passed_seconds_.load()); });
    EXPECT_TRUE(transport.ok()) << transport.status();
    return *std::move(transport);
  }
  static HttpRequest Get(const std::string& path) {
    return {.method = "GET", .path = path, .headers = {}, .body = "", .timeout = absl::Seconds(20)};
  }
  // An API server that knows one token and tells which it got.
  std::function<bool(Exchange&)> Knows(const std::string& token) {
    return [token](Exchange& x) {
      const bool known =
          x.request.find("Authorization: Bearer " + token + "\r\n") != std::string::npos;
      return x.Answer(known ? 200 : 401, "{}");
    };
  }

  const TempDir dir_{"kube_transport"};
  Authority authority_;
  absl::Time now_ = absl::UnixEpoch();
  std::atomic<int> passed_seconds_{0};  ///< more than now_; what servers add
};

TEST_F(HttpTransportTest, ATokenThatWasReplacedIsReadAgainAfterA401) {
  testing_tls::Server server(authority_.Issue("s", kLocal), "", Knows("two"));
  const auto transport = Connect(server.url());
  EXPECT_EQ(transport->Send(Get("/"))->code, 401);  // the file still holds the old one
  Write("token", "two\n");
  EXPECT_EQ(transport->Send(Get("/"))->code, 200);
}

TEST_F(HttpTransportTest, TheSecondCallHasWhatTheFirstOneLeftOfTheTime) {
  // The new token would do, but the API server took its time to refuse the old one.
  std::atomic<int> takes{0}, asked{0};
  testing_tls::Server server(authority_.Issue("s", kLocal), "", [&](Exchange& x) {
    passed_seconds_ += takes;
    ++asked;
    return Knows("two")(x);
  });
  for (const auto& [seconds, code] : {std::pair(10, 200), std::pair(20, 401)}) {
    Write("token", "one");
    const auto transport = Connect(server.url());
    Write("token", "two");
    takes = seconds;
    asked = 0;
    const auto answer = transport->Send(Get("/"));  // has 20 s
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->code, code) << seconds;
    EXPECT_EQ(asked, code == 200 ? 2 : 1) << seconds;
  }
}

TEST_F(HttpTransportTest, AnExecPluginIsAskedBeforeItsTokenEndsAndAfterA401) {
  testing_tls::Server server(authority_.Issue("s", kLocal), "", Knows("two"));
  Config config;
  config.server = server.url();
  config.ca.file = (dir_ / "ca.crt").string();
  config.exec = ExecPlugin{.api_version = "client.authentication.k8s.io/v1", .command = "login"};
  EXPECT_TRUE(absl::IsInvalidArgument(
      NewHttpTransport(config, "test/1", [this] { return now_; }).status()));
  int runs = 0;
  const auto run = [&](const ExecPlugin&, const std::string&, bool) -> absl::StatusOr<std::string> {
    return StrCat(R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1",)",
                  R"("status":{"token":")", ++runs == 1 ? "one" : "two", "\"}}");
  };
  const auto transport =
      NewHttpTransport(config, "test/1", [this] { return now_; },
                       {.run = run, .terminal = false, .wall = [this] { return now_; }});
  ASSERT_TRUE(transport.ok()) << transport.status();
  EXPECT_EQ(runs, 1);
  EXPECT_EQ((*transport)->Send(Get("/"))->code, 200);
  EXPECT_EQ(runs, 2);
  now_ += absl::Hours(1);
  EXPECT_EQ((*transport)->Send(Get("/"))->code, 200);
  EXPECT_EQ(runs, 2);
}

TEST_F(HttpTransportTest, ATokenIsReadAgainEveryMinute) {
  std::atomic<int> twos{0};
  testing_tls::Server server(authority_.Issue("s", kLocal), "", [&](Exchange& x) {
    twos += x.request.find("Bearer two") != std::string::npos ? 1 : 0;
    return x.Answer(200, "{}");
  });
  const auto transport = Connect(server.url());
  Write("token", "two");
  ASSERT_TRUE(transport->Send(Get("/")).ok());
  EXPECT_EQ(twos, 0);
  now_ += absl::Minutes(1);
  ASSERT_TRUE(transport->Send(Get("/")).ok());
  EXPECT_EQ(twos, 1);
}

TEST_F(HttpTransportTest, TheCaIsReplacedAndABrokenFileChangesNothing) {
  const Authority next;
  testing_tls::Server old_server(authority_.Issue("s", kLocal), "", Knows("one"));
  testing_tls::Server new_server(next.Issue("s", kLocal), "", Knows("one"));
  const auto to_old = Connect(old_server.url());
  const auto to_new = Connect(new_server.url());
  EXPECT_FALSE(to_new->Send(Get("/")).ok());
  Write("ca.crt", "half a file");
  now_ += absl::Minutes(2);
  EXPECT_EQ(to_old->Send(Get("/"))->code, 200);
  Write("ca.crt", authority_.ca_pem() + next.ca_pem());
  now_ += absl::Minutes(2);
  EXPECT_EQ(to_old->Send(Get("/"))->code, 200);
  EXPECT_EQ(to_new->Send(Get("/"))->code, 200);
  fs::remove(dir_ / "ca.crt");
  now_ += absl::Minutes(2);
  EXPECT_EQ(to_new->Send(Get("/"))->code, 200);
}

TEST_F(HttpTransportTest, LinesAreWholeHoweverTheyArrive) {
  testing_tls::Server server(authority_.Issue("s", kLocal), "", [](Exchange& x) {
    x.Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (const char* chunk :
         {"3\r\n{\"a\r\n", "7\r\n\":1}\n{\"\r\n", "9\r\nb\":2}\n\n{}\r\n", "1\r\n\n\r\n"}) {
      x.Say(chunk);
    }
    x.Say("0\r\n\r\n");
    return false;
  });
  std::vector<std::string> lines;
  const auto response = Connect(server.url())
                            ->Stream(
                                Get("/watch"),
                                [&](std::string_view line) {
                                  lines.emplace_back(line);
                                  return true;
                                },
                                [] { return false; });
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(lines, (std::vector<std::string>{"{\"a\":1}", "{\"b\":2}", "", "{}"}));
}

TEST_F(HttpTransportTest, AStreamStopsInTheMiddle) {
  testing_tls::Server server(authority_.Issue("s", kLocal), "", [](Exchange& x) {
    x.Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\na\nb\n\r\n");
    x.WaitForEnd();
    return false;
  });
  int lines = 0;
  const auto response =
      Connect(server.url())
          ->Stream(
              Get("/watch"), [&](std::string_view) { return ++lines < 1; }, [] { return false; });
  EXPECT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(lines, 1);
}

TEST_F(HttpTransportTest, MissingMaterialIsAnErrorAtTheStart) {
  Config config;
  config.server = "https://127.0.0.1:1";
  config.token.file = (dir_ / "nothing").string();
  EXPECT_TRUE(
      absl::IsNotFound(NewHttpTransport(config, "t", [] { return absl::UnixEpoch(); }).status()));
}

}  // namespace
}  // namespace deepseek::kube
