#include "engine/schedule/cost_model.h"

#include <algorithm>
#include <limits>

namespace deepseek::engine {
namespace {

// Weight of the newest step: prices follow a growing context or a busier machine within some ten
// steps. A single step that was interrupted counts no more than fourfold.
constexpr double kNewest = 0.2;
constexpr double kFarthest = 4;
// Of the newest answer: a batch of them ends at once.
constexpr double kNewestAnswer = 0.05;
// Steps with fewer prompt rows say little about the price of a prompt row: the rest dominates.
constexpr int32_t kTellingPromptRows = 8;
// A step of generated rows is bound by reading the weights: a first guess.
constexpr double kFixedShare = 0.75;

}  // namespace

absl::Duration StepTime(const CostModel& model, int32_t prompt_rows, int32_t generated_rows) {
  return model.step + model.per_generated_row * generated_rows + model.per_prompt_row * prompt_rows;
}

CostModel Observe(const CostModel& model, int32_t prompt_rows, int32_t generated_rows,
                  absl::Duration elapsed) {
  const absl::Duration none = absl::ZeroDuration();
  if (elapsed <= none || prompt_rows + generated_rows == 0) return model;
  if (prompt_rows > 0 && prompt_rows < kTellingPromptRows) return model;
  CostModel next = model;
  // A part seen for the first time is what the others do not explain, at least a tenth.
  const absl::Duration rest =
      std::max(elapsed - StepTime(model, prompt_rows, generated_rows), elapsed / 10);
  if (prompt_rows > 0 && model.per_prompt_row == none) {
    next.per_prompt_row = rest / prompt_rows;
  } else if (generated_rows > 0 && model.per_generated_row == none) {
    next.step = rest * kFixedShare;
    next.per_generated_row = rest * (1 - kFixedShare) / generated_rows;
  } else {
    const absl::Duration expected = StepTime(model, prompt_rows, generated_rows);
    const double error =
        std::clamp(absl::FDivDuration(elapsed, expected), 1 / kFarthest, kFarthest) - 1;
    const auto correct = [&](absl::Duration* price, int32_t times) {
      const double share = absl::FDivDuration(*price * times, expected);
      *price *= 1 + kNewest * share * error;
    };
    correct(&next.step, 1);
    correct(&next.per_generated_row, generated_rows);
    correct(&next.per_prompt_row, prompt_rows);
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
  const absl::Duration left = std::max(target - StepTime(model, 0, generated_rows), target / 4);
  const double rows = absl::FDivDuration(left, model.per_prompt_row);
  return static_cast<int32_t>(std::clamp(rows, double{kLeastPromptRows}, 1e9));
}

}  // namespace deepseek::engine
