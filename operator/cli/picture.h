#pragma once
// A DeepSeekDeployment as a tree: revisions, their pods, and how far a load is. Pure.

#include <string>

#include "absl/time/time.h"
#include "base/json.h"
#include "operator/cli/session.h"
#include "operator/decide/observed.h"

namespace deepseek::cli {

/// For people.
std::string Tree(const decide::Cluster& cluster, const Style& style, absl::Time now);

/// The same for programs: {"name", "namespace", "ready", "conditions", "model", "revisions":
/// [{"name", "number", "role": stable|candidate|restorable, "image", "modelDigest", "pods":
/// [{"name", "state", "message", "node", "restarts"}]}]}.
Json TreeJson(const decide::Cluster& cluster);

}  // namespace deepseek::cli
