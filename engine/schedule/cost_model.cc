#include "engine/schedule/cost_model.h"

#include <algorithm>
#include <array>
#include <limits>

namespace deepseek::engine {
namespace {

// A step is off by a tenth for reasons of its own, and counts no more than fourfold if it was
// interrupted; prices drift by a twentieth from step to step with the context and other programs.
constexpr double kNoise = 0.1;
constexpr double kFarthest = 4;
constexpr double kDrift = 0.05;
// Of the newest answer: a batch of them ends at once.
constexpr double kNewestAnswer = 0.05;
// Steps with fewer prompt rows say little about the price of a prompt row: the rest dominates.
constexpr int32_t kTellingPromptRows = 8;
// First guesses of what a step takes without its rows: generated rows are bound by reading the
// weights, prompt rows are not.
constexpr double kFixedOfGenerated = 0.75;
constexpr double kFixedOfPrompt = 0.25;

/// The rest of a step goes to a price that is not known yet, and to the fixed part if that is not.
void Split(absl::Duration rest, double fixed, int32_t rows, CostModel* model,
           absl::Duration* price) {
  if (model->step == absl::ZeroDuration()) {
    model->step = rest * fixed;
    rest -= model->step;
  }
  *price = rest / rows;
}

/// Corrects the three prices of `model` by a step that took `seconds`.
void Correct(const std::array<double, 3>& rows, double seconds, CostModel* model) {
  std::array<absl::Duration*, 3> prices = {&model->step, &model->per_generated_row,
                                           &model->per_prompt_row};
  auto& p = model->covariance;
  double expected = 0, variance = seconds * kNoise * seconds * kNoise;
  std::array<double, 3> gain{};  // p * rows
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) gain[i] += p[i][j] * rows[j];
    expected += absl::ToDoubleSeconds(*prices[i]) * rows[i];
    variance += gain[i] * rows[i];
  }
  const double error = std::clamp(seconds, expected / kFarthest, expected * kFarthest) - expected;
  const std::array<double, 3> was = gain;
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) p[i][j] -= was[i] * was[j] / variance;
    // Never free: a price of nothing means that it was not measured.
    const double price = absl::ToDoubleSeconds(*prices[i]) + gain[i] / variance * error;
    if (*prices[i] > absl::ZeroDuration())
      *prices[i] = std::max(absl::Seconds(price), *prices[i] / kFarthest);
    // What no step has told apart for long is at most unknown.
    const double now = absl::ToDoubleSeconds(*prices[i]);
    if (rows[i] > 0 && p[i][i] < now * now) p[i][i] += now * kDrift * now * kDrift;
  }
}

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
    Split(rest, kFixedOfPrompt, prompt_rows, &next, &next.per_prompt_row);
  } else if (generated_rows > 0 && model.per_generated_row == none) {
    Split(rest, kFixedOfGenerated, generated_rows, &next, &next.per_generated_row);
  }
  const auto uncertain = [&next](size_t i, absl::Duration old, absl::Duration now) {
    if (old == absl::ZeroDuration())
      next.covariance[i][i] = absl::ToDoubleSeconds(now) * absl::ToDoubleSeconds(now);
  };
  uncertain(0, model.step, next.step);
  uncertain(1, model.per_generated_row, next.per_generated_row);
  uncertain(2, model.per_prompt_row, next.per_prompt_row);
  Correct({1, static_cast<double>(generated_rows), static_cast<double>(prompt_rows)},
          absl::ToDoubleSeconds(elapsed), &next);
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
  const absl::Duration others = StepTime(model, 0, generated_rows);
  const absl::Duration left =
      std::max(target - others, generated_rows > 0 ? others / 2 : others * 2);
  const double rows = absl::FDivDuration(left, model.per_prompt_row);
  return static_cast<int32_t>(std::clamp(rows, double{kLeastPromptRows}, 1e9));
}

}  // namespace deepseek::engine
