#pragma once
// What a step costs, learnt from the steps before it. A value: the step loop owns one and passes it
// to Plan.

#include <array>
#include <cstdint>

#include "absl/time/time.h"

namespace deepseek::engine {

/// A step takes `step` (reading the weights) and something for each row. The three are corrected
/// after each step by its error, each by as much as it is still uncertain (a Kalman filter over
/// prices that drift); so prices that were learnt in other company, one stream or small chunks,
/// heal while they are used.
struct CostModel {
  absl::Duration step = absl::ZeroDuration();               ///< without its rows
  absl::Duration per_generated_row = absl::ZeroDuration();  ///< zero: not measured yet
  absl::Duration per_prompt_row = absl::ZeroDuration();     ///< zero: not measured yet
  std::array<std::array<double, 3>, 3> covariance{};        ///< of the three, in that order; s^2
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
/// kLeastPromptRows, and for half as long as the rest of the step takes (twice as long where no
/// stream waits for it): where that fills the target alone (many streams, a busy machine), prompts
/// would else pay it for a few rows at a time.
int32_t PromptRowBudget(const CostModel& model, int32_t generated_rows, absl::Duration target);

}  // namespace deepseek::engine
