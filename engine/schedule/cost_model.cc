#include "engine/schedule/cost_model.h"

#include <algorithm>
#include <array>
#include <cmath>
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
constexpr double kPairs = 1000;  // of per_kilopair

/// The rest of a step that read so much of the weights goes to a price that is not known yet, and
/// to the fixed part if that is not.
void Split(absl::Duration rest, double fixed, double read, double rows, CostModel* model,
           absl::Duration* price) {
  if (model->step == absl::ZeroDuration()) {
    model->step = rest * fixed / read;
    rest -= rest * fixed;
  }
  *price = rest / rows;
}

/// Corrects the four prices of `model` by a step that took `seconds`; rows: what of each there was.
void Correct(const std::array<double, 4>& rows, double seconds, CostModel* model) {
  std::array<absl::Duration*, 4> prices = {&model->step, &model->per_generated_row,
                                           &model->per_prompt_row, &model->per_kilopair};
  auto& p = model->covariance;
  double expected = 0, variance = seconds * kNoise * seconds * kNoise;
  std::array<double, 4> gain{};  // p * rows
  for (size_t i = 0; i < 4; ++i) {
    for (size_t j = 0; j < 4; ++j) gain[i] += p[i][j] * rows[j];
    expected += absl::ToDoubleSeconds(*prices[i]) * rows[i];
    variance += gain[i] * rows[i];
  }
  const double error = std::clamp(seconds, expected / kFarthest, expected * kFarthest) - expected;
  const std::array<double, 4> was = gain;
  for (size_t i = 0; i < 4; ++i) {
    for (size_t j = 0; j < 4; ++j) p[i][j] -= was[i] * was[j] / variance;
    // Never free: a price of nothing means that it was not measured.
    const double price = absl::ToDoubleSeconds(*prices[i]) + gain[i] / variance * error;
    if (*prices[i] > absl::ZeroDuration())
      *prices[i] = std::max(absl::Seconds(price), *prices[i] / kFarthest);
    // What no step has told apart for long is at most unknown.
    const double now = absl::ToDoubleSeconds(*prices[i]);
    if (rows[i] > 0 && p[i][i] < now * now) p[i][i] += now * kDrift * now * kDrift;
  }
}

/// What a chunk takes before its first row: the keys of its context.
absl::Duration ContextTime(const CostModel& model, int64_t context, int64_t first_absorbed) {
  return ChunkTime(model, 0, context, first_absorbed);
}

}  // namespace

double WeightsRead(const CostModel& model, int32_t rows) {
  if (model.experts <= 0) return 1;
  const double left_out = std::pow(1 - model.experts_per_row / model.experts, rows);
  return 1 - model.expert_share * left_out;
}

double ChunkPairs(const CostModel& model, int64_t rows, int64_t context, int64_t first_absorbed) {
  const int64_t border = std::clamp(first_absorbed, context, context + rows);
  const auto seen = [](double n, double before) { return n * (before + (n + 1) / 2); };
  const auto c = static_cast<double>(context), b = static_cast<double>(border);
  const double keys = context < first_absorbed ? b : 0;
  return seen(b - c, c) + model.pairs_per_key * keys +
         model.absorbed_pair * seen(static_cast<double>(context + rows - border), b);
}

absl::Duration StepTime(const CostModel& model, int32_t prompt_rows, int32_t generated_rows,
                        double pairs) {
  return model.step * WeightsRead(model, prompt_rows + generated_rows) +
         model.per_generated_row * generated_rows + model.per_prompt_row * prompt_rows +
         model.per_kilopair * (pairs / kPairs);
}

absl::Duration ChunkTime(const CostModel& model, int64_t rows, int64_t context,
                         int64_t first_absorbed) {
  return model.per_prompt_row * rows +
         model.per_kilopair * (ChunkPairs(model, rows, context, first_absorbed) / kPairs);
}

CostModel Observe(const CostModel& model, int32_t prompt_rows, int32_t generated_rows,
                  absl::Duration elapsed, double pairs) {
  const absl::Duration none = absl::ZeroDuration();
  if (elapsed <= none || prompt_rows + generated_rows == 0) return model;
  if (prompt_rows > 0 && prompt_rows < kTellingPromptRows) return model;
  CostModel next = model;
  const double read = WeightsRead(model, prompt_rows + generated_rows);
  // A part seen for the first time is what the others do not explain, at least a tenth.
  const absl::Duration rest =
      std::max(elapsed - StepTime(model, prompt_rows, generated_rows, pairs), elapsed / 10);
  if (prompt_rows > 0 && model.per_prompt_row == none) {
    // Attention as rows that would cost as much.
    const double rows = prompt_rows + (model.pairs_per_row > 0 ? pairs / model.pairs_per_row : 0);
    Split(rest, kFixedOfPrompt, read, rows, &next, &next.per_prompt_row);
    if (model.pairs_per_row > 0)
      next.per_kilopair = next.per_prompt_row * (kPairs / model.pairs_per_row);
  } else if (generated_rows > 0 && model.per_generated_row == none) {
    Split(rest, kFixedOfGenerated, read, generated_rows, &next, &next.per_generated_row);
  }
  const auto uncertain = [&next](size_t i, absl::Duration old, absl::Duration now) {
    if (old == absl::ZeroDuration())
      next.covariance[i][i] = absl::ToDoubleSeconds(now) * absl::ToDoubleSeconds(now);
  };
  uncertain(0, model.step, next.step);
  uncertain(1, model.per_generated_row, next.per_generated_row);
  uncertain(2, model.per_prompt_row, next.per_prompt_row);
  uncertain(3, model.per_kilopair, next.per_kilopair);
  Correct(
      {read, static_cast<double>(generated_rows), static_cast<double>(prompt_rows), pairs / kPairs},
      absl::ToDoubleSeconds(elapsed), &next);
  return next;
}

CostModel ObserveAnswer(const CostModel& model, int32_t tokens) {
  CostModel next = model;
  next.answer_tokens += (tokens - model.answer_tokens) * kNewestAnswer;
  return next;
}

absl::Duration PromptTime(const CostModel& model, int32_t generated_rows, int64_t context,
                          absl::Duration target, int64_t first_absorbed) {
  if (target == absl::InfiniteDuration() || model.per_prompt_row <= absl::ZeroDuration())
    return absl::InfiniteDuration();
  const bool watched = generated_rows > 0;
  const absl::Duration keys = ContextTime(model, context, first_absorbed);
  // A chunk chooses nearly all experts.
  const absl::Duration others = model.step + model.per_generated_row * generated_rows + keys;
  const int32_t times = watched ? 1 : kUnwatched;
  const absl::Duration left = std::max(target * times - others, others * times * kLeastShare);
  return left + keys;
}

int32_t RowsWithin(const CostModel& model, absl::Duration time, int64_t context,
                   int64_t first_absorbed) {
  if (time == absl::InfiniteDuration()) return std::numeric_limits<int32_t>::max();
  const double left = absl::ToDoubleSeconds(time - ContextTime(model, context, first_absorbed));
  if (left <= 0) return 0;
  // left = row r + pair r^2 / 2, as ChunkPairs has it; in a form that pair = 0 does not upset.
  const bool absorbed = context >= first_absorbed;
  const double pair =
      absl::ToDoubleSeconds(model.per_kilopair) / kPairs * (absorbed ? model.absorbed_pair : 1);
  const double keys = static_cast<double>(context) + 0.5 + (absorbed ? 0 : model.pairs_per_key);
  const double row = absl::ToDoubleSeconds(model.per_prompt_row) + pair * keys;
  if (row <= 0) return std::numeric_limits<int32_t>::max();
  const double rows = 2 * left / (row + std::sqrt(row * row + 2 * pair * left));
  // A whole number of rows that rounding has put just below itself is meant.
  return static_cast<int32_t>(std::clamp(rows + 1e-6, 0.0, 1e9));
}

int32_t PromptRowBudget(const CostModel& model, int32_t generated_rows, absl::Duration target,
                        int64_t context) {
  if (target == absl::InfiniteDuration()) return std::numeric_limits<int32_t>::max();
  if (model.per_prompt_row <= absl::ZeroDuration()) return kFirstPromptRows;
  return std::max(RowsWithin(model, PromptTime(model, generated_rows, context, target), context),
                  kLeastPromptRows);
}

}  // namespace deepseek::engine
