#pragma once
// What is wrong with a revision's pods, in the words of whoever knows: the agent, the kubelet, the
// scheduler.

#include <optional>
#include <string>
#include <vector>

#include "operator/decide/observed.h"

namespace deepseek::decide {

struct Failure {
  std::string reason;  ///< reasons.h
  std::string message;
  bool terminal = false;  ///< only a change of the spec (or retryToken) can help
};

/// Exit code of the agent for a model that it refuses (docs/reference/cli.md).
inline constexpr int kExitInvalidModel = 2;
inline constexpr int kExitDeviceFailure = 4;

/// The gravest failure among the unready pods of `hash8`; nullopt if they are merely starting.
/// `startup`: workload.startup.deadline, after which the kubelet restarts a container that is not
/// ready.
std::optional<Failure> FindFailure(const Observed& observed, const std::string& hash8,
                                   absl::Duration startup = absl::InfiniteDuration());

}  // namespace deepseek::decide
