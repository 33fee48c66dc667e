#include "engine/schedule/cost_model.h"

#include <algorithm>
#include <limits>

namespace deepseek::engine {
namespace {

// Weight of the newest step: prices follow a growing context or a busier machine within some ten
// steps.
constexpr double kNewest = 0.2;
// Of the newest answer: a batch of them ends at once.
constexpr double kNewestAnswer = 0.05;
// Steps with fewer prompt rows say little about the price of a prompt row: the fixed cost
// dominates.
constexpr int32_t kTellingPromptRows = 8;

absl::Duration Blend(absl::Duration old, absl::Duration seen) {
  return old == absl::ZeroDuration() ? seen : old * (1.0 - kNewest) + seen * kNewest;
}

}  // namespace

CostModel Observe(const CostModel& model, int32_t prompt_rows, int32_t generated_rows,
                  absl::Duration elapsed) {
  CostModel next = model;
  if (elapsed <= absl::ZeroDuration()) return next;
  if (prompt_rows == 0 && generated_rows > 0) {
    next.per_generated_row = Blend(model.per_generated_row, elapsed / generated_rows);
  } else if (prompt_rows >= kTellingPromptRows) {
    // At least a tenth of the step is put down to the prompt rows, so that a noisy step cannot make
    // them free.
    const absl::Duration rest =
        std::max(elapsed - model.per_generated_row * generated_rows, elapsed / 10);
    next.per_prompt_row = Blend(model.per_prompt_row, rest / prompt_rows);
  }
  return next;
}

CostModel ObserveAnswer(const CostModel& model, int32_t tokens) {
  CostModel next = model;
  next.answer_tokens += (tokens - model.answer_tokens) * kNewestAnswer;
  return next;
}

int32_t PromptRowBudget(const CostModel& model, int32_t generated_rows, absl::Duration target) {
  if (target == absl::InfiniteDuration()) return std::numeric_limits<int32_t>::max();
  if (model.per_prompt_row <= absl::ZeroDuration()) return kFirstPromptRows;
  const absl::Duration left = target - model.per_generated_row * generated_rows;
  const double rows = absl::FDivDuration(left, model.per_prompt_row);
  return static_cast<int32_t>(std::clamp(rows, double{kLeastPromptRows}, 1e9));
}

}  // namespace deepseek::engine
