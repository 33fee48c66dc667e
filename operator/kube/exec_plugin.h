#pragma once
// Credentials from a program that a kubeconfig names (client.authentication.k8s.io v1 and v1beta1).
// For the command line only: the operator starts no programs.

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace deepseek::kube {

struct ExecPlugin {
  enum class Interactive { kNever, kIfAvailable, kAlways };
  std::string api_version;  ///< "client.authentication.k8s.io/v1" or "…/v1beta1"
  std::string command;      ///< a name to be found on the PATH, or an absolute path
  std::vector<std::string> args = {};
  std::map<std::string, std::string> env = {};  ///< added to that of the process
  std::string install_hint = {};                ///< for people whose machine lacks the program
  bool provide_cluster_info = false;
  Interactive interactive = Interactive::kIfAvailable;
};

/// What the plugin is told about the cluster if it asks.
struct ExecCluster {
  std::string server, server_name, ca_pem;
};

struct ExecCredential {
  std::string token;              ///< or empty
  std::string cert_pem, key_pem;  ///< or both empty
  absl::Time expires = absl::InfiniteFuture();
};

/// The content of $KUBERNETES_EXEC_INFO.
std::string ExecInfo(const ExecPlugin& plugin, const ExecCluster& cluster, bool interactive);

/// What the plugin printed. kInvalidArgument says what is wrong with it.
absl::StatusOr<ExecCredential> ParseExecCredential(std::string_view text,
                                                   std::string_view api_version);

/// Starts the program with $KUBERNETES_EXEC_INFO and returns what it printed. Its stderr is ours,
/// its stdin too where `interactive`. Blocks until it ends.
using RunExecPlugin = std::function<absl::StatusOr<std::string>(
    const ExecPlugin& plugin, const std::string& info, bool interactive)>;
absl::StatusOr<std::string> StartExecPlugin(const ExecPlugin& plugin, const std::string& info,
                                            bool interactive);

/// Keeps what the plugin gave until shortly before it expires. Not thread-safe.
class ExecCredentialSource {
 public:
  /// `terminal`: a person can answer questions.
  ExecCredentialSource(ExecPlugin plugin, ExecCluster cluster, RunExecPlugin run, bool terminal,
                       std::function<absl::Time()> wall);
  /// `refused`: the server did not take the last one.
  absl::StatusOr<ExecCredential> Get(bool refused);

 private:
  const ExecPlugin plugin_;
  const ExecCluster cluster_;
  const RunExecPlugin run_;
  const bool terminal_;
  const std::function<absl::Time()> wall_;
  ExecCredential last_{.token = "", .cert_pem = "", .key_pem = "", .expires = absl::InfinitePast()};
};

}  // namespace deepseek::kube
