#pragma once
// What a step costs, learnt from the steps before it. A value: the step loop owns one and passes it
// to Plan.

#include <cstdint>

#include "absl/time/time.h"

namespace deepseek::engine {

/// A step takes `step` (reading the weights) and something for each row. After each step the parts
/// are corrected by the error of the prediction, each by its share of it; so a part that was learnt
/// in other company (one stream, no prompts) heals while it is used.
struct CostModel {
  absl::Duration step = absl::ZeroDuration();               ///< without its rows
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

/// What a step of these rows should take.
absl::Duration StepTime(const CostModel& model, int32_t prompt_rows, int32_t generated_rows);

/// How many prompt rows fit beside `generated_rows` so that the step takes about `target`; at least
/// kLeastPromptRows, and those of a quarter of `target`: streams that fill the step alone would
/// else keep newcomers waiting for their first token.
int32_t PromptRowBudget(const CostModel& model, int32_t generated_rows, absl::Duration target);

}  // namespace deepseek::engine
