// The real operator with one fault: it dies after its Nth write, or it is stopped just before it.
//
//   faulty-operator --kubeconfig F --agent-image I --namespace N [--leader-elect]
//                   [--die-after-write N | --stop-before-write N]
//
// Writes are counted without those of the Lease. Each one is told on stdout, "write 3 PATCH
// /apis/.. 200", and so are "stopped before write 3" and "died".
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "operator/kube/config.h"
#include "operator/kube/http_transport.h"
#include "operator/run.h"

namespace deepseek {
namespace {

StopSignal g_stop;

void OnSignal(int) {
  g_stop.Set();
}

// Innermost, so past the fence of a leader.
class FaultyTransport : public kube::Transport {
 public:
  FaultyTransport(std::shared_ptr<kube::Transport> inner, int die_after, int stop_before)
      : inner_(std::move(inner)), die_after_(die_after), stop_before_(stop_before) {}

  absl::StatusOr<kube::HttpResponse> Send(const kube::HttpRequest& request) override {
    if (request.method == "GET" || request.path.find("/leases") != std::string::npos) {
      return inner_->Send(request);
    }
    const int number = ++writes_;
    if (number == stop_before_) {
      std::printf("stopped before write %d\n", number);
      std::fflush(stdout);
      raise(SIGSTOP);
      std::printf("continued\n");
    }
    absl::StatusOr<kube::HttpResponse> response = inner_->Send(request);
    std::printf("write %d %s %s %d\n", number, request.method.c_str(), request.path.c_str(),
                response.ok() ? response->code : 0);
    std::fflush(stdout);
    if (number == die_after_) {
      std::printf("died\n");
      std::fflush(stdout);
      kill(getpid(), SIGKILL);
    }
    return response;
  }
  absl::StatusOr<kube::HttpResponse> Stream(
      const kube::HttpRequest& request, const std::function<bool(std::string_view line)>& on_line,
      const std::function<bool()>& stop) override {
    return inner_->Stream(request, on_line, stop);
  }

 private:
  std::shared_ptr<kube::Transport> inner_;
  const int die_after_, stop_before_;
  std::atomic<int> writes_{0};
};

int Main(int argc, char** argv) {
  CLI::App app{"The operator with a fault, for tests.", "faulty-operator"};
  RunOptions options;
  std::string kubeconfig, level = "info";
  int die_after = 0, stop_before = 0;
  app.add_option("--kubeconfig", kubeconfig)->required();
  app.add_option("--agent-image", options.agent_image)->required();
  app.add_option("--namespace", options.ns, "Of the lease")->required();
  app.add_option("--watch-namespace", options.watch_namespaces);
  app.add_option("--identity", options.identity)->capture_default_str();
  app.add_flag("--leader-elect", options.leader_elect);
  app.add_option("--die-after-write", die_after);
  app.add_option("--stop-before-write", stop_before);
  app.add_option("--log-level", level)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  options.health_address = "127.0.0.1:0";
  options.streams_end = std::make_shared<StopSignal>();
  signal(SIGPIPE, SIG_IGN);
  signal(SIGTERM, OnSignal);

  const absl::Status status = [&]() -> absl::Status {
    RETURN_IF_ERROR(log::SetLevelByName(level));
    ASSIGN_OR_RETURN(const kube::Config config,
                     kube::LoadConfig(kubeconfig, kube::ConfigEnvironment()));
    ASSIGN_OR_RETURN(
        std::shared_ptr<kube::Transport> transport,
        kube::NewHttpTransport(config, "faulty-operator", MonotonicNow, {}, options.streams_end));
    return RunOperator(
        options, std::make_shared<FaultyTransport>(std::move(transport), die_after, stop_before),
        g_stop);
  }();
  if (!status.ok()) std::fprintf(stderr, "%s\n", ErrorLine(status).c_str());
  std::fflush(nullptr);
  _exit(status.ok() ? 0 : 1);
}

}  // namespace
}  // namespace deepseek

int main(int argc, char** argv) {
  return deepseek::Main(argc, argv);
}
