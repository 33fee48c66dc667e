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

}  // namespace

absl::Duration WaitOf(const WaitEstimate& estimate, int32_t priority, int32_t newer) {
  absl::Duration wait = estimate.ahead_of_all;
  for (const auto& [least, duration] : estimate.behind) {
    if (least >= priority) wait = duration;
  }
  // The last free place is that of the one that `behind` speaks of.
  return wait + estimate.each * std::max(newer - std::max(estimate.free_places - 1, 0), 0);
}

WaitEstimate EstimateWait(const Queues& queues, const Cache& cache, const Policy& policy) {
  const CostModel& cost = policy.cost;
  Places places(PlacesFor(queues, cache, policy));
  int64_t prompt_rows = 0;
  int32_t decoding = 0;
  for (const Sequence& s : queues.running) {
    places.Hold(StepsLeft(s, cost));
    if (s.decoding()) ++decoding;
    if (!s.decoding()) prompt_rows += s.rows_left();
  }
  const int32_t full = static_cast<int32_t>(queues.running.size()) + places.FreeNow();
  const int32_t chunk = std::max(
      std::min(PromptRowBudget(cost, decoding, policy.step_target), policy.max_rows - decoding), 1);
  // Prompts are computed beside the answers: what takes more steps decides.
  const auto time = [&](int64_t rows, int64_t steps) {
    const int64_t with_prompts = rows / chunk;
    return StepTime(cost, chunk, decoding) * with_prompts +
           StepTime(cost, static_cast<int32_t>(rows % chunk), 0) * (rows % chunk > 0 ? 1 : 0) +
           StepTime(cost, 0, full) * std::max<int64_t>(steps - with_prompts, 0);
  };

  WaitEstimate estimate;
  estimate.ahead_of_all = time(prompt_rows, places.Free());
  std::vector<Sequence> waiting = queues.waiting;
  std::sort(waiting.begin(), waiting.end(), Senior);
  int64_t rows = 0, steps = 0;
  for (const Sequence& s : waiting) {
    places.Take(StepsLeft(s, cost));
    rows += s.rows_left();
    steps += StepsLeft(s, cost);
    if (estimate.behind.empty() || estimate.behind.back().first != s.priority)
      estimate.behind.emplace_back(s.priority, absl::ZeroDuration());
    estimate.behind.back().second = time(prompt_rows + rows, places.Free());
  }
  estimate.free_places = places.FreeNow();
  const auto count = static_cast<int64_t>(waiting.size());
  estimate.each = count > 0 ? time(rows / count, steps / count / full)
                            : time(0, static_cast<int64_t>(cost.answer_tokens) / full);
  return estimate;
}

}  // namespace deepseek::engine
