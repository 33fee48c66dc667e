#include "operator/kube/config.h"

#include <yaml-cpp/yaml.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::kube {
namespace {

namespace fs = std::filesystem;

constexpr char kServiceAccountRoot[] = "/var/run/secrets/kubernetes.io/serviceaccount";

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) {
    return absl::NotFoundError(StrCat("cannot read ", path));
  }
  return text.str();
}

std::string Text(const YAML::Node& node, const char* key) {
  if (!node.IsMap()) return "";
  const YAML::Node value = node[key];
  return value.IsDefined() && value.IsScalar() ? value.Scalar() : "";
}

// A named entry of `clusters`, `users` or `contexts`, and the file that it came from.
struct Entry {
  YAML::Node body;
  fs::path directory;  // relative file names start here
};

// The files of one KUBECONFIG, the first definition of a name wins.
class Kubeconfig {
 public:
  absl::Status Add(const std::string& path) {
    ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
    try {
      const YAML::Node root = YAML::Load(text);
      if (!root.IsMap()) {
        return absl::InvalidArgumentError(StrCat("kubeconfig ", path, ": not a mapping"));
      }
      if (current_.empty()) current_ = Text(root, "current-context");
      files_.push_back({root, fs::absolute(path).parent_path()});
    } catch (const YAML::Exception& e) {
      return absl::InvalidArgumentError(StrCat("kubeconfig ", path, ": ", e.what()));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Entry> Find(const char* list, const char* kind, const std::string& name) const {
    for (const Entry& file : files_) {
      const YAML::Node entries = file.body[list];
      if (!entries.IsDefined() || !entries.IsSequence()) continue;
      for (const YAML::Node& entry : entries) {
        if (entry.IsMap() && Text(entry, "name") == name && entry[kind].IsDefined()) {
          return Entry{entry[kind], file.directory};
        }
      }
    }
    return absl::NotFoundError(StrCat("kubeconfig: no ", kind, " named '", name, "'"));
  }

  const std::string& current() const { return current_; }
  bool empty() const { return files_.empty(); }

 private:
  std::vector<Entry> files_;
  std::string current_;
};

absl::StatusOr<Material> MaterialOf(const Entry& entry, const std::string& key) {
  Material out;
  const std::string data = Text(entry.body, (key + "-data").c_str());
  if (!data.empty()) {
    if (!absl::Base64Unescape(data, &out.text)) {
      return absl::InvalidArgumentError(StrCat("kubeconfig: ", key, "-data is not base64"));
    }
  } else if (const std::string file = Text(entry.body, key.c_str()); !file.empty()) {
    out.file = (entry.directory / file).string();
  }
  return out;
}

absl::Status ReadCluster(const Entry& entry, Config* config) {
  config->server = Text(entry.body, "server");
  if (!config->server.starts_with("https://")) {
    return absl::InvalidArgumentError(StrCat("kubeconfig: server '", config->server,
                                             "' is no https:// URL (TLS is always verified)"));
  }
  if (Text(entry.body, "insecure-skip-tls-verify") == "true") {
    return absl::InvalidArgumentError(
        "kubeconfig: insecure-skip-tls-verify is refused (set certificate-authority-data)");
  }
  if (!Text(entry.body, "proxy-url").empty()) {
    return absl::InvalidArgumentError("kubeconfig: proxy-url is not supported");
  }
  config->server_name = Text(entry.body, "tls-server-name");
  ASSIGN_OR_RETURN(config->ca, MaterialOf(entry, "certificate-authority"));
  return absl::OkStatus();
}

absl::StatusOr<ExecPlugin> ReadExec(const YAML::Node& node, const fs::path& directory) {
  using Interactive = ExecPlugin::Interactive;
  ExecPlugin out;
  out.api_version = Text(node, "apiVersion");
  const bool v1 = out.api_version == "client.authentication.k8s.io/v1";
  if (!v1 && out.api_version != "client.authentication.k8s.io/v1beta1") {
    return absl::InvalidArgumentError(
        StrCat("kubeconfig: exec: apiVersion '", out.api_version,
               "' is not supported (client.authentication.k8s.io/v1 or v1beta1)"));
  }
  out.command = Text(node, "command");
  if (out.command.empty()) {
    return absl::InvalidArgumentError("kubeconfig: exec: command is missing");
  }
  // As client-go does: a name is looked for on the PATH, a path starts at the kubeconfig.
  if (out.command.find('/') != std::string::npos) {
    out.command = (directory / out.command).string();
  }
  for (const YAML::Node& word : node["args"]) out.args.push_back(word.Scalar());
  for (const YAML::Node& entry : node["env"]) out.env[Text(entry, "name")] = Text(entry, "value");
  out.install_hint = Text(node, "installHint");
  out.provide_cluster_info = Text(node, "provideClusterInfo") == "true";
  const std::string mode = Text(node, "interactiveMode");
  if (mode == "Never") {
    out.interactive = Interactive::kNever;
  } else if (mode == "Always") {
    out.interactive = Interactive::kAlways;
  } else if (mode != "IfAvailable" && (v1 || !mode.empty())) {
    return absl::InvalidArgumentError(StrCat("kubeconfig: exec: interactiveMode '", mode,
                                             "' is none of Never, IfAvailable, Always"));
  }
  return out;
}

absl::Status ReadUser(const Entry& entry, Config* config) {
  for (const char* refused : {"auth-provider", "username", "password"}) {
    if (entry.body.IsMap() && entry.body[refused].IsDefined()) {
      return absl::InvalidArgumentError(StrCat(
          "kubeconfig: user entry with '", refused,
          "' is not supported (use a client certificate, a token or the pod's service account)"));
    }
  }
  if (entry.body.IsMap() && entry.body["exec"].IsDefined()) {
    ASSIGN_OR_RETURN(config->exec, ReadExec(entry.body["exec"], entry.directory));
  }
  ASSIGN_OR_RETURN(config->cert, MaterialOf(entry, "client-certificate"));
  ASSIGN_OR_RETURN(config->key, MaterialOf(entry, "client-key"));
  config->token.text = Text(entry.body, "token");
  const std::string token_file = Text(entry.body, "tokenFile");
  if (!token_file.empty()) {  // as in client-go, the file wins
    config->token = {.text = "", .file = (entry.directory / token_file).string()};
  }
  return absl::OkStatus();
}

std::string Variable(const std::map<std::string, std::string>& env, const char* name) {
  const auto it = env.find(name);
  return it == env.end() ? "" : it->second;
}

std::string HomeKubeconfig(const std::map<std::string, std::string>& env) {
  return Variable(env, "HOME") + "/.kube/config";
}

}  // namespace

absl::StatusOr<std::string> Material::Read() const {
  if (file.empty()) return text;
  return ReadFile(file);
}

absl::StatusOr<Config> LoadKubeconfig(std::string_view paths, std::string_view context) {
  Kubeconfig files;
  const std::vector<std::string> names = absl::StrSplit(ToAbsl(paths), ':', absl::SkipEmpty());
  for (const std::string& path : names) {
    // In a list, kubectl skips what is missing; a single file that is missing is a mistake.
    std::error_code ignored;
    if (names.size() > 1 && !fs::exists(path, ignored)) continue;
    RETURN_IF_ERROR(files.Add(path));
  }
  if (files.empty()) return absl::NotFoundError(StrCat("kubeconfig: no file in '", paths, "'"));
  const std::string name = context.empty() ? files.current() : std::string(context);
  if (name.empty()) {
    return absl::InvalidArgumentError(
        StrCat("kubeconfig ", paths, ": no current-context (kubectl config use-context ...)"));
  }
  try {
    Config config;
    ASSIGN_OR_RETURN(const Entry chosen, files.Find("contexts", "context", name));
    ASSIGN_OR_RETURN(const Entry cluster,
                     files.Find("clusters", "cluster", Text(chosen.body, "cluster")));
    RETURN_IF_ERROR(ReadCluster(cluster, &config));
    ASSIGN_OR_RETURN(const Entry user, files.Find("users", "user", Text(chosen.body, "user")));
    RETURN_IF_ERROR(ReadUser(user, &config));
    if (const std::string ns = Text(chosen.body, "namespace"); !ns.empty()) config.ns = ns;
    config.origin = StrCat("kubeconfig ", paths, ", context ", name);
    return config;
  } catch (const YAML::Exception& e) {
    return absl::InvalidArgumentError(StrCat("kubeconfig ", paths, ": ", e.what()));
  }
}

absl::StatusOr<Config> LoadInCluster(std::string_view root, std::string_view host,
                                     std::string_view port) {
  if (host.empty() || port.empty()) {
    return absl::NotFoundError("not in a cluster: KUBERNETES_SERVICE_HOST and _PORT are not set");
  }
  Config config;
  const bool v6 = host.find(':') != std::string_view::npos;
  config.server = StrCat("https://", v6 ? "[" : "", host, v6 ? "]" : "", ":", port);
  config.ca.file = StrCat(root, "/ca.crt");
  config.token.file = StrCat(root, "/token");
  RETURN_IF_ERROR(config.token.Read().status());
  RETURN_IF_ERROR(config.ca.Read().status());
  if (const absl::StatusOr<std::string> ns = ReadFile(StrCat(root, "/namespace")); ns.ok()) {
    config.ns = std::string(absl::StripAsciiWhitespace(*ns));
  }
  config.origin = "the pod's service account";
  return config;
}

absl::StatusOr<Config> LoadConfig(std::string_view kubeconfig,
                                  const std::map<std::string, std::string>& env) {
  if (!kubeconfig.empty()) return LoadKubeconfig(kubeconfig);
  if (const std::string paths = Variable(env, "KUBECONFIG"); !paths.empty()) {
    return LoadKubeconfig(paths);
  }
  if (const std::string host = Variable(env, "KUBERNETES_SERVICE_HOST"); !host.empty()) {
    return LoadInCluster(kServiceAccountRoot, host, Variable(env, "KUBERNETES_SERVICE_PORT"));
  }
  const std::string home = HomeKubeconfig(env);
  std::error_code ignored;
  if (fs::exists(home, ignored)) return LoadKubeconfig(home);
  return absl::NotFoundError(
      "no cluster: not in a pod, KUBECONFIG is not set and ~/.kube/config does not exist "
      "(pass --kubeconfig)");
}

absl::StatusOr<Config> LoadUserConfig(std::string_view kubeconfig, std::string_view context,
                                      const std::map<std::string, std::string>& env) {
  std::string paths(kubeconfig);
  if (paths.empty()) paths = Variable(env, "KUBECONFIG");
  if (paths.empty()) {
    const std::string home = HomeKubeconfig(env);
    std::error_code ignored;
    if (context.empty() && !fs::exists(home, ignored)) return LoadConfig("", env);
    paths = home;
  }
  return LoadKubeconfig(paths, context);
}

std::map<std::string, std::string> ConfigEnvironment() {
  std::map<std::string, std::string> out;
  for (const char* name :
       {"KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "HOME"}) {
    if (const char* value = std::getenv(name)) out[name] = value;
  }
  return out;
}

}  // namespace deepseek::kube
