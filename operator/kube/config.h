#pragma once
// Where the API server is and who we are there: from a kubeconfig or from the pod that we run in.

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "operator/kube/exec_plugin.h"

namespace deepseek::kube {

/// A piece of credentials: given as text, or in a file that may be replaced at any time.
struct Material {
  std::string text;
  std::string file;

  bool empty() const { return text.empty() && file.empty(); }
  /// The text, or the file's content now. kNotFound names the file.
  absl::StatusOr<std::string> Read() const;
};

struct Config {
  std::string server;       ///< "https://10.0.0.1:6443"
  std::string server_name;  ///< name in its certificate, if not the host of `server`
  Material ca, cert, key, token;
  std::optional<ExecPlugin> exec;  ///< gives token or certificate instead
  std::string ns = "default";      ///< of the context; in-cluster: of the pod
  std::string origin;              ///< in words, for logs: "kubeconfig ~/.kube/config, context dev"
};

/// One kubeconfig file or several separated by ':' (the first one to define a name wins, missing
/// files are skipped, as in kubectl). `context` empty: current-context. Refused with the reason:
/// insecure-skip-tls-verify, plain http, auth-provider plugins, passwords, proxies.
absl::StatusOr<Config> LoadKubeconfig(std::string_view paths, std::string_view context = "");

/// The service account of the pod. `root` is /var/run/secrets/kubernetes.io/serviceaccount outside
/// tests; host and port are $KUBERNETES_SERVICE_HOST and _PORT.
absl::StatusOr<Config> LoadInCluster(std::string_view root, std::string_view host,
                                     std::string_view port);

/// `kubeconfig` if given, else $KUBECONFIG, else the pod's service account, else ~/.kube/config.
/// `env` maps the names of the variables above, and HOME, to their values.
absl::StatusOr<Config> LoadConfig(std::string_view kubeconfig,
                                  const std::map<std::string, std::string>& env);
/// As kubectl: ~/.kube/config comes before the pod's service account, which is only used where no
/// `context` is named.
absl::StatusOr<Config> LoadUserConfig(std::string_view kubeconfig, std::string_view context,
                                      const std::map<std::string, std::string>& env);
/// The variables that these two ask for, from the process's environment.
std::map<std::string, std::string> ConfigEnvironment();

}  // namespace deepseek::kube
