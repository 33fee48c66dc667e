#pragma once
// A grammar as the engine's TokenConstraint: when it begins, and what may be said before.

#include <memory>
#include <string>
#include <vector>

#include "agent/grammar/matcher.h"
#include "engine/token_constraint.h"

namespace deepseek::agent::grammar {

/// One plan serves all choices of a request, and all requests with the same grammar.
struct ConstraintPlan {
  std::shared_ptr<Matcher> matcher;
  bool begins_thinking = false;  ///< the grammar begins behind </think>
  /// Id of a token: until it comes, anything may be said; the grammar begins behind it. -1: there
  /// is none, the grammar is the answer.
  int32_t trigger = -1;
  /// ... or until one of these texts comes; the grammar begins with it. None: only the token.
  std::vector<std::string> openings;
  /// They count only as the beginning of the answer (behind its reasoning).
  bool opens_answer = false;

  /// Anything may be said first.
  bool waits() const { return trigger >= 0 || !openings.empty(); }
  /// Ids that end the answer: only when the grammar lets it end (before the trigger: always).
  std::vector<int32_t> stop_ids;
};

/// For one answer. Not thread-safe, as the engine wants it.
std::unique_ptr<engine::TokenConstraint> MakeConstraint(std::shared_ptr<const ConstraintPlan> plan,
                                                        const engine::Tokenizer& tokenizer);

}  // namespace deepseek::agent::grammar
