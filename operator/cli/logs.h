#pragma once
// kubectl deepseek logs: what the agents of a DeepSeekDeployment say.

#include <string>

#include "absl/status/status.h"
#include "operator/cli/session.h"

namespace deepseek::cli {

struct LogsOptions {
  std::string name;
  std::string revision{};  ///< name of a revision; empty: all that have pods
  bool follow = false;     ///< until session.stop() or all pods are gone
  bool previous = false;   ///< of the containers before their last restart
  int tail = 100;          ///< lines of each pod to begin with
};

/// Lines carry the pod's name in front if there are several pods.
absl::Status Logs(Session& session, const LogsOptions& options);

}  // namespace deepseek::cli
