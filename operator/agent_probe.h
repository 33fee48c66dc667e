#pragma once
// Asks an agent how it is.

#include <string>

#include "absl/status/statusor.h"
#include "base/json.h"

namespace deepseek {

/// GET /ready of the agent in the pod with this address, port 9090, plain HTTP: its answer,
/// whatever the status. At most one second, at most 64 KiB. An agent that cannot be reached (a
/// NetworkPolicy in between, a pod that is going) is kUnavailable or kDeadlineExceeded.
absl::StatusOr<Json> AskAgent(const std::string& pod_ip);

/// The same at "127.0.0.1:9090".
absl::StatusOr<Json> AskAgentAt(const std::string& address);

}  // namespace deepseek
