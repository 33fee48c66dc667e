#include "engine/serving_engine.h"

#include <algorithm>
#include <random>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "engine/first_prices.h"
#include "engine/kernels/reference/host_memory.h"
#include "engine/refusal.h"

namespace deepseek::engine {
namespace {

// Of those who find no free place, unless the options say otherwise.
constexpr absl::Duration kLongestQueueDelay = absl::Seconds(30);

std::string Rounded(absl::Duration wait) {
  return absl::FormatDuration(absl::Ceil(wait, absl::Milliseconds(100)));
}

Policy PolicyFor(const Model& model, const EngineOptions& options) {
  Policy policy;
  policy.max_batch = std::min(model.options().max_batch, model.limits().max_logit_rows);
  policy.max_rows = model.limits().max_rows;
  policy.max_batch_delay = options.max_batch_delay;
  policy.step_target = options.step_target;
  policy.cost = FirstPrices(model.spec());
  return policy;
}

RequestLimits LimitsFor(const Model& model) {
  // A load has resolved and checked it.
  const int32_t asked = model.options().max_context;
  return {model.spec().vocab, asked > 0 ? asked : model.spec().max_positions,
          int64_t{model.kv_blocks()} * kBlockTokens};
}

uint64_t HashKey() {
  std::random_device random;
  return uint64_t{random()} << 32 | random();
}

}  // namespace

ServingEngine::ServingEngine(std::unique_ptr<Model> model, const EngineOptions& options)
    : model_(std::move(model)),
      now_(options.now ? options.now : [] { return absl::Now(); }),
      limits_(LimitsFor(*model_)),
      max_queue_(options.max_queue),
      max_queue_delay_(options.max_queue_delay),
      blocks_(model_->kv_blocks(), HashKey()),
      prefix_(&blocks_, options.prefix_cache, model_->spec().attention == Attention::kMla),
      policy_(PolicyFor(*model_, options)) {
  stats_.kv_blocks_total = blocks_.total();
  thread_ = std::thread([this] { Loop(); });
}

ServingEngine::~ServingEngine() {
  {
    const std::lock_guard lock(mutex_);
    draining_ = true;
    inbox_.stop = true;
  }
  work_.notify_all();
  thread_.join();
}

absl::StatusOr<RequestId> ServingEngine::Submit(Request request, std::shared_ptr<Sink> sink) {
  RETURN_IF_ERROR(CheckRequest(request, limits_));
  auto live = std::make_unique<LiveRequest>();
  live->answer_limit = AnswerLimit(request, limits_);
  live->request = std::move(request);
  live->first_absorbed = FirstAbsorbed(live->prompt_tokens(), prefix_.paths_differ());
  live->sink = std::move(sink);
  live->arrival = now_();
  RequestId id = 0;
  {
    const std::lock_guard lock(mutex_);
    if (draining_) {
      return absl::UnavailableError(
          "request: refused: the engine is draining (send it to another replica)");
    }
    RETURN_IF_ERROR(Refusal(live->request, live->arrival));
    id = live->id = ++last_id_;
    live->turn = turns_.Take(live->request.client);
    inbox_.submitted.push_back(std::move(live));
    stats_.busy_since = std::min(stats_.busy_since, now_());
  }
  work_.notify_one();
  return id;
}

absl::Status ServingEngine::Refusal(const Request& request, absl::Time now) const {
  if (request.deadline <= now) {
    return absl::DeadlineExceededError("request: refused: its deadline has passed");
  }
  const auto newer = static_cast<int32_t>(inbox_.submitted.size());
  const absl::Duration wait = WaitOf(wait_, request.priority, turns_.Next(request.client), newer);
  // Who goes straight into a free place of the batch does not queue.
  const int32_t waiting = stats_.waiting + newer;
  const int32_t places = backlog_ ? 0 : policy_.max_batch - places_taken_;
  if (waiting >= max_queue_ + places) {
    return Refused(StrCat("request: refused: the queue is full (", waiting,
                          " waiting; try again later, or start with a larger --max-queue)"),
                   wait);
  }
  const absl::Duration unset =
      newer < wait_.free_places ? absl::InfiniteDuration() : kLongestQueueDelay;
  const absl::Duration most = max_queue_delay_.value_or(unset);
  if (wait > most) {
    return Refused(StrCat("request: refused: it would wait for about ", Rounded(wait),
                          " (try again later, or start with a larger --max-queue-delay)"),
                   wait - most);
  }
  if (wait > request.deadline - now) {
    return Refused(StrCat("request: refused: it would wait for about ", Rounded(wait),
                          ", beyond its deadline (try again later, or give it more time)"),
                   wait);
  }
  return absl::OkStatus();
}

void ServingEngine::Cancel(RequestId id) {
  {
    const std::lock_guard lock(mutex_);
    inbox_.cancelled.push_back(id);
  }
  work_.notify_one();
}

int ServingEngine::Drain(absl::Time deadline) {
  std::unique_lock lock(mutex_);
  draining_ = true;
  const auto left = [this] {
    return static_cast<int>(inbox_.submitted.size()) + stats_.waiting + stats_.running;
  };
  while (left() > 0 && now_() < deadline) {
    changed_.wait_for(lock, absl::ToChronoNanoseconds(std::min(deadline - now_(), kClockLook)));
  }
  const int cancelled = left();
  if (cancelled > 0) {
    inbox_.cancel_all = true;
    work_.notify_one();
    changed_.wait(lock, [&left] { return left() == 0; });
  }
  return cancelled;
}

Stats ServingEngine::stats() const {
  const std::lock_guard lock(mutex_);
  Stats stats = stats_;
  stats.waiting += static_cast<int32_t>(inbox_.submitted.size());
  stats.progress = model_->progress();
  return stats;
}

MemoryUse ServingEngine::memory() const {
  Backend& backend = model_->backend();
  return {model_->planned_bytes(), backend.weight_bytes(),    backend.buffer_bytes(),
          backend.scratch_bytes(), backend.huge_page_bytes(), HugePagePolicy()};
}

absl::StatusOr<EvaluateResult> ServingEngine::Evaluate(const EvaluateRequest& request) {
  RETURN_IF_ERROR(CheckEvaluate(request, limits_));
  if (request.mtp && (!options().load_mtp || spec().mtp_layers == 0)) {
    return absl::InvalidArgumentError(
        spec().mtp_layers == 0
            ? "mtp: the model has no multi-token-prediction layer (leave --mtp out)"
            : "mtp: the multi-token-prediction layer was not loaded (set load_mtp)");
  }
  Evaluation evaluation;
  evaluation.request = &request;
  std::unique_lock lock(mutex_);
  if (inbox_.stop) return absl::UnavailableError("evaluate: refused: the engine is stopping");
  evaluations_.push_back(&evaluation);
  stats_.busy_since = std::min(stats_.busy_since, now_());
  work_.notify_one();
  changed_.wait(lock, [&evaluation] { return evaluation.done; });
  return std::move(evaluation.result);
}

}  // namespace deepseek::engine
