#pragma once
// The agent's metrics (docs/reference/metrics.md): vLLM's names where it has one, so that existing
// dashboards work. Every label value comes from a closed set; nothing of a request's text or of a
// client's identity is counted by.

#include <memory>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "base/metrics/metrics.h"
#include "engine/engine.h"

namespace deepseek::agent {

/// Why a request got no tokens.
enum class Refusal {
  kInvalid,
  kUnknownModel,
  kContextLength,
  kUnauthenticated,
  kForbidden,
  kQueueFull,
  kClientLimit,
  kLoading,
  kDraining,
  kError
};
std::string_view Name(Refusal refusal);

/// Thread-safe. One per process; must outlive the requests it counts.
class Telemetry {
 public:
  Telemetry(metrics::Registry& registry, const std::string& model_name);
  ~Telemetry();

  /// Labels of deepseek_build_info. `device` is what the engine resolved.
  void SetBuild(std::string_view version, std::string_view revision, std::string_view device);
  void OnLoadProgress(const engine::LoadProgress& progress);
  /// From now on gauges and totals of `engine` are fetched at each scrape; null: no longer.
  void SetEngine(const engine::Engine* engine, absl::Duration load_time);

  void OnRefused(Refusal reason);
  void OnSubmitted(int32_t prompt_tokens);
  void OnFirstToken(absl::Duration since_arrival);
  void OnLaterToken(absl::Duration since_previous);
  /// `reason`: what the client was told; `prompt_tokens` as in OnSubmitted.
  void OnFinished(engine::FinishReason reason, int32_t prompt_tokens, const engine::Usage& usage,
                  absl::Duration since_arrival);

 private:
  struct Series;
  std::unique_ptr<Series> series_;
};

}  // namespace deepseek::agent
