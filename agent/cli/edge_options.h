#pragma once
// Which of `serve`'s options about TLS, gRPC, keys and origins go together.

#include "absl/status/status.h"
#include "agent/cli/serve_options.h"

namespace deepseek::agent {

/// kInvalidArgument: options that do not go together, named. Files are not looked at.
absl::Status CheckEdgeOptions(const ServeOptions& options);

}  // namespace deepseek::agent
