#pragma once
// What a step costs, learnt from the steps before it. A value: the step loop owns one and passes it
// to Plan.

#include <array>
#include <cstdint>
#include <limits>

#include "absl/time/time.h"

namespace deepseek::engine {

/// A step takes `step` (reading the weights; of the experts those that its rows choose), something
/// for each row, and something for what its prompt rows attend to, counted in pairs of a row and a
/// key that it sees. The four are corrected after each step by its error, each by as much as it is
/// still uncertain (a Kalman filter over prices that drift); so prices that were learnt in other
/// company, one stream or small chunks, heal while they are used.
struct CostModel {
  absl::Duration step = absl::ZeroDuration();               ///< reading all weights, without rows
  absl::Duration per_generated_row = absl::ZeroDuration();  ///< zero: not measured yet
  absl::Duration per_prompt_row = absl::ZeroDuration();     ///< zero: not measured yet
  absl::Duration per_kilopair = absl::ZeroDuration();       ///< of 1,000 pairs; zero: as above
  std::array<std::array<double, 4>, 4> covariance{};        ///< of the four, in that order; s^2
  double answer_tokens = 256;                               ///< of a complete answer

  // What the model is like; not learnt.
  double experts = 0;          ///< routed, of a layer; 0: every step reads all weights
  double experts_per_row = 0;  ///< that a row chooses
  double expert_share = 0;     ///< of all weights that a step may read: those of these experts
  /// Pairs that cost as much as making one key of the context ready for a chunk, which a chunk pays
  /// however few rows it has (MLA expands it from the latent).
  double pairs_per_key = 0;
  /// Pairs that one of an absorbed row costs as much as. Such rows make no keys ready.
  double absorbed_pair = 1;
  /// Pairs that cost about as much as a row without its attention: the first guess of per_kilopair.
  /// 0: attention costs nothing.
  double pairs_per_row = 0;
};

/// Prompt rows of a step before anything was measured.
inline constexpr int32_t kFirstPromptRows = 64;
/// Prompt rows that a step always has room for: however slow the machine, prompts move.
inline constexpr int32_t kLeastPromptRows = 16;
/// A step that no stream waits for may take so many times the target.
inline constexpr int32_t kUnwatched = 5;
/// Prompt rows may always take so many times what the rest of their step takes: beside streams a
/// prompt costs at most half more than alone. Streams too are better off: the sooner it is over,
/// the fewer of their tokens pay for its context.
inline constexpr double kLeastShare = 2;

/// The share of the weights that a step of `rows` reads: each row chooses its experts, and each of
/// them is read once.
double WeightsRead(const CostModel& model, int32_t rows);

/// A chunk without absorbed rows.
inline constexpr int32_t kNoneAbsorbed = std::numeric_limits<int32_t>::max();

/// Pairs that a chunk of `rows` prompt rows after `context` others counts as. Here and below rows
/// from position `first_absorbed` on are absorbed (RowPath).
double ChunkPairs(const CostModel& model, int64_t rows, int64_t context,
                  int64_t first_absorbed = kNoneAbsorbed);

/// The model after a step of these rows took `elapsed`; `pairs`: of all its prompt chunks.
CostModel Observe(const CostModel& model, int32_t prompt_rows, int32_t generated_rows,
                  absl::Duration elapsed, double pairs = 0);

/// The model after an answer of `tokens` was completed.
CostModel ObserveAnswer(const CostModel& model, int32_t tokens);

/// What a step of these rows should take.
absl::Duration StepTime(const CostModel& model, int32_t prompt_rows, int32_t generated_rows,
                        double pairs = 0);

/// How long the prompt rows beside `generated_rows` may take so that the step takes about `target`
/// (kUnwatched times as long where no stream waits for it), when their first chunk begins after
/// `context` others; making that context ready is in it. At least kLeastShare times what the rest
/// of the step takes, all weights read (kUnwatched times as long where no stream waits): where that
/// leaves little of the target (many streams, a long context, a slow or busy machine), prompts
/// would else pay it for a few rows at a time. Infinite while nothing is known.
absl::Duration PromptTime(const CostModel& model, int32_t generated_rows, int64_t context,
                          absl::Duration target, int64_t first_absorbed = kNoneAbsorbed);

/// What a chunk adds to a step.
absl::Duration ChunkTime(const CostModel& model, int64_t rows, int64_t context,
                         int64_t first_absorbed = kNoneAbsorbed);

/// The rows of a chunk after `context` others that takes `time`; 0 or more. The absorbed rows at
/// the end of a chunk that begins with others, a block of them at most, are taken for such.
int32_t RowsWithin(const CostModel& model, absl::Duration time, int64_t context,
                   int64_t first_absorbed = kNoneAbsorbed);

/// How many rows a single chunk after `context` others gets: RowsWithin(PromptTime), at least
/// kLeastPromptRows.
int32_t PromptRowBudget(const CostModel& model, int32_t generated_rows, absl::Duration target,
                        int64_t context = 0);

}  // namespace deepseek::engine
