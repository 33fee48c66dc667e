#include "agent/cli/answer.h"

#include <condition_variable>
#include <mutex>
#include <utility>

#include "base/status.h"

namespace deepseek::agent {

class PendingAnswer::Keeper final : public engine::Sink {
 public:
  Keeper(engine::Engine& engine, std::function<bool(int32_t)> on_token)
      : engine_(engine), on_token_(std::move(on_token)) {}

  void OnToken(const engine::TokenEvent& token) override {
    if (stopped_) return;  // the step that was under way when on_token said stop
    answer_.ids.push_back(token.id);
    if (on_token_ && !on_token_(token.id)) {
      stopped_ = true;
      const std::lock_guard lock(mutex_);
      if (id_ != 0) engine_.Cancel(id_);
      cancel_ = true;
    }
  }

  void OnFinish(engine::FinishReason reason, const engine::Usage& usage, const absl::Status& error) override {
    const std::lock_guard lock(mutex_);
    answer_.reason = stopped_ ? engine::FinishReason::kStop : reason;
    answer_.usage = usage;
    error_ = error;
    done_ = true;
    changed_.notify_all();
  }

  // The first token may come before Submit has returned the id.
  void SetId(engine::RequestId id) {
    const std::lock_guard lock(mutex_);
    id_ = id;
    if (cancel_) engine_.Cancel(id);
  }

  absl::StatusOr<Answer> Wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return done_; });
    RETURN_IF_ERROR(error_);
    return answer_;
  }

 private:
  engine::Engine& engine_;
  const std::function<bool(int32_t)> on_token_;
  bool stopped_ = false;               // the engine's thread only, until done_
  Answer answer_;                      // the same
  std::mutex mutex_;
  std::condition_variable changed_;
  engine::RequestId id_ = 0;
  bool cancel_ = false, done_ = false;
  absl::Status error_;
};

absl::StatusOr<PendingAnswer> PendingAnswer::Submit(engine::Engine& engine, engine::Request request,
                                                    std::function<bool(int32_t)> on_token) {
  auto keeper = std::make_shared<Keeper>(engine, std::move(on_token));
  ASSIGN_OR_RETURN(const engine::RequestId id, engine.Submit(std::move(request), keeper));
  keeper->SetId(id);
  return PendingAnswer(std::move(keeper));
}

absl::StatusOr<Answer> PendingAnswer::Wait() { return keeper_->Wait(); }

}  // namespace deepseek::agent
