#include "agent/cli/serve_run.h"

#include <signal.h>
#include <sys/resource.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "agent/cli/answer.h"
#include "agent/cli/reload.h"
#include "agent/cli/signals.h"
#include "agent/cli/termination_log.h"
#include "agent/load/loaded_model.h"
#include "agent/openai/api.h"
#include "agent/rpc/server.h"
#include "base/json_full.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "base/version.h"

namespace deepseek::agent {
namespace {

std::string Env(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

/// Each connection is a descriptor; the soft limit is often 1024.
void RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

[[noreturn]] void StopAtOnce(int signal, int answers) {
  log::Warn("second signal: stopping at once", {{"cut_answers", answers}});
  std::_Exit(128 + signal);
}

class ServeRun {
 public:
  ServeRun(const ServeOptions& options, LoadOptions load, const ServeSettings& settings,
           bool level_is_fixed)
      : options_(options),
        load_(std::move(load)),
        settings_(settings),
        telemetry_(registry_, load_.served_name),
        edge_telemetry_(registry_),
        reload_(options, level_is_fixed, edge_telemetry_),
        probes_(service_, nullptr, VersionJson()),
        scraped_probes_(service_, &registry_, VersionJson()),
        inference_(service_, telemetry_, LimitsOf(options)),
        api_(inference_, probes_, gate_, Cors(options.cors_origins)) {}

  int Run() {
    if (const absl::Status status = Listen(); !status.ok()) {
      ReportFatal(status);
      return 1;
    }
    gpu_metrics_ =
        OpenGpuMetrics(settings_.gpu_metrics, registry_, {Env("POD_NAME"), Env("POD_NAMESPACE")});
    if (const std::optional<int> exit_code = Load()) return *exit_code;
    // Files are looked at every second, and at once on SIGHUP.
    int signal = 0;
    while ((signal = signals_.WaitForStop(absl::Seconds(1))) == 0) {
      service_.Tick();
      reload_.Tick(absl::Now());
    }
    Drain(signal);
    return 0;
  }

 private:
  static std::string VersionJson() {
    return DumpJson({{"version", kVersion}, {"revision", Env("DEEPSEEK_REVISION")}});
  }

  static RequestLimits LimitsOf(const ServeOptions& options) {
    RequestLimits limits;
    limits.max_answers_per_key = options.max_requests_per_key;
    limits.most_at_once = int64_t{options.max_batch} + options.max_queue;
    return limits;
  }

  absl::Status Listen() {
    RETURN_IF_ERROR(reload_.Open(absl::Now()));
    gate_ = Gate(reload_.keys());
    http::ServerOptions api;
    api.addresses = {options_.http};
    api.limits.max_connections = options_.max_connections;
    api.limits.body_bytes = RequestLimits{}.max_body_bytes;
    api.refusal = RefusalResponse;
    api.worker_threads = 4;
    api.tls = reload_.tls();
    api.admit = [this](const http::Request& head) { return api_.Admit(head); };
    ASSIGN_OR_RETURN(http_, http::StartServer(std::move(api), api_));
    // Own threads: probes are answered however busy the API is.
    http::ServerOptions probes;
    probes.addresses = {options_.metrics};
    probes.limits.max_connections = 256;
    probes.limits.body_bytes = size_t{64} << 10;
    probes.refusal = RefusalResponse;
    // A driver that does not answer keeps one scrape, and must not keep /health.
    probes.worker_threads = settings_.gpu_metrics == GpuMetricsMode::kOff ? 1 : 2;
    ASSIGN_OR_RETURN(metrics_, http::StartServer(std::move(probes), scraped_probes_));
    if (!options_.grpc.empty()) {
      rpc::Options rpc;
      rpc.address = options_.grpc;
      rpc.tls = reload_.tls();
      rpc.max_calls = options_.max_connections;
      ASSIGN_OR_RETURN(rpc_, rpc::StartServer(std::move(rpc), inference_, gate_));
    }
    log::Info("listening", {{"http", http_->addresses().front()},
                            {"grpc", rpc_ ? rpc_->address() : ""},
                            {"metrics", metrics_->addresses().front()},
                            {"tls", reload_.tls() != nullptr},
                            {"version", kVersion},
                            {"deployment", Env("DEEPSEEK_DEPLOYMENT")},
                            {"revision", Env("DEEPSEEK_REVISION")}});
    return absl::OkStatus();
  }

  /// Loads while probes are answered. Nothing: the model serves; else the exit code.
  std::optional<int> Load() {
    load_.engine.cancel_load = &cancel_load_;
    load_.engine.on_progress = [this](const engine::LoadProgress& progress) {
      service_.OnLoadProgress(progress);
      telemetry_.OnLoadProgress(progress);
    };
    const absl::Time begin = absl::Now();
    std::atomic<bool> done = false;
    absl::StatusOr<std::unique_ptr<LoadedModel>> loaded = absl::UnknownError("");
    std::thread loader([&] {
      loaded = LoadForServing(load_);
      done = true;
      signals_.Wake();
    });
    int stopped_by = 0;
    while (!done) {
      const int signal = signals_.WaitForStop(absl::Seconds(1));
      reload_.Tick(absl::Now());
      if (signal == 0) continue;
      if (stopped_by != 0) StopAtOnce(signal, 0);
      stopped_by = signal;
      cancel_load_ = true;
      service_.SetPhase(Phase::kRefusing);
    }
    loader.join();
    if (stopped_by != 0) {
      log::Info("stopped while loading");
      return 0;
    }
    if (!loaded.ok()) {
      service_.Failed(std::string(loaded.status().message()));
      ReportFatal(loaded.status());
      return ExitCode(loaded.status());
    }
    model_ = *std::move(loaded);
    const absl::Duration took = absl::Now() - begin;
    telemetry_.SetBuild(kVersion, Env("DEEPSEEK_REVISION"),
                        engine::Name(model_->engine->options().device));
    telemetry_.SetEngine(model_->engine.get(), took);
    service_.Serve(model_.get());
    if (rpc_) rpc_->SetServing(true);
    const engine::ModelOptions& resolved = model_->engine->options();
    log::Info("serving", {{"model", model_->served_name},
                          {"family", model_->engine->spec().family},
                          {"device", engine::Name(resolved.device)},
                          {"compute", engine::Name(resolved.compute)},
                          {"weights", engine::Name(resolved.weights)},
                          {"kv", engine::Name(resolved.kv)},
                          {"isa", resolved.isa},
                          {"max_context", model_->engine->max_context()},
                          {"load_seconds", absl::ToDoubleSeconds(took)}});
    ReportMemory(model_->engine->memory());
    return std::nullopt;
  }

  static void ReportMemory(const engine::MemoryUse& memory) {
    log::Info("memory", {{"planned_bytes", memory.planned_bytes},
                         {"weight_bytes", memory.weight_bytes},
                         {"buffer_bytes", memory.buffer_bytes},
                         {"scratch_bytes", memory.scratch_bytes},
                         {"huge_page_bytes", memory.huge_page_bytes},
                         {"huge_pages", memory.huge_pages}});
    if (memory.huge_pages == "never") {
      log::Warn(
          "transparent huge pages are off: weights are read at about half speed (on the node: echo "
          "madvise > /sys/kernel/mm/transparent_hugepage/enabled)");
    }
  }

  int Running() const {
    const engine::Stats stats = model_->engine->stats();
    return stats.running + stats.waiting;
  }

  void Drain(int signal) {
    // /ready is 503 from here on, yet load balancers need a moment to see it: whoever still comes
    // is served.
    service_.SetPhase(Phase::kDraining);
    if (rpc_) rpc_->SetServing(false);
    http_->CloseAfterResponse();
    // Said once it is so: who reads the line finds /ready 503.
    log::Info("draining", {{"signal", signal},
                           {"delay_s", absl::ToDoubleSeconds(settings_.drain_delay)},
                           {"timeout_s", absl::ToDoubleSeconds(settings_.drain_timeout)},
                           {"running", Running()}});
    const absl::Time delayed = absl::Now() + settings_.drain_delay;
    for (absl::Time now = absl::Now(); now < delayed; now = absl::Now()) {
      if (const int again = signals_.WaitForStop(delayed - now)) StopAtOnce(again, Running());
    }
    service_.SetPhase(Phase::kRefusing);
    std::atomic<bool> done = false;
    int cut = 0;
    std::thread drainer([&] {
      cut = model_->engine->Drain(absl::Now() + settings_.drain_timeout);
      done = true;
      signals_.Wake();
    });
    while (!done) {
      if (const int again = signals_.WaitForStop(absl::Seconds(1))) StopAtOnce(again, Running());
    }
    drainer.join();
    // The last bytes are still on their way to slow clients.
    const absl::Time last = absl::Now() + absl::Seconds(2);
    const int unread = http_->Stop(last) + (rpc_ ? rpc_->Stop(last) : 0);
    metrics_->Stop(absl::Now());
    telemetry_.SetEngine(nullptr, absl::ZeroDuration());
    if (cut + unread > 0) {
      log::Warn("stopped: the drain timeout cut answers",
                {{"cut_answers", cut}, {"unread_answers", unread}});
    } else {
      log::Info("stopped", {{"cut_answers", 0}});
    }
  }

  Signals signals_;  // first: no thread may start with the signals open
  const ServeOptions& options_;
  LoadOptions load_;
  const ServeSettings settings_;
  std::atomic<bool> cancel_load_ = false;
  metrics::Registry registry_;
  Telemetry telemetry_;
  EdgeTelemetry edge_telemetry_;
  std::unique_ptr<GpuMetrics> gpu_metrics_;
  Reload reload_;
  Service service_;
  Probes probes_, scraped_probes_;
  Gate gate_;
  Inference inference_;
  Api api_;
  std::unique_ptr<LoadedModel> model_;
  // Last: gone before what their handlers use.
  std::unique_ptr<rpc::Server> rpc_;
  std::unique_ptr<http::Server> http_, metrics_;
};

}  // namespace

int RunServe(const ServeOptions& options, LoadOptions load, const ServeSettings& settings,
             bool level_is_fixed) {
  RaiseFileLimit();
  return ServeRun(options, std::move(load), settings, level_is_fixed).Run();
}

}  // namespace deepseek::agent
