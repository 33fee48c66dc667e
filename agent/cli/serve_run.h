#pragma once
// The life of a serving process, from the first probe to the last answer.

#include "absl/time/time.h"
#include "agent/cli/serve_options.h"
#include "agent/load/loaded_model.h"

namespace deepseek::agent {

struct ServeTimes {
  absl::Duration delay, timeout;  ///< --drain-delay, --drain-timeout
};

/// Blocks until SIGTERM or SIGINT and a drain; returns the exit code. `level_is_fixed`: the command
/// line names the log level, so a changed YAML file does not. Call it before any thread starts.
int RunServe(const ServeOptions& options, LoadOptions load, ServeTimes times, bool level_is_fixed);

}  // namespace deepseek::agent
