// ServingEngine's step thread: everything here runs on it alone.
#include <algorithm>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "engine/evaluate.h"
#include "engine/kernels/cpu/thread_pool.h"
#include "engine/serving_engine.h"

namespace deepseek::engine {

void ServingEngine::Loop() {
  // It computes beside the pool's workers: I/O and probes go first.
  LowerComputePriority();
  while (Turn()) {
  }
  FinishAll(FinishReason::kCancelled);
  const std::lock_guard lock(mutex_);
  for (Evaluation* e : evaluations_) {
    e->result = absl::CancelledError("evaluate: the engine is stopping");
    e->done = true;
  }
  evaluations_.clear();
  changed_.notify_all();
}

bool ServingEngine::Turn() {
  Inbox inbox = TakeInbox();
  const bool stop = inbox.stop;
  TakeOver(std::move(inbox));
  if (stop) return false;
  const bool evaluation_waits = RunEvaluations();
  const Step step = PlanStep(/*admit=*/!evaluation_waits);
  Arrange(step);
  Publish();
  if (step.work.empty()) {
    WaitForWork(step.wake);
    return true;
  }
  Compute(step);
  Publish();
  return true;
}

ServingEngine::Inbox ServingEngine::TakeInbox() {
  const std::lock_guard lock(mutex_);
  Inbox inbox = std::exchange(inbox_, {});
  inbox_.stop = inbox.stop;
  // Counted before the lock is left: at no moment does a request seem to be gone.
  stats_.waiting += static_cast<int32_t>(inbox.submitted.size());
  return inbox;
}

void ServingEngine::WaitForWork(absl::Time wake) {
  std::unique_lock lock(mutex_);
  const auto something = [this] {
    return !inbox_.submitted.empty() || !inbox_.cancelled.empty() || inbox_.cancel_all ||
           inbox_.stop || !evaluations_.empty();
  };
  if (wake == absl::InfiniteFuture()) {
    work_.wait(lock, something);
  } else {
    const absl::Duration sleep = std::clamp(wake - now_(), absl::ZeroDuration(), kClockLook);
    work_.wait_for(lock, absl::ToChronoNanoseconds(sleep), something);
  }
}

void ServingEngine::TakeOver(Inbox inbox) {
  for (auto& live : inbox.submitted) {
    const RequestId id = live->id;
    live_.emplace(id, std::move(live));
  }
  for (const RequestId id : inbox.cancelled) {
    if (LiveRequest* live = Find(id)) Finish(live, FinishReason::kCancelled);
  }
  if (inbox.cancel_all) FinishAll(FinishReason::kCancelled);
}

bool ServingEngine::RunEvaluations() {
  while (true) {
    Evaluation* next = nullptr;
    {
      const std::lock_guard lock(mutex_);
      if (evaluations_.empty()) return false;
      next = evaluations_.front();
    }
    std::vector<int32_t> table;
    const auto tokens = static_cast<int32_t>(next->request->tokens.size());
    if (!GrowTable(&blocks_, &table, BlocksFor(tokens, kBlockTokens))) return true;
    auto result =
        RunEvaluate(*model_, *next->request, table, [this](int32_t rows) { StepDone(rows); });
    ReleaseTable(&blocks_, &table);
    const std::lock_guard lock(mutex_);
    next->result = std::move(result);
    next->done = true;
    evaluations_.erase(evaluations_.begin());
    changed_.notify_all();
  }
}

Queues ServingEngine::Snapshot() const {
  Queues queues;
  for (const auto& [id, live] : live_)
    (live->running ? queues.running : queues.waiting).push_back(ToSequence(*live));
  return queues;
}

Cache ServingEngine::CacheNow() const {
  return {blocks_.total(), blocks_.available(), kBlockTokens, blocks_.references()};
}

Step ServingEngine::PlanStep(bool admit) {
  for (const auto& [id, live] : live_) live->cached.clear();
  Queues queues = Snapshot();
  if (!admit) queues.waiting.clear();
  const Cache cache = CacheNow();
  if (admit) {
    LookUp(&queues);
    WaitEstimate wait = EstimateWait(queues, cache, policy_);
    const std::lock_guard lock(mutex_);
    wait_ = std::move(wait);
  }
  return Plan(queues, cache, policy_, now_());
}

void ServingEngine::LookUp(Queues* queues) {
  if (!prefix_.on()) return;
  const auto running = static_cast<int32_t>(queues->running.size());
  const auto places = static_cast<size_t>(std::max(policy_.max_batch - running, 0));
  const size_t most = std::min(queues->waiting.size(), places + static_cast<size_t>(running));
  auto& waiting = queues->waiting;
  std::partial_sort(waiting.begin(), waiting.begin() + static_cast<int64_t>(most), waiting.end(),
                    Senior);
  // Beyond the free places only who has a higher priority than somebody running gets in.
  const auto lowest = std::min_element(
      queues->running.begin(), queues->running.end(),
      [](const Sequence& a, const Sequence& b) { return a.priority < b.priority; });
  for (size_t i = 0; i < most; ++i) {
    if (i >= places && waiting[i].priority <= lowest->priority) break;
    LiveRequest* live = Find(waiting[i].id);
    prefix_.Match(live);
    Sequence& s = waiting[i] = ToSequence(*live);
    const auto ahead = [&](const Sequence& o) {
      return Senior(o, s) && prefix_.Follows(*live, *Find(o.id));
    };
    const auto first = waiting.begin();
    s.follows = std::any_of(queues->running.begin(), queues->running.end(), ahead) ||
                std::any_of(first, first + static_cast<int64_t>(i), ahead);
  }
}

void ServingEngine::Arrange(const Step& step) {
  for (const uint64_t id : step.expire) Finish(Find(id), FinishReason::kDeadline);
  for (const uint64_t id : step.preempt) Preempt(Find(id));
  for (const uint64_t id : step.admit) Admit(Find(id));
}

void ServingEngine::Admit(LiveRequest* live) {
  if (!std::exchange(live->placed, true)) {
    const std::lock_guard lock(mutex_);
    turns_.Served(live->request.client, live->turn);
  }
  live->running = true;
  live->blocks = std::exchange(live->cached, {});
  for (const int32_t block : live->blocks) blocks_.Share(block);
  live->kept = static_cast<int32_t>(live->blocks.size());
  live->computed = live->kept * kBlockTokens;
  if (live->cached_tokens >= 0 || !prefix_.on()) return;
  live->cached_tokens = live->computed;
  if (live->scoring()) return;  // it may not use any: not a query
  prefix_queries_ += live->prompt_tokens();
  prefix_hits_ += live->cached_tokens;
}

void ServingEngine::Compute(const Step& step) {
  const absl::Time start = now_();
  std::vector<LiveRequest*> worked, sampled;
  batch_.clear();
  specs_.clear();
  to_score_.clear();
  int32_t prompt_rows = 0, generated_rows = 0;
  double pairs = 0;
  for (const Work& work : step.work) {
    LiveRequest* live = Find(work.id);
    GrowTable(&blocks_, &live->blocks, work.blocks);  // Plan has counted: there are enough
    const bool decoding = ToSequence(*live).decoding();
    (decoding ? generated_rows : prompt_rows) += work.rows;
    if (!decoding)
      pairs += ChunkPairs(policy_.cost, work.rows, live->computed, live->first_absorbed);
    if (AppendRows(*live, work.rows, &batch_)) {
      specs_.push_back(SamplingOf(*live, static_cast<int32_t>(batch_.logit_rows.size()) - 1));
      Constrain(live, &specs_.back());
      sampled.push_back(live);
    }
    for (const PromptRow& row : RowsToScore(*live, work.rows, batch_))
      to_score_.push_back({live, row});
    live->first_row = std::min(live->first_row, start);
    live->computed += work.rows;
    worked.push_back(live);
  }
  absl::Status status = model_->Forward(batch_);
  if (status.ok() && !specs_.empty()) model_->backend().Sample(model_->logits(), specs_, &results_);
  if (status.ok()) status = model_->backend().Synchronize();
  if (status.ok()) status = ScorePrompts();
  const absl::Time end = now_();
  policy_.cost = Observe(policy_.cost, prompt_rows, generated_rows, end - start, pairs);
  StepDone(static_cast<int32_t>(batch_.tokens.size()));
  if (!status.ok()) {
    for (LiveRequest* live : worked) Finish(live, FinishReason::kError, status);
    return;
  }
  std::erase_if(worked, [&](LiveRequest* live) {
    return std::find(sampled.begin(), sampled.end(), live) != sampled.end();
  });
  for (LiveRequest* live : worked) Settle(live);
  Deliver(sampled);
}

absl::Status ServingEngine::ScorePrompts() {
  const auto most = static_cast<size_t>(model_->limits().max_logit_rows);
  std::vector<SampleSpec> specs;
  std::vector<SampleResult> results;
  std::vector<TokenEvent> told;
  for (size_t begin = 0; begin < to_score_.size(); begin += specs.size()) {
    specs.clear();
    batch_.logit_rows.clear();
    for (size_t i = begin; i < std::min(begin + most, to_score_.size()); ++i) {
      const auto& [live, row] = to_score_[i];
      specs.push_back(ScoreOf(*live, row.position, static_cast<int32_t>(specs.size())));
      batch_.logit_rows.push_back(row.row);
    }
    RETURN_IF_ERROR(model_->MoreLogits(batch_));
    model_->backend().Sample(model_->logits(), specs, &results);
    RETURN_IF_ERROR(model_->backend().Synchronize());
    for (size_t i = 0; i < results.size(); ++i) {
      const auto& [live, row] = to_score_[begin + i];
      if (live->bad_position < 0 && !results[i].finite) live->bad_position = row.position - 1;
      if (live->bad_position < 0) {
        TokenEvent& event = told.emplace_back(TokenEvent{results[i].id, results[i].logprob, {}});
        for (const auto& [id, logprob] : results[i].top) event.top.push_back({id, logprob});
        live->scored = row.position + 1;
      }
      const bool last = i + 1 == results.size() || to_score_[begin + i + 1].live != live;
      if (last && !told.empty()) live->sink->OnPrompt(told);
      if (last) told.clear();
    }
  }
  return absl::OkStatus();
}

void ServingEngine::Settle(LiveRequest* live) {
  if (live->bad_position >= 0) return FinishNonfinite(live, live->bad_position);
  prefix_.Keep(live);
  if (live->prompt_done()) Finish(live, FinishReason::kLength);
}

void ServingEngine::Deliver(const std::vector<LiveRequest*>& sampled) {
  const absl::Time now = now_();
  for (size_t i = 0; i < sampled.size(); ++i) DeliverOne(sampled[i], results_[i], now);
}

void ServingEngine::DeliverOne(LiveRequest* live, const SampleResult& result, absl::Time now) {
  if (live->bad_position >= 0) return FinishNonfinite(live, live->bad_position);
  if (!result.finite) return FinishNonfinite(live, live->known_tokens());
  prefix_.Keep(live);
  live->generated.push_back(result.id);
  live->first_token = std::min(live->first_token, now);
  live->last_token = now;
  TokenEvent event{result.id, result.logprob, {}};
  for (const auto& [id, logprob] : result.top) event.top.push_back({id, logprob});
  const auto& stops = live->request.stop_ids;
  TokenConstraint* constraint = live->request.constraint.get();
  event.ends = std::find(stops.begin(), stops.end(), result.id) != stops.end() &&
               (constraint == nullptr || constraint->MayEnd());
  live->sink->OnToken(event);
  if (event.ends) return Finish(live, FinishReason::kStop);
  if (constraint != nullptr) constraint->Accept(result.id);
  if (constraint != nullptr && constraint->Complete()) {
    Finish(live, FinishReason::kStop);
  } else if (static_cast<int32_t>(live->generated.size()) >= live->answer_limit) {
    Finish(live, FinishReason::kLength);
  }
}

void ServingEngine::FinishNonfinite(LiveRequest* live, int32_t position) {
  ++nonfinite_rows_;
  Finish(live, FinishReason::kError,
         absl::InternalError(
             StrCat("request ", live->id, ": position ", position,
                    ": the model gave a logit that is not a number (check the weights: verify)")));
}

void ServingEngine::Preempt(LiveRequest* live) {
  ReleaseTable(&blocks_, &live->blocks);
  live->computed = live->kept = 0;
  live->running = false;
  ++preemptions_;
}

void ServingEngine::Finish(LiveRequest* live, FinishReason reason, const absl::Status& error) {
  ReleaseTable(&blocks_, &live->blocks);
  const bool had_place = live->running;
  if (reason == FinishReason::kStop || reason == FinishReason::kLength) {
    policy_.cost = ObserveAnswer(policy_.cost, static_cast<int32_t>(live->generated.size()));
  }
  if (!live->placed) {
    const std::lock_guard lock(mutex_);
    turns_.Gone(live->request.client);
  }
  const auto node = live_.extract(live->id);
  if (had_place) {
    // Who hears of the end may ask again at once, and finds the place.
    WaitEstimate wait = EstimateWait(Snapshot(), CacheNow(), policy_);
    const std::lock_guard lock(mutex_);
    --places_taken_;
    wait_ = std::move(wait);
  }
  node.mapped()->sink->OnFinish(reason, UsageOf(*live, now_()), error);
}

void ServingEngine::FinishAll(FinishReason reason) {
  while (!live_.empty()) Finish(live_.begin()->second.get(), reason);
  Publish();
}

void ServingEngine::StepDone(int32_t rows) {
  ++steps_;
  const std::lock_guard lock(mutex_);
  stats_.steps = steps_;
  stats_.step_tokens = rows;
  stats_.last_step_end = now_();
}

void ServingEngine::Publish() {
  const auto running = static_cast<int32_t>(std::count_if(
      live_.begin(), live_.end(), [](const auto& entry) { return entry.second->running; }));
  const std::lock_guard lock(mutex_);
  stats_.running = places_taken_ = running;
  stats_.waiting = static_cast<int32_t>(live_.size()) - running;
  backlog_ = stats_.waiting > 0;
  stats_.kv_blocks_used = blocks_.held();
  stats_.preemptions = preemptions_;
  stats_.prefix_queries = prefix_queries_;
  stats_.prefix_hits = prefix_hits_;
  stats_.nonfinite_rows = nonfinite_rows_;
  if (live_.empty() && inbox_.submitted.empty() && evaluations_.empty()) {
    stats_.busy_since = absl::InfiniteFuture();
  }
  changed_.notify_all();
}

LiveRequest* ServingEngine::Find(RequestId id) {
  const auto it = live_.find(id);
  return it == live_.end() ? nullptr : it->second.get();
}

}  // namespace deepseek::engine
