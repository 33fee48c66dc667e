#include "agent/openai/service.h"

#include <utility>

#include "absl/time/clock.h"
#include "base/json_full.h"
#include "base/strings.h"

namespace deepseek::agent {

Service::Service(absl::Duration hang_limit, std::function<absl::Time()> now)
    : now_(now ? std::move(now) : [] { return absl::Now(); }), watchdog_(hang_limit) {}

void Service::OnLoadProgress(const engine::LoadProgress& progress) {
  const std::lock_guard lock(mutex_);
  progress_ = progress;
}

void Service::Failed(std::string reason) {
  const std::lock_guard lock(mutex_);
  phase_ = Phase::kFailed;
  reason_ = std::move(reason);
}

void Service::Serve(const LoadedModel* model) {
  const std::lock_guard lock(mutex_);
  model_ = model;
  phase_ = Phase::kServing;
  reason_.clear();
}

void Service::SetPhase(Phase phase) {
  const std::lock_guard lock(mutex_);
  phase_ = phase;
  if (phase == Phase::kDraining || phase == Phase::kRefusing)
    reason_ = "the server is shutting down";
}

Phase Service::phase() const {
  const std::lock_guard lock(mutex_);
  return phase_;
}

const LoadedModel* Service::model() const {
  const std::lock_guard lock(mutex_);
  return phase_ == Phase::kServing || phase_ == Phase::kDraining ? model_ : nullptr;
}

void Service::Tick() {
  const std::lock_guard lock(mutex_);
  if (model_) watchdog_.Observe(model_->engine->stats(), now_());
}

std::string Service::Health() {
  Tick();
  const std::lock_guard lock(mutex_);
  const absl::Time now = now_();
  if (!watchdog_.Hung(now)) return {};
  return StrCat("requests are pending and the engine has made no progress for ",
                absl::ToInt64Seconds(watchdog_.Still(now)), " s");
}

std::string Service::ReadyJson() const {
  const std::lock_guard lock(mutex_);
  const char* state = "draining";
  if (phase_ == Phase::kLoading) state = "loading";
  if (phase_ == Phase::kServing) state = "serving";
  if (phase_ == Phase::kFailed) state = "failed";
  Json out = {{"state", state},
              {"loaded_bytes", progress_.loaded_bytes},
              {"total_bytes", progress_.total_bytes},
              {"reason", reason_}};
  if (model_ != nullptr) {
    const engine::ModelSpec& spec = model_->engine->spec();
    out["model"] = {
        {"family", spec.family}, {"parameters", spec.Parameters()}, {"digest", model_->digest}};
  }
  return DumpJson(out);
}

}  // namespace deepseek::agent
