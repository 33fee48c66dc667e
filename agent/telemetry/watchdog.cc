#include "agent/telemetry/watchdog.h"

namespace deepseek::agent {

void Watchdog::Observe(const engine::Stats& stats, absl::Time now) {
  const bool pending = stats.running + stats.waiting > 0;
  // Work that has just arrived starts the clock: the pause before it was idleness.
  if (!pending || !pending_ || stats.steps != steps_ || stats.progress != progress_) moved_ = now;
  pending_ = pending;
  steps_ = stats.steps;
  progress_ = stats.progress;
}

absl::Duration Watchdog::Still(absl::Time now) const {
  return pending_ ? now - moved_ : absl::ZeroDuration();
}

bool Watchdog::Hung(absl::Time now) const {
  return Still(now) >= limit_;
}

}  // namespace deepseek::agent
