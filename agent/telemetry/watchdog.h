#pragma once
// Tells a hung engine from a busy one. Pure: time is passed in.

#include "absl/time/time.h"
#include "engine/engine.h"

namespace deepseek::agent {

/// Feed it the engine's figures about once a second. Hung: requests are pending, and for `limit`
/// neither a step ended nor the progress counter moved. A long step moves the counter (once per
/// layer), so it does not count as hung.
class Watchdog {
 public:
  explicit Watchdog(absl::Duration limit) : limit_(limit) {}

  void Observe(const engine::Stats& stats, absl::Time now);
  bool Hung(absl::Time now) const;
  /// How long nothing has moved; zero when nothing is pending.
  absl::Duration Still(absl::Time now) const;

 private:
  absl::Duration limit_;
  bool pending_ = false;
  int64_t steps_ = -1;
  int64_t progress_ = -1;
  absl::Time moved_ = absl::InfinitePast();
};

}  // namespace deepseek::agent
