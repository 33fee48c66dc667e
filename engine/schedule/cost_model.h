#pragma once
// What a step costs, learnt from the steps before it. A value: the step loop owns one and passes it
// to Plan.

#include <cstdint>

#include "absl/time/time.h"

namespace deepseek::engine {

/// Moving averages. A generated row is priced by steps that hold nothing else (they are bound
/// by reading the weights), a prompt row by what is left of a step after its generated rows. The
/// fixed cost of a step is inside the price of its rows, which errs towards small chunks and heals
/// itself as chunks grow.
struct CostModel {
  absl::Duration per_generated_row = absl::ZeroDuration();  ///< zero: not measured yet
  absl::Duration per_prompt_row = absl::ZeroDuration();     ///< zero: not measured yet
  double answer_tokens = 256;                               ///< of a complete answer
};

/// Prompt rows of a step before anything was measured.
inline constexpr int32_t kFirstPromptRows = 64;
/// Prompt rows that a step always has room for: however slow the machine, prompts move.
inline constexpr int32_t kLeastPromptRows = 16;

/// The model after a step of these rows took `elapsed`.
CostModel Observe(const CostModel& model, int32_t prompt_rows, int32_t generated_rows,
                  absl::Duration elapsed);

/// The model after an answer of `tokens` was completed.
CostModel ObserveAnswer(const CostModel& model, int32_t tokens);

/// How many prompt rows fit beside `generated_rows` so that the step takes about `target`; at least
/// kLeastPromptRows.
int32_t PromptRowBudget(const CostModel& model, int32_t generated_rows, absl::Duration target);

}  // namespace deepseek::engine
