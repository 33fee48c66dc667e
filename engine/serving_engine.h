#pragma once
// Engine around a loaded Model: one thread plans and computes steps for all requests.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "engine/block_table.h"
#include "engine/engine.h"
#include "engine/live_request.h"
#include "engine/model/model.h"
#include "engine/prefix_cache.h"
#include "engine/request_check.h"
#include "engine/schedule/estimate.h"
#include "engine/schedule/plan.h"
#include "engine/schedule/turns.h"

namespace deepseek::engine {

/// An injected clock does not wake a sleeping thread: who waits looks at it again after so long.
inline constexpr absl::Duration kClockLook = absl::Milliseconds(50);

/// Other threads only put work into the inbox; everything else belongs to the step thread, so that
/// no sink is ever called under a lock and none is called after its OnFinish.
class ServingEngine final : public Engine {
 public:
  /// Of `options`, the model's own part is ignored: `model` is loaded.
  ServingEngine(std::unique_ptr<Model> model, const EngineOptions& options);
  /// Ends what runs with kCancelled, then joins.
  ~ServingEngine() override;

  const ModelSpec& spec() const override { return model_->spec(); }
  const ModelOptions& options() const override { return model_->options(); }
  int32_t max_context() const override { return limits_.max_context; }
  absl::StatusOr<RequestId> Submit(Request request, std::shared_ptr<Sink> sink) override;
  void Cancel(RequestId id) override;
  int Drain(absl::Time deadline) override;
  Stats stats() const override;
  MemoryUse memory() const override;
  absl::StatusOr<EvaluateResult> Evaluate(const EvaluateRequest& request) override;

 private:
  /// A caller of Evaluate that waits. Lives on the caller's stack until `done`.
  struct Evaluation {
    const EvaluateRequest* request;
    absl::StatusOr<EvaluateResult> result = absl::UnknownError("");
    bool done = false;
  };

  /// What other threads handed in, taken over at the start of each turn.
  struct Inbox {
    std::vector<std::unique_ptr<LiveRequest>> submitted;
    std::vector<RequestId> cancelled;
    bool cancel_all = false;
    bool stop = false;
  };

  /// OK, or why a request that can be served is not taken now. Under mutex_.
  absl::Status Refusal(const Request& request, absl::Time now) const;
  void Loop();
  Inbox TakeInbox();
  void WaitForWork(absl::Time wake);
  /// One turn of the loop: take over, evaluate, plan, compute. False: stop.
  bool Turn();
  void TakeOver(Inbox inbox);
  /// True while an evaluation waits for blocks: then nobody new is admitted.
  bool RunEvaluations();
  Step PlanStep(bool admit);
  /// Everybody, as the policy sees them.
  Queues Snapshot() const;
  Cache CacheNow() const;
  /// Finds the cached prefixes of those who may be admitted now.
  void LookUp(Queues* queues);
  void Admit(LiveRequest* live);
  void Arrange(const Step& step);
  void Compute(const Step& step);
  /// Log-probs of the prompt rows of the step just computed, told to their sinks. The head runs
  /// over so many rows at a time as it has room for: no logits are kept.
  absl::Status ScorePrompts();
  /// Of those: ends, or keeps the blocks of, a request that draws no token in this step.
  void Settle(LiveRequest* live);
  void Deliver(const std::vector<LiveRequest*>& sampled);
  void DeliverOne(LiveRequest* live, const SampleResult& result, absl::Time now);
  void FinishNonfinite(LiveRequest* live, int32_t position);
  void Preempt(LiveRequest* live);
  void Finish(LiveRequest* live, FinishReason reason, const absl::Status& error = absl::OkStatus());
  void FinishAll(FinishReason reason);
  void StepDone(int32_t rows);
  void Publish();
  LiveRequest* Find(RequestId id);

  // Set at construction.
  const std::unique_ptr<Model> model_;
  const std::function<absl::Time()> now_;
  const RequestLimits limits_;
  const int32_t max_queue_;
  const std::optional<absl::Duration> max_queue_delay_;

  // The step thread's own.
  std::map<RequestId, std::unique_ptr<LiveRequest>> live_;  // by order of arrival
  BlockPool blocks_;
  PrefixCache prefix_;
  Policy policy_;
  struct ToScore {
    LiveRequest* live;
    PromptRow row;
  };
  Batch batch_;
  std::vector<ToScore> to_score_;  // of the step, by request, in order of positions
  std::vector<SampleSpec> specs_;
  std::vector<SampleResult> results_;
  int64_t preemptions_ = 0, steps_ = 0, nonfinite_rows_ = 0;
  int64_t prefix_queries_ = 0, prefix_hits_ = 0;  // prompt tokens

  mutable std::mutex mutex_;
  std::condition_variable work_;     // for the step thread: the inbox or evaluations_ has something
  std::condition_variable changed_;  // for callers: stats_ or an Evaluation changed
  Inbox inbox_;                      // guarded by mutex_, as all below
  std::vector<Evaluation*> evaluations_;
  Stats stats_;
  WaitEstimate wait_;
  RequestId last_id_ = 0;
  Turns turns_;
  int32_t places_taken_ = 0;  // stats_.running, less those that have ended since
  bool backlog_ = false;      // the last plan left somebody waiting
  bool draining_ = false;

  std::thread thread_;  // last: starts when all above exists
};

}  // namespace deepseek::engine
