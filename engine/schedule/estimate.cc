#include "engine/schedule/estimate.h"

#include <algorithm>
#include <functional>
#include <queue>

namespace deepseek::engine {
namespace {

/// Places that become free one after the other.
class Places {
 public:
  explicit Places(int32_t count) : count_(count) {}

  /// Steps until one is free.
  int64_t Free() const { return static_cast<int32_t>(ends_.size()) < count_ ? 0 : ends_.top(); }
  int32_t FreeNow() const { return std::max(count_ - static_cast<int32_t>(ends_.size()), 0); }
  /// Takes the first free one for `steps`.
  void Take(int64_t steps) {
    const int64_t begin = Free();
    if (static_cast<int32_t>(ends_.size()) >= count_) ends_.pop();
    ends_.push(begin + steps);
  }
  /// Takes one now, although there may be none.
  void Hold(int64_t steps) {
    if (static_cast<int32_t>(ends_.size()) >= count_) ++count_;
    ends_.push(steps);
  }

 private:
  int32_t count_;
  std::priority_queue<int64_t, std::vector<int64_t>, std::greater<>> ends_;  // least first
};

// An answer without a limit of its own is no shorter for having gone on for a while.
int64_t StepsLeft(const Sequence& s, const CostModel& cost) {
  return std::clamp<int64_t>(static_cast<int64_t>(cost.answer_tokens), 1,
                             std::max(s.answer_left, 1));
}

int32_t PlacesFor(const Queues& queues, const Cache& cache, const Policy& policy) {
  int64_t blocks = 0, sequences = 0;
  for (const auto* queue : {&queues.running, &queues.waiting}) {
    for (const Sequence& s : *queue) {
      const int64_t end = s.known_tokens + StepsLeft(s, policy.cost);
      blocks += end / cache.block_tokens + 1;
      ++sequences;
    }
  }
  if (blocks == 0) return policy.max_batch;
  const int64_t fit = cache.blocks_total * sequences / blocks;
  return static_cast<int32_t>(std::clamp<int64_t>(fit, 1, policy.max_batch));
}

/// Prompt rows of several sequences, and what they attend to.
struct Prompts {
  int64_t rows = 0;
  double context = 0;        // of each row, summed
  double absorbed = 0;       // of `context`
  int64_t materialised = 0;  // of `rows`

  void Add(const Sequence& s) {
    const int32_t border = std::clamp(s.first_absorbed, s.computed, s.known_tokens);
    rows += s.rows_left();
    materialised += border - s.computed;
    context += 0.5 * s.rows_left() * (s.computed + s.known_tokens);
    absorbed += 0.5 * (s.known_tokens - border) * (border + s.known_tokens);
  }
  Prompts Mean(int64_t count) const {
    const auto n = static_cast<double>(count);
    return {rows / count, context / n, absorbed / n, materialised / count};
  }
  int64_t MeanContext() const {
    return rows > 0 ? static_cast<int64_t>(context / static_cast<double>(rows)) : 0;
  }
};

}  // namespace

absl::Duration WaitOf(const WaitEstimate& estimate, int32_t priority, int64_t turn, int32_t newer) {
  absl::Duration wait = estimate.ahead_of_all;
  for (const WaitEstimate::Behind& b : estimate.behind) {
    if (b.priority > priority || (b.priority == priority && b.turn <= turn)) wait = b.wait;
  }
  // The last free place is that of the one that `behind` speaks of.
  return wait + estimate.each * std::max(newer - std::max(estimate.free_places - 1, 0), 0);
}

WaitEstimate EstimateWait(const Queues& queues, const Cache& cache, const Policy& policy) {
  const CostModel& cost = policy.cost;
  Places places(PlacesFor(queues, cache, policy));
  Prompts running, all;
  int32_t decoding = 0;
  for (const Sequence& s : queues.running) {
    places.Hold(StepsLeft(s, cost));
    if (s.decoding()) ++decoding;
    if (!s.decoding()) running.Add(s);
  }
  const int32_t full = static_cast<int32_t>(queues.running.size()) + places.FreeNow();
  all = running;
  for (const Sequence& s : queues.waiting) all.Add(s);
  const int32_t chunk =
      std::max(std::min(PromptRowBudget(cost, decoding, policy.step_target, all.MeanContext()),
                        policy.max_rows - decoding),
               1);
  // Prompts are computed beside the answers: what takes more steps decides.
  const auto time = [&](const Prompts& prompts, int64_t steps) {
    const int64_t with_prompts = prompts.rows / chunk;
    const auto rest = static_cast<int32_t>(prompts.rows % chunk);
    // A chunk makes the keys of its context ready once more: about the context of a mean row.
    const double expanding = prompts.context - prompts.absorbed;
    const double pairs =
        expanding + cost.absorbed_pair * prompts.absorbed +
        cost.pairs_per_key * (expanding / chunk + static_cast<double>(prompts.materialised) / 2);
    return StepTime(cost, chunk, decoding) * with_prompts +
           StepTime(cost, rest, 0) * (rest > 0 ? 1 : 0) +
           (StepTime(cost, 0, 0, pairs) - StepTime(cost, 0, 0)) +
           StepTime(cost, 0, full) * std::max<int64_t>(steps - with_prompts, 0);
  };

  WaitEstimate estimate;
  estimate.ahead_of_all = time(running, places.Free());
  std::vector<Sequence> waiting = queues.waiting;
  std::sort(waiting.begin(), waiting.end(), Senior);
  Prompts ahead = running, newer;
  int64_t steps = 0;
  for (const Sequence& s : waiting) {
    places.Take(StepsLeft(s, cost));
    ahead.Add(s);
    newer.Add(s);
    steps += StepsLeft(s, cost);
    const bool known = !estimate.behind.empty() && estimate.behind.back().priority == s.priority &&
                       estimate.behind.back().turn == s.turn;
    if (!known) estimate.behind.push_back({s.priority, s.turn, absl::ZeroDuration()});
    estimate.behind.back().wait = time(ahead, places.Free());
  }
  estimate.free_places = places.FreeNow();
  const auto count = static_cast<int64_t>(waiting.size());
  estimate.each = count > 0 ? time(newer.Mean(count), steps / count / full)
                            : time({}, static_cast<int64_t>(cost.answer_tokens) / full);
  return estimate;
}

}  // namespace deepseek::engine
