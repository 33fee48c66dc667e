#pragma once
// What the agent is doing right now: loading, serving, draining. The one place that the HTTP
// handlers ask.

#include <atomic>
#include <functional>
#include <mutex>
#include <string>

#include "absl/time/time.h"
#include "agent/load/loaded_model.h"
#include "agent/telemetry/watchdog.h"

namespace deepseek::agent {

enum class Phase {
  kLoading,   ///< alive, not ready
  kServing,   ///< ready
  kDraining,  ///< not ready; requests that still arrive are answered
  kRefusing,  ///< not ready; only answers in progress are finished
  kFailed     ///< the model could not be loaded
};

/// Thread-safe.
class Service {
 public:
  /// `now` null: absl::Now.
  explicit Service(absl::Duration hang_limit = absl::Seconds(20),
                   std::function<absl::Time()> now = nullptr);

  void OnLoadProgress(const engine::LoadProgress& progress);
  void Failed(std::string reason);
  /// `model` must outlive the last request.
  void Serve(const LoadedModel* model);
  void SetPhase(Phase phase);

  Phase phase() const;
  /// The model, when requests are taken (serving and draining); else null.
  const LoadedModel* model() const;

  /// Looks at the engine; call it about once a second. Health() does so itself.
  void Tick();
  /// Empty: alive. Else why not: work is pending and the engine stands still.
  std::string Health();
  /// {"state":"loading|serving|draining|failed","loaded_bytes","total_bytes","reason"}, and once
  /// the model is there "model":{"family","parameters","digest"}
  std::string ReadyJson() const;

 private:
  const std::function<absl::Time()> now_;
  mutable std::mutex mutex_;
  Phase phase_ = Phase::kLoading;
  engine::LoadProgress progress_;
  std::string reason_ = "the model is being loaded";
  const LoadedModel* model_ = nullptr;
  Watchdog watchdog_;
};

}  // namespace deepseek::agent
