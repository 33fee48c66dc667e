// `deepseek-agent serve`: the life of a serving process, from the first probe to the last answer.
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/time/clock.h"
#include "agent/cli/commands.h"
#include "agent/cli/serve_options.h"
#include "agent/cli/termination_log.h"
#include "agent/load/loaded_model.h"
#include "agent/openai/api.h"
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

/// Signals arrive here and nowhere else: blocked before the first thread starts.
class Signals {
 public:
  Signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    signal(SIGPIPE, SIG_IGN);
    signals_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  }
  ~Signals() {
    close(signals_);
    close(wake_);
  }

  /// From any thread: ends the Wait that is or will be running.
  void Wake() const {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = write(wake_, &one, sizeof(one));
  }

  /// The number of a signal, or 0 after a Wake or when the time is over.
  int Wait(absl::Duration timeout) const {
    pollfd fds[] = {{signals_, POLLIN, 0}, {wake_, POLLIN, 0}};
    const auto ms = std::clamp<int64_t>(absl::ToInt64Milliseconds(timeout), 0, 3'600'000);
    poll(fds, 2, static_cast<int>(ms));
    uint64_t count = 0;
    [[maybe_unused]] ssize_t n = read(wake_, &count, sizeof(count));
    signalfd_siginfo info{};
    n = read(signals_, &info, sizeof(info));
    return n == sizeof(info) ? static_cast<int>(info.ssi_signo) : 0;
  }

 private:
  int signals_, wake_;
};

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

struct DrainTimes {
  absl::Duration delay, timeout;
};

class ServeRun {
 public:
  ServeRun(const ServeOptions& options, LoadOptions load, DrainTimes drain)
      : options_(options),
        load_(std::move(load)),
        drain_(drain),
        telemetry_(registry_, load_.served_name),
        probes_(service_, nullptr, VersionJson()),
        scraped_probes_(service_, &registry_, VersionJson()),
        api_(service_, telemetry_, probes_, RequestLimits{}) {}

  int Run() {
    if (const absl::Status status = Listen(); !status.ok()) {
      ReportFatal(status);
      return 1;
    }
    if (const std::optional<int> exit_code = Load()) return *exit_code;
    int signal = 0;
    while ((signal = signals_.Wait(absl::Seconds(1))) == 0) service_.Tick();
    Drain(signal);
    return 0;
  }

 private:
  static std::string VersionJson() {
    return DumpJson({{"version", kVersion}, {"revision", Env("DEEPSEEK_REVISION")}});
  }

  absl::Status Listen() {
    http::ServerOptions api;
    api.addresses = {options_.http};
    api.limits.max_connections = options_.max_connections;
    api.limits.body_bytes = RequestLimits{}.max_body_bytes;
    api.refusal = RefusalResponse;
    api.worker_threads = 4;
    ASSIGN_OR_RETURN(http_, http::StartServer(std::move(api), api_));
    // Own threads: probes are answered however busy the API is.
    http::ServerOptions probes;
    probes.addresses = {options_.metrics};
    probes.limits.max_connections = 256;
    probes.limits.body_bytes = size_t{64} << 10;
    probes.refusal = RefusalResponse;
    probes.worker_threads = 1;
    ASSIGN_OR_RETURN(metrics_, http::StartServer(std::move(probes), scraped_probes_));
    log::Info("listening", {{"http", http_->addresses().front()},
                            {"metrics", metrics_->addresses().front()},
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
      const int signal = signals_.Wait(absl::Seconds(1));
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
    const engine::ModelOptions& resolved = model_->engine->options();
    log::Info("serving", {{"model", model_->served_name},
                          {"family", model_->engine->spec().family},
                          {"device", engine::Name(resolved.device)},
                          {"compute", engine::Name(resolved.compute)},
                          {"weights", engine::Name(resolved.weights)},
                          {"kv", engine::Name(resolved.kv)},
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
    log::Info("draining", {{"signal", signal},
                           {"delay_s", absl::ToDoubleSeconds(drain_.delay)},
                           {"timeout_s", absl::ToDoubleSeconds(drain_.timeout)},
                           {"running", Running()}});
    // /ready is 503 from here on, yet load balancers need a moment to see it: whoever still comes
    // is served.
    service_.SetPhase(Phase::kDraining);
    http_->CloseAfterResponse();
    const absl::Time delayed = absl::Now() + drain_.delay;
    for (absl::Time now = absl::Now(); now < delayed; now = absl::Now()) {
      if (const int again = signals_.Wait(delayed - now)) StopAtOnce(again, Running());
    }
    service_.SetPhase(Phase::kRefusing);
    std::atomic<bool> done = false;
    int cut = 0;
    std::thread drainer([&] {
      cut = model_->engine->Drain(absl::Now() + drain_.timeout);
      done = true;
      signals_.Wake();
    });
    while (!done) {
      if (const int again = signals_.Wait(absl::Seconds(1))) StopAtOnce(again, Running());
    }
    drainer.join();
    // The last bytes are still on their way to slow clients.
    const int unread = http_->Stop(absl::Now() + absl::Seconds(2));
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
  const DrainTimes drain_;
  std::atomic<bool> cancel_load_ = false;
  metrics::Registry registry_;
  Telemetry telemetry_;
  Service service_;
  Probes probes_, scraped_probes_;
  Api api_;
  std::unique_ptr<LoadedModel> model_;
  std::unique_ptr<http::Server> http_, metrics_;  // last: gone before what their handlers use
};

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return absl::InvalidArgumentError(StrCat("config: ", path, ": cannot be read"));
  return text.str();
}

absl::StatusOr<LoadOptions> ToLoadOptions(const ServeOptions& options) {
  if (options.model.empty()) {
    return absl::InvalidArgumentError(
        "--model is required (a model directory, or builtin:demo-v3)");
  }
  LoadOptions load;
  ASSIGN_OR_RETURN(load.engine.model, ToModelOptions(options));
  ASSIGN_OR_RETURN(load.engine.model.model_dir, ResolveModelDir(options.model));
  ASSIGN_OR_RETURN(load.engine.max_batch_delay,
                   ParseDurationFlag("--max-batch-delay", options.max_batch_delay));
  ASSIGN_OR_RETURN(load.engine.step_target,
                   ParseDurationFlag("--step-target", options.step_target));
  if (load.engine.step_target == absl::ZeroDuration()) {
    return absl::InvalidArgumentError("--step-target: must be above 0 (the default is 200ms)");
  }
  load.engine.max_queue = options.max_queue;
  if (options.max_queue_delay != "auto") {
    ASSIGN_OR_RETURN(load.engine.max_queue_delay,
                     ParseDurationFlag("--max-queue-delay", options.max_queue_delay));
  }
  ASSIGN_OR_RETURN(load.engine.prefix_cache,
                   ParseSwitchFlag("--prefix-cache", options.prefix_cache));
  load.chat_template_file = options.chat_template;
  // Put there by the operator once the first pod of a revision has said which weights it found; not
  // there before.
  if (const std::string file = Env("DEEPSEEK_MODEL_DIGEST_FILE"); !file.empty()) {
    if (const auto text = ReadFile(file); text.ok())
      load.expected_digest = std::string(absl::StripAsciiWhitespace(*text));
  }
  load.served_name = options.served_name;
  if (load.served_name.empty()) {
    std::string dir = load.engine.model.model_dir;
    while (dir.size() > 1 && dir.back() == '/') dir.pop_back();
    load.served_name = dir.substr(dir.rfind('/') + 1);
  }
  return load;
}

int Serve(CLI::App& app, ServeOptions& options) {
  const auto prepare = [&]() -> absl::StatusOr<std::pair<LoadOptions, DrainTimes>> {
    if (!options.config.empty()) {
      ASSIGN_OR_RETURN(const std::string yaml, ReadFile(options.config));
      RETURN_IF_ERROR(ApplyConfig(app, yaml, options.config));
    }
    RETURN_IF_ERROR(log::SetLevelByName(options.log_level));
    ASSIGN_OR_RETURN(LoadOptions load, ToLoadOptions(options));
    DrainTimes drain;
    ASSIGN_OR_RETURN(drain.delay, ParseDurationFlag("--drain-delay", options.drain_delay));
    ASSIGN_OR_RETURN(drain.timeout, ParseDurationFlag("--drain-timeout", options.drain_timeout));
    return std::make_pair(std::move(load), drain);
  };
  auto prepared = prepare();
  if (!prepared.ok()) {
    ReportFatal(prepared.status());
    return ExitCode(prepared.status());
  }
  RaiseFileLimit();
  return ServeRun(options, std::move(prepared->first), prepared->second).Run();
}

}  // namespace

void AddServe(CLI::App& app, int* exit_code) {
  CLI::App* serve = app.add_subcommand("serve", "Serve a model over HTTP");
  auto options = std::make_shared<ServeOptions>();
  AddServeFlags(*serve, options.get());
  serve->callback([serve, options, exit_code] { *exit_code = Serve(*serve, *options); });
}

}  // namespace deepseek::agent
