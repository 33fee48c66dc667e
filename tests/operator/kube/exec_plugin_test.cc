#include "operator/kube/exec_plugin.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "base/json_full.h"
#include "base/strings.h"
#include "tests/support/temp_dir.h"

namespace deepseek::kube {
namespace {

constexpr char kV1[] = "client.authentication.k8s.io/v1";
const ExecCluster kCluster{.server = "https://a:1", .server_name = "api", .ca_pem = "the CA"};

std::string Credential(const Json& status, const std::string& version = kV1) {
  return Json{{"apiVersion", version}, {"kind", "ExecCredential"}, {"status", status}}.dump();
}

TEST(ExecPluginTest, IsToldOfTheClusterIfItAsks) {
  ExecPlugin plugin{.api_version = kV1, .command = "login"};
  EXPECT_EQ(
      Json::parse(ExecInfo(plugin, kCluster, true)),
      Json({{"apiVersion", kV1}, {"kind", "ExecCredential"}, {"spec", {{"interactive", true}}}}));
  plugin.provide_cluster_info = true;
  EXPECT_EQ(Json::parse(ExecInfo(plugin, kCluster, false))["spec"],
            Json({{"interactive", false},
                  {"cluster",
                   {{"server", "https://a:1"},
                    {"tls-server-name", "api"},
                    {"certificate-authority-data", "dGhlIENB"}}}}));
}

TEST(ExecPluginTest, TokensAndCertificatesAreRead) {
  const auto token = ParseExecCredential(
      Credential({{"token", "t"}, {"expirationTimestamp", "2024-01-01T00:00:00Z"}}), kV1);
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_EQ(token->token, "t");
  EXPECT_EQ(token->expires, absl::FromUnixSeconds(1704067200));
  const auto pair = ParseExecCredential(
      Credential({{"clientCertificateData", "c"}, {"clientKeyData", "k"}}), kV1);
  ASSERT_TRUE(pair.ok()) << pair.status();
  EXPECT_EQ(pair->cert_pem, "c");
  EXPECT_EQ(pair->key_pem, "k");
  EXPECT_EQ(pair->expires, absl::InfiniteFuture());
}

TEST(ExecPluginTest, WhatItPrintsIsNotTrusted) {
  const struct {
    std::string text;
    const char* said;
  } kCases[] = {
      {"", "no JSON object"},
      {"[1]", "no JSON object"},
      {"{}", "not of kind ExecCredential"},
      {Credential({{"token", "t"}}, "client.authentication.k8s.io/v1beta1"), "v1beta1"},
      {Json{{"apiVersion", kV1}, {"kind", "ExecCredential"}}.dump(), "no status"},
      {Credential(Json::object()), "no token and no certificate"},
      {Credential({{"token", 7}}), "no token and no certificate"},
      {Credential({{"clientKeyData", "k"}}), "only one of"},
      {Credential({{"token", "t"}, {"expirationTimestamp", "tomorrow"}}), "'tomorrow'"},
  };
  for (const auto& c : kCases) {
    const auto status = ParseExecCredential(c.text, kV1).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << c.text;
    EXPECT_NE(status.message().find(c.said), absl::string_view::npos) << status;
  }
}

class ExecSourceTest : public ::testing::Test {
 protected:
  ExecCredentialSource Source(ExecPlugin plugin, bool terminal = false) {
    return {std::move(plugin), kCluster,
            [this](const ExecPlugin&, const std::string&,
                   bool interactive) -> absl::StatusOr<std::string> {
              ++runs_;
              interactive_ = interactive;
              return Credential({{"token", StrCat("t", runs_)},
                                 {"expirationTimestamp", absl::FormatTime(now_ + absl::Hours(1))}});
            },
            terminal, [this] { return now_; }};
  }
  ExecPlugin plugin_{.api_version = kV1, .command = "login", .install_hint = "apt install login"};
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  int runs_ = 0;
  bool interactive_ = false;
};

TEST_F(ExecSourceTest, RunsShortlyBeforeTheEndAndWhenRefused) {
  ExecCredentialSource source = Source(plugin_);
  EXPECT_EQ(source.Get(false)->token, "t1");
  now_ += absl::Minutes(59);
  EXPECT_EQ(source.Get(false)->token, "t1");
  now_ += absl::Seconds(31);
  EXPECT_EQ(source.Get(false)->token, "t2");
  EXPECT_EQ(source.Get(true)->token, "t3");
}

TEST_F(ExecSourceTest, AsksQuestionsOnlyOnATerminal) {
  using Interactive = ExecPlugin::Interactive;
  EXPECT_TRUE(Source(plugin_).Get(false).ok());
  EXPECT_FALSE(interactive_);
  EXPECT_TRUE(Source(plugin_, true).Get(false).ok());
  EXPECT_TRUE(interactive_);
  plugin_.interactive = Interactive::kNever;
  EXPECT_TRUE(Source(plugin_, true).Get(false).ok());
  EXPECT_FALSE(interactive_);
  plugin_.interactive = Interactive::kAlways;
  EXPECT_TRUE(Source(plugin_, true).Get(false).ok());
  const auto refused = Source(plugin_).Get(false).status();
  EXPECT_TRUE(absl::IsUnauthenticated(refused)) << refused;
  EXPECT_NE(refused.message().find("apt install login"), absl::string_view::npos) << refused;
}

class StartExecPluginTest : public ::testing::Test {
 protected:
  // A program of the plugin's name.
  std::string Program(const std::string& script) {
    const std::string path = (dir_ / "plugin").string();
    std::ofstream(path) << "#!/bin/sh\n" << script;
    chmod(path.c_str(), 0700);
    return path;
  }
  absl::StatusOr<std::string> Start(ExecPlugin plugin) {
    return StartExecPlugin(plugin, "the info", /*interactive=*/false);
  }
  const TempDir dir_{"exec_plugin"};
};

TEST_F(StartExecPluginTest, GetsItsWordsItsVariablesAndNoInput) {
  const auto output =
      Start({.api_version = kV1,
             .command = Program("read -r line; echo \"$1|$2|$A|$KUBERNETES_EXEC_INFO|"
                                "$line|${PATH:+inherited}\""),
             .args = {"get", "a b"},
             .env = {{"A", "x=y"}}});
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(*output, "get|a b|x=y|the info||inherited\n");
}

TEST_F(StartExecPluginTest, FailuresNameTheProgramAndTheHint) {
  ExecPlugin plugin{.api_version = kV1, .command = Program("exit 3"), .install_hint = "try apt"};
  auto status = Start(plugin).status();
  EXPECT_TRUE(absl::IsUnauthenticated(status)) << status;
  EXPECT_NE(status.message().find("exit status 3"), absl::string_view::npos) << status;
  EXPECT_NE(status.message().find("try apt"), absl::string_view::npos) << status;
  plugin.command = Program("kill -9 $$");
  EXPECT_NE(Start(plugin).status().message().find("a signal"), absl::string_view::npos);
  plugin.command = (dir_ / "absent").string();
  status = Start(plugin).status();
  EXPECT_NE(status.message().find("cannot be started"), absl::string_view::npos) << status;
  EXPECT_NE(status.message().find("absent"), absl::string_view::npos) << status;
}

}  // namespace
}  // namespace deepseek::kube
