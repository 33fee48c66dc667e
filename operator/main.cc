// deepseek-operator: turns DeepSeekDeployments into running models.
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "base/clock.h"
#include "base/command_line.h"
#include "base/log.h"
#include "base/status.h"
#include "base/stop_signal.h"
#include "base/strings.h"
#include "base/version.h"
#include "operator/kube/config.h"
#include "operator/kube/http_transport.h"
#include "operator/run.h"

namespace deepseek {
namespace {

std::atomic<int> g_signals{0};
StopSignal* g_stop = nullptr;  // made before the handlers are set

// A stop takes at most this long; Kubernetes' default grace period is as long.
constexpr unsigned kStopSeconds = 30;

// The first signal asks for a graceful stop, the second one ends at once. If the stop itself hangs,
// SIGALRM ends us.
void OnSignal(int) {
  if (g_signals.fetch_add(1) > 0) _exit(1);
  alarm(kStopSeconds);
  g_stop->Set();
}

// The name of the pod is unique while it lives, but a container may restart in it.
std::string Identity() {
  const char* pod = std::getenv("POD_NAME");
  char host[256] = "operator";
  if (pod == nullptr) gethostname(host, sizeof(host) - 1);
  std::random_device chance;
  return StrCat(pod != nullptr ? pod : host, "_", absl::StrFormat("%08x", chance()));
}

absl::Status Start(RunOptions options, const std::string& kubeconfig, const StopSignal& stop) {
  ASSIGN_OR_RETURN(const kube::Config config,
                   kube::LoadConfig(kubeconfig, kube::ConfigEnvironment()));
  if (options.ns.empty()) options.ns = config.ns;
  if (const char* ns = std::getenv("POD_NAMESPACE")) options.pod_namespace = ns;
  options.identity = Identity();
  options.server_host = config.server.substr(config.server.find("://") + 3);
  options.streams_end = std::make_shared<StopSignal>();
  ASSIGN_OR_RETURN(std::shared_ptr<kube::Transport> transport,
                   kube::NewHttpTransport(config, StrCat("deepseek-operator/", kVersion),
                                          MonotonicNow, {}, options.streams_end));
  log::Info("deepseek-operator starts", {{"version", kVersion},
                                         {"server", config.server},
                                         {"credentials", config.origin},
                                         {"agent_image", options.agent_image},
                                         {"leader_elect", options.leader_elect}});
  return RunOperator(options, std::move(transport), stop);
}

// CLI::Range lets NaN pass.
const CLI::Validator kRate(
    [](const std::string& text) -> std::string {
      double value = 0;
      const bool good = absl::SimpleAtod(text, &value) && value >= 1 && value <= 1e6;
      return good ? "" : StrCat("'", text, "' is no number from 1 to 1000000");
    },
    "1..1000000");

int Main(int argc, char** argv) {
  CLI::App app{"Serves DeepSeek models on Kubernetes.", "deepseek-operator"};
  app.set_version_flag("--version", StrCat("deepseek-operator ", kVersion));
  app.require_subcommand(1);

  RunOptions options;
  std::string kubeconfig, level = "info";
  CLI::App* run = app.add_subcommand("run", "Watch DeepSeekDeployments and act on them");
  run->add_option("--agent-image", options.agent_image,
                  "Image of the agent for revisions that name none")
      ->required();
  run->add_option("--namespace", options.ns,
                  "Namespace of the leader election lease (default: that of the pod or context)");
  run->add_option("--watch-namespace", options.watch_namespaces,
                  "Watch this namespace only; may be repeated (default: all)");
  run->add_flag("--leader-elect", options.leader_elect,
                "Act only while holding the lease (for more than one replica)");
  run->add_option("--lease-name", options.lease_name,
                  "Name of the lease; operators with another one in the namespace lead besides")
      ->capture_default_str();
  run->add_option("--kubeconfig", kubeconfig,
                  "Cluster to use (default: $KUBECONFIG, the pod's account, ~/.kube/config)");
  options.health_address = ":8081";
  run->add_option("--health", options.health_address, "Address of /healthz and /readyz")
      ->capture_default_str();
  options.metrics_address = ":8443";
  run->add_option("--metrics", options.metrics_address,
                  "Address of /metrics, HTTPS for those that may get it; empty: off")
      ->capture_default_str();
  CLI::Option* cert = run->add_option("--metrics-cert", options.metrics_cert,
                                      "Certificate of /metrics, PEM, read again when it changes "
                                      "(default: a self-signed one)");
  CLI::Option* key = run->add_option("--metrics-key", options.metrics_key, "Its key");
  cert->needs(key);
  key->needs(cert);
  run->add_option("--kube-api-qps", options.throttle.requests_per_second,
                  "Requests per second to the API server, at most; its own 429 and Retry-After "
                  "are honoured besides")
      ->check(kRate)
      ->capture_default_str();
  run->add_option("--kube-api-burst", options.throttle.burst,
                  "Requests that may go at once after a quiet time")
      ->check(kRate)
      ->capture_default_str();
  run->add_option("--log-level", level, "debug, info, warn or error")->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return EndOutput(app.exit(e));  // --help, --version
    // CLI11 has exit codes and a format of its own; ours are documented.
    std::string command_line = "deepseek-operator";
    for (const CLI::App* sub : app.get_subcommands()) command_line += " " + sub->get_name();
    const std::string line = WrongUseLine(command_line, argc > 1 ? argv[1] : "",
                                          !app.get_subcommands().empty(), e.what());
    std::fprintf(stderr, "%s\n", line.c_str());
    return 1;
  }

  absl::Status status = log::SetLevelByName(level);
  if (status.ok() && options.agent_image.empty()) {
    status = absl::InvalidArgumentError("--agent-image: must not be empty");
  }
  if (status.ok() && options.lease_name.empty()) {
    status = absl::InvalidArgumentError("--lease-name: must not be empty");
  }
  StopSignal stop;
  g_stop = &stop;
  if (status.ok()) {
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, OnSignal);
    signal(SIGINT, OnSignal);
    status = Start(std::move(options), kubeconfig, stop);
  }
  if (!status.ok()) std::fprintf(stderr, "%s\n", ErrorLine(status).c_str());
  // No destructors of libraries' threads: a worker that hangs in a call must not keep the process
  // alive.
  std::fflush(nullptr);
  _exit(status.ok() ? 0 : 1);
}

}  // namespace
}  // namespace deepseek

int main(int argc, char** argv) {
  return deepseek::Main(argc, argv);
}
