#pragma once
// A request between Submit and OnFinish, and the batch that a step makes of several of them.

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "engine/engine.h"
#include "engine/kernels/sampling.h"
#include "engine/model/batch.h"
#include "engine/schedule/plan.h"

namespace deepseek::engine {

/// Owned by the step thread. Invariant: blocks.size() * kBlockTokens >= computed. Without blocks
/// while it waits.
struct LiveRequest {
  RequestId id = 0;
  Request request;
  std::shared_ptr<Sink> sink;
  int64_t turn = 0;          ///< of its client (turns.h)
  int32_t answer_limit = 0;  ///< new tokens at most, at least 1
  std::vector<int32_t> generated;
  std::vector<int32_t> blocks;  ///< block table
  std::vector<int32_t> cached;  ///< while waiting: blocks of its prefix that others have computed
  int32_t kept = 0;             ///< so many of `blocks`, the first ones, are kept for others
  int32_t computed = 0;         ///< rows in the cache
  int32_t first_absorbed = 0;   ///< rows from here on are kAbsorbed (RowPath)
  int32_t cached_tokens = -1;   ///< of the prompt, found when first admitted; -1: not yet
  int32_t scored = 1;           ///< so many tokens of the prompt need no log-prob any more
  int32_t bad_position = -1;    ///< a token whose row of logits was not finite; -1: none
  bool running = false;
  bool placed = false;  ///< has run
  absl::Time arrival;
  absl::Time first_row =
      absl::InfiniteFuture();  ///< start of the first step that computed a row of it
  absl::Time first_token = absl::InfiniteFuture();
  absl::Time last_token;

  int32_t prompt_tokens() const { return static_cast<int32_t>(request.prompt.size()); }
  int32_t known_tokens() const { return prompt_tokens() + static_cast<int32_t>(generated.size()); }
  /// Log-probs of prompt tokens are asked for and not yet told.
  bool scoring() const { return request.prompt_logprobs >= 0 && scored < prompt_tokens(); }
  /// All rows that a token could be drawn from are computed, and none is wanted.
  bool prompt_done() const { return request.prompt_only && computed == prompt_tokens(); }
  int32_t token(int32_t position) const {
    return position < prompt_tokens() ? request.prompt[position]
                                      : generated[position - prompt_tokens()];
  }
};

/// What the policy sees of it. Points into `live`.
Sequence ToSequence(const LiveRequest& live);

/// Appends positions [computed, computed + rows) to the batch. Each row keeps, however often it is
/// computed, the path of its first time (first_absorbed). True: the last known row is among them
/// and a token is to be sampled (its logits are asked for).
bool AppendRows(const LiveRequest& live, int32_t rows, Batch* batch);

/// A row of a batch whose logits tell how likely the prompt's next token is.
struct PromptRow {
  int32_t row = 0;       ///< of the batch
  int32_t position = 0;  ///< of the token that it tells of
};
/// Of the `rows` rows just appended (computed not yet moved on): those not told of before.
std::vector<PromptRow> RowsToScore(const LiveRequest& live, int32_t rows, const Batch& batch);
/// The prompt token's log-probs from row `row` of the logits.
SampleSpec ScoreOf(const LiveRequest& live, int32_t position, int32_t row);

/// How the next token of `live` is drawn from row `row` of the logits. Points into `live`.
SampleSpec SamplingOf(const LiveRequest& live, int32_t row);

/// Restricts it to what the request's constraint allows, if it has one.
void Constrain(LiveRequest* live, SampleSpec* spec);

/// Times and counts so far; `now` stands for what has not happened.
Usage UsageOf(const LiveRequest& live, absl::Time now);

}  // namespace deepseek::engine
