#pragma once
// What agents say of themselves on /ready (docs/reference/http.md): the state of their load and the
// weights that they found.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "operator/decide/observed.h"

namespace deepseek::decide {

/// nullopt if `answer` is none of an agent's.
std::optional<AgentReport> ReadAgentReport(const Json& answer);

/// An agent that should be asked, where it listens.
struct AgentAddress {
  std::string pod_uid, ip;
};

/// Pods whose answer would change what is decided or reported: loading ones, for their progress,
/// and one ready pod of each revision whose weights are not known yet. At most kMostAsked, as each
/// may take until its deadline.
std::vector<AgentAddress> AgentsToAsk(const Observed& observed);
inline constexpr int kMostAsked = 4;

/// The model as a revision's annotation tells it, and back.
std::string ModelText(const AgentReport& report);
struct KnownModel {
  std::string family;
  int64_t parameters = 0, bytes = 0;  ///< 0: not known
};
KnownModel ReadModelText(const std::string& text);

/// Progress of a load in steps of 5 %, so that status is not written for every tensor.
int64_t LoadedInSteps(int64_t loaded_bytes, int64_t total_bytes);

}  // namespace deepseek::decide
