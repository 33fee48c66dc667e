#pragma once
// The life of a serving process, from the first probe to the last answer.

#include "absl/time/time.h"
#include "agent/cli/serve_options.h"
#include "agent/gpu/gpu_metrics.h"
#include "agent/load/loaded_model.h"

namespace deepseek::agent {

/// What of the options is no text any more.
struct ServeSettings {
  absl::Duration drain_delay, drain_timeout;
  GpuMetricsMode gpu_metrics = GpuMetricsMode::kOff;
};

/// Blocks until SIGTERM or SIGINT and a drain; returns the exit code. `level_is_fixed`: the command
/// line names the log level, so a changed YAML file does not. Call it before any thread starts.
int RunServe(const ServeOptions& options, LoadOptions load, const ServeSettings& settings,
             bool level_is_fixed);

}  // namespace deepseek::agent
