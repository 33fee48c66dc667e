#pragma once
// The scheduling policy: continuous batching with chunked prefill, as a pure function of a snapshot
// and a time.
//
// Sequences are served by seniority: higher priority first, then the lower turn of its client
// (turns.h), then earlier ticket. Generated rows go before prompt rows; prompt rows share a budget
// that keeps a step near its target time. Memory runs out only when generated rows grow (a prompt's
// blocks are taken at admission); then the most junior sequence is preempted and computed again
// later. No livelock: nobody overtakes a waiting senior of its priority, and the most senior one is
// never preempted, so it finishes; then the next one is the most senior.
//
// Blocks may be shared (prefix cache): what a sequence gives back when it ends depends on who else
// holds them, so the plan counts holders block by block.

#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "engine/schedule/cost_model.h"

namespace deepseek::engine {

/// What the policy knows of one request.
struct Sequence {
  uint64_t id = 0;
  uint64_t ticket = 0;   ///< order of arrival, unique; kept when preempted
  int32_t priority = 0;  ///< higher first
  int64_t turn = 0;      ///< of its client (turns.h), lower first
  absl::Time arrival;
  absl::Time deadline = absl::InfiniteFuture();
  int32_t known_tokens =
      0;  ///< prompt and generated so far; the last one may not be in the cache yet
  int32_t prompt_tokens = 0;
  int32_t first_absorbed = kNoneAbsorbed;  ///< rows from here on expand no keys
  int32_t answer_left = 1;                 ///< new tokens that it may still get
  int32_t computed = 0;  ///< rows in the cache; while waiting: those that it finds there
  int32_t blocks = 0;    ///< blocks held; 0 while waiting
  /// Blocks that others may hold as well, the first ones of its table; while waiting: those that it
  /// would share.
  absl::Span<const int32_t> kept;
  /// While waiting: a senior is computing rows that this one would find in the cache if it waited.
  bool follows = false;

  int32_t rows_left() const { return known_tokens - computed; }
  /// One row is left and it is a generated one: it belongs to no prompt chunk.
  bool decoding() const { return rows_left() == 1 && computed >= prompt_tokens; }
};

struct Queues {
  std::vector<Sequence> waiting;  ///< any order; at most `Policy::max_batch` run
  std::vector<Sequence> running;
};

/// The paged cache as the policy sees it.
struct Cache {
  int32_t blocks_total = 0;
  int32_t blocks_free = 0;  ///< without a holder
  int32_t block_tokens = 64;
  absl::Span<const int32_t> holders = {};  ///< of each block; empty: none is shared
};

struct Policy {
  int32_t max_batch = 32;  ///< sequences that run at once
  int32_t max_rows = 512;  ///< rows of one step; at least max_batch + kLeastPromptRows
  absl::Duration max_batch_delay = absl::ZeroDuration();
  absl::Duration step_target = absl::Milliseconds(200);
  CostModel cost;
};

/// Rows of one sequence in this step: positions [computed, computed + rows).
struct Work {
  uint64_t id = 0;
  int32_t rows = 0;
  int32_t blocks = 0;  ///< blocks that the sequence holds from now on
};

/// Carried out in this order.
struct Step {
  std::vector<uint64_t> expire;   ///< past their deadline: finish them and free their blocks
  std::vector<uint64_t> preempt;  ///< running -> waiting: free their blocks, computed = 0
  /// waiting -> running, with a holder more for its `kept` blocks; each has Work in this step. All
  /// of these come before the first new block is taken: none of their `kept` ones gets lost.
  std::vector<uint64_t> admit;
  std::vector<Work> work;  ///< in order of seniority within generated, then prompt rows
  /// Without work: when to plan again although nothing was submitted. With work: meaningless.
  absl::Time wake = absl::InfiniteFuture();
};

/// Whether `a` is served before `b`.
bool Senior(const Sequence& a, const Sequence& b);

/// Blocks that `tokens` rows take.
int32_t BlocksFor(int32_t tokens, int32_t block_tokens);

/// Pure and deterministic. Precondition: each sequence alone fits the cache (checked when it is
/// submitted).
Step Plan(const Queues& queues, const Cache& cache, const Policy& policy, absl::Time now);

}  // namespace deepseek::engine
