#pragma once
// The Transport to a real API server: HTTPS with credentials that are read again while we run.

#include <functional>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/stop_signal.h"
#include "operator/kube/config.h"
#include "operator/kube/transport.h"

namespace deepseek::kube {

/// What an exec plugin of the kubeconfig needs. Without `run` such a kubeconfig is refused.
struct ExecWorld {
  RunExecPlugin run;
  bool terminal = false;  ///< a person can answer the plugin's questions
  std::function<absl::Time()> wall;
};

/// Projected tokens are replaced at 80 % of their life (an hour as a rule) and the CA when the
/// cluster rotates it: files are read again every minute, and at once after a 401. Files that
/// cannot be read or are no valid key material leave the last good ones in use, with a warning in
/// the log. `now` is a clock that only goes forward.
/// A Config with an exec plugin needs `exec.run`; the plugin runs before its credential ends and
/// after a 401. `streams_end`: of http::ClientOptions.
absl::StatusOr<std::shared_ptr<Transport>> NewHttpTransport(
    Config config, std::string_view user_agent, std::function<absl::Time()> now,
    const ExecWorld& exec = {}, std::shared_ptr<const StopSignal> streams_end = nullptr);

}  // namespace deepseek::kube
