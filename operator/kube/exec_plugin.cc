#include "operator/kube/exec_plugin.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/escaping.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"

extern char** environ;

namespace deepseek::kube {
namespace {

constexpr char kKind[] = "ExecCredential";
// A credential is replaced so long before its end, so that no call starts with one that is about to
// pass.
constexpr absl::Duration kEarly = absl::Seconds(30);
// A plugin that prints more is broken.
constexpr size_t kMostOutput = 1 << 20;

absl::Status Wrong(std::string_view what) {
  return absl::InvalidArgumentError(StrCat("exec plugin: its output ", what));
}

absl::Status Failed(const ExecPlugin& plugin, std::string_view why) {
  return absl::UnauthenticatedError(StrCat("exec plugin '", plugin.command, "': ", why,
                                           plugin.install_hint.empty() ? "" : "\n",
                                           plugin.install_hint));
}

absl::StatusOr<std::string> ReadAll(int fd) {
  std::string out;
  char piece[4096];
  for (ssize_t n; (n = read(fd, piece, sizeof(piece))) != 0;) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return absl::InternalError(StrCat("read: ", std::strerror(errno)));
    if (out.size() < kMostOutput) out.append(piece, static_cast<size_t>(n));
  }
  return out;
}

}  // namespace

std::string ExecInfo(const ExecPlugin& plugin, const ExecCluster& cluster, bool interactive) {
  Json spec = {{"interactive", interactive}};
  if (plugin.provide_cluster_info) {
    Json about = {{"server", cluster.server}};
    if (!cluster.server_name.empty()) about["tls-server-name"] = cluster.server_name;
    if (!cluster.ca_pem.empty()) {
      about["certificate-authority-data"] = absl::Base64Escape(cluster.ca_pem);
    }
    spec["cluster"] = std::move(about);
  }
  return Json{{"apiVersion", plugin.api_version}, {"kind", kKind}, {"spec", spec}}.dump();
}

absl::StatusOr<ExecCredential> ParseExecCredential(std::string_view text,
                                                   std::string_view api_version) {
  const Json root = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!root.is_object()) return Wrong("is no JSON object");
  const auto text_at = [](const Json& object, const char* key) {
    const auto it = object.find(key);
    return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
  };
  if (text_at(root, "kind") != kKind) return Wrong(StrCat("is not of kind ", kKind));
  if (text_at(root, "apiVersion") != api_version) {
    return Wrong(StrCat("has apiVersion '", text_at(root, "apiVersion"), "' instead of '",
                        api_version, "', which the kubeconfig asks for"));
  }
  const auto status = root.find("status");
  if (status == root.end() || !status->is_object()) return Wrong("has no status");
  ExecCredential out;
  out.token = text_at(*status, "token");
  out.cert_pem = text_at(*status, "clientCertificateData");
  out.key_pem = text_at(*status, "clientKeyData");
  if (out.cert_pem.empty() != out.key_pem.empty()) {
    return Wrong("has only one of clientCertificateData and clientKeyData");
  }
  if (out.token.empty() && out.cert_pem.empty()) return Wrong("has no token and no certificate");
  if (const std::string at = text_at(*status, "expirationTimestamp"); !at.empty()) {
    std::string error;
    if (!absl::ParseTime(absl::RFC3339_full, at, &out.expires, &error)) {
      return Wrong(StrCat("has an expirationTimestamp that is no RFC 3339 time: '", at, "'"));
    }
  }
  return out;
}

absl::StatusOr<std::string> StartExecPlugin(const ExecPlugin& plugin, const std::string& info,
                                            bool interactive) {
  std::map<std::string, std::string> variables;
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string_view entry = *each;
    variables[std::string(entry.substr(0, entry.find('=')))] =
        std::string(entry.substr(std::min(entry.size(), entry.find('=') + 1)));
  }
  for (const auto& [name, value] : plugin.env) variables[name] = value;
  variables["KUBERNETES_EXEC_INFO"] = info;
  std::vector<std::string> words = {plugin.command}, settings;
  words.insert(words.end(), plugin.args.begin(), plugin.args.end());
  for (const auto& [name, value] : variables) settings.push_back(StrCat(name, "=", value));
  const auto pointers = [](std::vector<std::string>& of) {
    std::vector<char*> out;
    for (std::string& text : of) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
  };

  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Failed(plugin, std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  if (!interactive) {
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  }
  pid_t pid = 0;
  const int refused = posix_spawnp(&pid, plugin.command.c_str(), &actions, nullptr,
                                   pointers(words).data(), pointers(settings).data());
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (refused != 0) {
    close(ends[0]);
    return Failed(plugin, StrCat("cannot be started: ", std::strerror(refused)));
  }
  absl::StatusOr<std::string> output = ReadAll(ends[0]);
  close(ends[0]);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status)) return Failed(plugin, "it was ended by a signal");
  if (WEXITSTATUS(status) != 0) {
    return Failed(plugin, StrCat("it failed with exit status ", WEXITSTATUS(status)));
  }
  return output;
}

ExecCredentialSource::ExecCredentialSource(ExecPlugin plugin, ExecCluster cluster,
                                           RunExecPlugin run, bool terminal,
                                           std::function<absl::Time()> wall)
    : plugin_(std::move(plugin)),
      cluster_(std::move(cluster)),
      run_(std::move(run)),
      terminal_(terminal),
      wall_(std::move(wall)) {}

absl::StatusOr<ExecCredential> ExecCredentialSource::Get(bool refused) {
  if (!refused && wall_() < last_.expires - kEarly) return last_;
  const bool interactive = terminal_ && plugin_.interactive != ExecPlugin::Interactive::kNever;
  if (!interactive && plugin_.interactive == ExecPlugin::Interactive::kAlways) {
    return Failed(plugin_,
                  "it wants to ask questions (interactiveMode: Always), and this is no "
                  "terminal");
  }
  ASSIGN_OR_RETURN(const std::string output,
                   run_(plugin_, ExecInfo(plugin_, cluster_, interactive), interactive));
  ASSIGN_OR_RETURN(last_, ParseExecCredential(output, plugin_.api_version));
  return last_;
}

}  // namespace deepseek::kube
