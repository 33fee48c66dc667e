#include "operator/kube/config.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/strings.h"
#include "tests/support/temp_dir.h"

namespace deepseek::kube {
namespace {

namespace fs = std::filesystem;

class ConfigTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text) {
    const fs::path path = dir_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path.string();
  }
  // A kubeconfig with one context; `cluster` and `user` are bodies in YAML's flow style.
  std::string Kubeconfig(const std::string& name, const std::string& context,
                         const std::string& cluster, const std::string& user) {
    return Write(name, StrCat("apiVersion: v1\nkind: Config\ncurrent-context: ", context,
                              "\nclusters: [{name: ", context, "-c, cluster: ", cluster,
                              "}]\nusers: [{name: ", context, "-u, user: ", user,
                              "}]\ncontexts: [{name: ", context, ", context: {cluster: ", context,
                              "-c, user: ", context, "-u, namespace: models}}]\n"));
  }
  void Refused(const std::string& cluster, const std::string& user, const std::string& words) {
    const auto config = LoadKubeconfig(Kubeconfig("refused", "dev", cluster, user));
    EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(std::string(config.status().message()).find(words), std::string::npos)
        << config.status();
  }

  const TempDir dir_{"kube_config"};
};

TEST_F(ConfigTest, ReadsDataAndFilesRelativeToTheKubeconfig) {
  Write("sub/ca.crt", "the CA");
  Write("sub/token", "old");
  const std::string path = Kubeconfig(
      "sub/config", "dev",
      "{server: 'https://10.0.0.1:6443', certificate-authority: ca.crt, tls-server-name: api}",
      "{client-certificate-data: Y2VydA==, client-key-data: a2V5, tokenFile: token}");
  const auto config = LoadKubeconfig(path);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->server, "https://10.0.0.1:6443");
  EXPECT_EQ(config->server_name, "api");
  EXPECT_EQ(*config->ca.Read(), "the CA");
  EXPECT_EQ(*config->cert.Read(), "cert");
  EXPECT_EQ(*config->key.Read(), "key");
  EXPECT_EQ(*config->token.Read(), "old");
  Write("sub/token", "new");
  EXPECT_EQ(*config->token.Read(), "new");
  EXPECT_EQ(config->ns, "models");
  EXPECT_NE(config->origin.find("context dev"), std::string::npos);
}

TEST_F(ConfigTest, RefusesWhatIsNotSafeOrNotSupported) {
  const std::string good = "{server: 'https://a:1'}", user = "{token: t}";
  Refused("{server: 'https://a:1', insecure-skip-tls-verify: true}", user,
          "insecure-skip-tls-verify");
  Refused("{server: 'http://a:1'}", user, "https://");
  Refused("{server: 'https://a:1', proxy-url: 'http://p'}", user, "proxy-url");
  Refused("{server: 'https://a:1', certificate-authority-data: '!!'}", user, "base64");
  Refused(good, "{exec: {command: aws}}", "exec: apiVersion ''");
  Refused(good, "{exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: aws}}",
          "v1alpha1");
  const std::string v1 = "{exec: {apiVersion: client.authentication.k8s.io/v1";
  Refused(good, v1 + "}}", "command is missing");
  Refused(good, v1 + ", command: aws}}", "interactiveMode ''");
  Refused(good, v1 + ", command: aws, interactiveMode: Sometimes}}", "'Sometimes'");
  Refused(good, "{auth-provider: {name: gcp}}", "auth-provider");
  Refused(good, "{username: a, password: b}", "username");
}

TEST_F(ConfigTest, ReadsExecPlugins) {
  const std::string path =
      Kubeconfig("sub/config", "dev", "{server: 'https://10.0.0.1:6443'}",
                 "{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./bin/login, args: "
                 "[get, token],"
                 " env: [{name: A, value: b}], installHint: apt, provideClusterInfo: true,"
                 " interactiveMode: Never}}");
  const auto config = LoadKubeconfig(path);
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_TRUE(config->exec.has_value());
  const ExecPlugin& exec = *config->exec;
  EXPECT_EQ(exec.command, (dir_ / "sub/./bin/login").string());
  EXPECT_EQ(exec.args, (std::vector<std::string>{"get", "token"}));
  EXPECT_EQ(exec.env, (std::map<std::string, std::string>{{"A", "b"}}));
  EXPECT_EQ(exec.install_hint, "apt");
  EXPECT_TRUE(exec.provide_cluster_info);
  EXPECT_EQ(exec.interactive, ExecPlugin::Interactive::kNever);
  const std::string named =
      Kubeconfig("named", "dev", "{server: 'https://10.0.0.1:6443'}",
                 "{exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: aws}}");
  EXPECT_EQ(LoadKubeconfig(named)->exec->command, "aws");
}

TEST_F(ConfigTest, MalformedFilesAreErrorsNotCrashes) {
  for (const char* text :
       {"", "[1, 2]", "a: [", "current-context: x", "\t\0x", "current-context: x\ncontexts: {x: 1}",
        "current-context: x\ncontexts: [{name: x, context: 7}]",
        "current-context: x\ncontexts: [{name: x, context: {cluster: c}}]\n"
        "clusters: [{name: c, cluster: [1]}]"}) {
    EXPECT_FALSE(LoadKubeconfig(Write("bad", text)).ok()) << text;
  }
  const auto missing = LoadKubeconfig((dir_ / "nothing").string());
  EXPECT_TRUE(absl::IsNotFound(missing.status()));
  EXPECT_NE(std::string(missing.status().message()).find("nothing"), std::string::npos);
}

TEST_F(ConfigTest, TheFirstFileOfAListWins) {
  const std::string a = Kubeconfig("a", "one", "{server: 'https://a:1'}", "{token: a}");
  const std::string b = Kubeconfig("b", "two", "{server: 'https://b:1'}", "{token: b}");
  const std::string list = StrCat((dir_ / "missing").string(), ":", a, ":", b);
  EXPECT_EQ(LoadKubeconfig(list)->server, "https://a:1");
  EXPECT_EQ(LoadKubeconfig(list, "two")->token.text, "b");
  EXPECT_TRUE(absl::IsNotFound(LoadKubeconfig(list, "three").status()));
}

TEST_F(ConfigTest, InClusterReadsThePodsServiceAccount) {
  const std::string root = (dir_ / "sa").string();
  EXPECT_FALSE(LoadInCluster(root, "10.0.0.1", "443").ok());  // no token mounted
  Write("sa/token", "t\n");
  Write("sa/ca.crt", "ca");
  Write("sa/namespace", "system\n");
  const auto config = LoadInCluster(root, "10.0.0.1", "443");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->server, "https://10.0.0.1:443");
  EXPECT_EQ(config->ns, "system");
  EXPECT_EQ(LoadInCluster(root, "fd00::1", "443")->server, "https://[fd00::1]:443");
  EXPECT_TRUE(absl::IsNotFound(LoadInCluster(root, "", "").status()));
}

TEST_F(ConfigTest, TheFlagComesFirstThenTheEnvironmentThenHome) {
  const std::string a = Kubeconfig("a", "one", "{server: 'https://flag:1'}", "{token: a}");
  const std::string b = Kubeconfig("b", "two", "{server: 'https://env:1'}", "{token: b}");
  Kubeconfig(".kube/config", "three", "{server: 'https://home:1'}", "{token: c}");
  EXPECT_EQ(LoadConfig(a, {{"KUBECONFIG", b}, {"HOME", dir_.path()}})->server, "https://flag:1");
  EXPECT_EQ(LoadConfig("", {{"KUBECONFIG", b}, {"HOME", dir_.path()}})->server, "https://env:1");
  EXPECT_EQ(LoadConfig("", {{"HOME", dir_.path()}})->server, "https://home:1");
  const auto none = LoadConfig("", {{"HOME", (dir_ / "nobody").string()}});
  EXPECT_NE(std::string(none.status().message()).find("--kubeconfig"), std::string::npos);
}

TEST_F(ConfigTest, InAPodTheCommandLineStillTakesTheUsersOwnFile) {
  const std::string a = Kubeconfig("a", "one", "{server: 'https://flag:1'}", "{token: a}");
  Kubeconfig(".kube/config", "three", "{server: 'https://home:1'}", "{token: c}");
  std::map<std::string, std::string> env = {{"KUBERNETES_SERVICE_HOST", "10.0.0.1"},
                                            {"KUBERNETES_SERVICE_PORT", "443"},
                                            {"HOME", dir_.path()}};
  EXPECT_EQ(LoadUserConfig("", "", env)->server, "https://home:1");
  EXPECT_EQ(LoadUserConfig("", "three", env)->server, "https://home:1");
  EXPECT_TRUE(absl::IsNotFound(LoadUserConfig("", "four", env).status()));
  EXPECT_EQ(LoadUserConfig(a, "", env)->server, "https://flag:1");
  EXPECT_FALSE(LoadConfig("", env).ok()) << "the operator looks for the pod's account first";
  env["KUBECONFIG"] = a;
  EXPECT_EQ(LoadUserConfig("", "", env)->server, "https://flag:1");
  env = {{"HOME", (dir_ / "nobody").string()}};
  EXPECT_EQ(LoadUserConfig("", "", env).status(), LoadConfig("", env).status());
}

}  // namespace
}  // namespace deepseek::kube
