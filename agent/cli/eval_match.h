#pragma once
// When an answer counts as right: the rules of models/demo-v3/train/evaluate.py.

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace deepseek::agent {

enum class MatchRule {
  kExact,   ///< equal
  kJson,    ///< equal as JSON values
  kLabel,   ///< equal in lower case, without dots at the end
};

/// kInvalidArgument lists the rules.
absl::StatusOr<MatchRule> ParseMatchRule(std::string_view name);

/// Judges what follows the last "</think>", without white space around it.
bool Matches(MatchRule rule, std::string_view answer, std::string_view expected);

}  // namespace deepseek::agent
