// `deepseek-agent serve`: its flags, checked and handed on.
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "agent/cli/commands.h"
#include "agent/cli/edge_options.h"
#include "agent/cli/model_flags.h"
#include "agent/cli/serve_options.h"
#include "agent/cli/serve_run.h"
#include "agent/cli/termination_log.h"
#include "base/files.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent {
namespace {

std::string Env(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
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
    if (const auto text = ReadTextFile(file); text.ok())
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
  const bool level_is_fixed = app.count("--log-level") > 0;
  const auto prepare = [&]() -> absl::StatusOr<std::pair<LoadOptions, ServeSettings>> {
    if (!options.config.empty()) {
      const absl::StatusOr<std::string> yaml = ReadTextFile(options.config);
      if (!yaml.ok()) return AsWrongUse(yaml.status(), "--config: ");
      RETURN_IF_ERROR(ApplyConfig(app, *yaml, options.config));
    }
    RETURN_IF_ERROR(log::SetLevelByName(options.log_level));
    RETURN_IF_ERROR(CheckEdgeOptions(options));
    ASSIGN_OR_RETURN(LoadOptions load, ToLoadOptions(options));
    ServeSettings settings;
    ASSIGN_OR_RETURN(settings.gpu_metrics, ParseGpuMetrics(options.gpu_metrics));
    ASSIGN_OR_RETURN(settings.drain_delay, ParseDurationFlag("--drain-delay", options.drain_delay));
    ASSIGN_OR_RETURN(settings.drain_timeout,
                     ParseDurationFlag("--drain-timeout", options.drain_timeout));
    return std::make_pair(std::move(load), settings);
  };
  auto prepared = prepare();
  if (!prepared.ok()) {
    ReportFatal(prepared.status());
    return ExitCode(prepared.status());
  }
  return RunServe(options, std::move(prepared->first), prepared->second, level_is_fixed);
}

}  // namespace

void AddServe(CLI::App& app, int* exit_code) {
  CLI::App* serve = app.add_subcommand("serve", "Serve a model over HTTP");
  auto options = std::make_shared<ServeOptions>();
  AddServeFlags(*serve, options.get());
  serve->callback([serve, options, exit_code] { *exit_code = Serve(*serve, *options); });
}

}  // namespace deepseek::agent
