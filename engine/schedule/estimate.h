#pragma once
// How long a newcomer would wait for a place in the batch: what early refusal and Retry-After rest
// on.

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "engine/schedule/plan.h"

namespace deepseek::engine {

/// A value: made on the step thread, read by whoever submits.
struct WaitEstimate {
  struct Behind {
    int32_t priority = 0;
    int64_t turn = 0;
    absl::Duration wait;
  };
  /// For a newcomer behind everybody up to those of this priority and turn, in order of seniority.
  /// The wait does not fall along it. Its own prompt is not in it.
  std::vector<Behind> behind;
  absl::Duration ahead_of_all = absl::ZeroDuration();  ///< of higher priority than all that wait
  /// What one more request before it adds, once nobody finds a free place.
  absl::Duration each = absl::ZeroDuration();
  int32_t free_places = 0;  ///< newcomers that would find one at once
};

/// The wait of a newcomer of `priority` and `turn` behind `newer` others that the estimate has not
/// seen.
absl::Duration WaitOf(const WaitEstimate& estimate, int32_t priority, int64_t turn, int32_t newer);

/// A queue before max_batch places, or fewer where memory is the limit: places become free when
/// answers end, which are as long as answers lately were (or as their limit), and prompts delay
/// all. Zero before anything was measured. `queues` as for Plan, with everybody who waits.
WaitEstimate EstimateWait(const Queues& queues, const Cache& cache, const Policy& policy);

}  // namespace deepseek::engine
