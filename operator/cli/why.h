#pragma once
// kubectl deepseek why: the last decisions with the figures they rested on, and what is waited for.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "operator/cli/session.h"

namespace deepseek::cli {

/// A decision as an Event of the DeepSeekDeployment tells it.
struct Told {
  absl::Time at;
  std::string action, reason, message;
  std::string inputs;  ///< empty: it rests on no figures
  bool warning = false;
};

/// Those about the object with this uid, oldest first, the last `most`. Pure.
std::vector<Told> DecisionsOf(const std::vector<kube::Object>& events, const std::string& uid,
                              size_t most);

absl::Status Why(Session& session, const std::string& name);

}  // namespace deepseek::cli
