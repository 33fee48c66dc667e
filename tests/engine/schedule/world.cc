#include "tests/engine/schedule/world.h"

#include <algorithm>
#include <utility>

namespace deepseek::engine {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'000'000);

}  // namespace

World::World(std::vector<Job> jobs, int32_t blocks, Policy policy, Machine machine)
    : jobs_(std::move(jobs)), policy_(policy), machine_(std::move(machine)), pool_(blocks, 1) {
  std::stable_sort(jobs_.begin(), jobs_.end(),
                   [](const Job& a, const Job& b) { return a.arrives < b.arrives; });
}

std::string World::Run(int steps, bool* done) {
  *done = false;
  for (int i = 0; i < steps && wrong_.empty(); ++i) {
    Arrive();
    if (live_.empty() && arrived_ == jobs_.size()) {
      *done = true;
      Check(pool_.held() == 0, "blocks are left");
      return wrong_;
    }
    const Step step = MakePlan();
    CarryOut(step);
    if (!step.work.empty()) {
      AfterStep(step);
      continue;
    }
    absl::Duration next = step.wake - kStart;
    if (arrived_ < jobs_.size()) next = std::min(next, jobs_[arrived_].arrives);
    Check(next < absl::InfiniteDuration() || live_.empty(), "stands still for ever");
    if (next < absl::InfiniteDuration()) now_ = std::max(now_, next);
  }
  return wrong_;
}

void World::Arrive() {
  int32_t newer = 0;
  for (; arrived_ < jobs_.size() && jobs_[arrived_].arrives <= now_; ++arrived_) {
    Job& job = jobs_[arrived_];
    const absl::Duration wait = WaitOf(wait_, job.priority, turns_.Next(job.client), newer);
    if (wait > machine_.max_queue_delay) {
      job.refused = true;
      continue;
    }
    ++newer;
    auto live = std::make_unique<Live>();
    live->job = live->id = arrived_;
    live->turn = turns_.Take(job.client);
    live_.push_back(std::move(live));
  }
}

Sequence World::ToSequence(const Live& live) const {
  const Job& job = jobs_[live.job];
  Sequence s;
  s.id = s.ticket = live.id;
  s.priority = job.priority;
  s.turn = live.turn;
  s.arrival = kStart + job.arrives;
  s.deadline = kStart + job.arrives + job.deadline;
  s.known_tokens = Known(live);
  s.prompt_tokens = job.prompt;
  s.first_absorbed = FirstAbsorbed(job.prompt, true);
  s.answer_left = job.generate - live.generated;
  if (live.running) {
    s.computed = live.computed;
    s.blocks = static_cast<int32_t>(live.table.size());
    s.kept = absl::MakeConstSpan(live.table).first(static_cast<size_t>(live.kept));
  } else {
    s.computed = static_cast<int32_t>(live.cached.size()) * kBlockTokens;
    s.kept = live.cached;
  }
  return s;
}

Step World::MakePlan() {
  Queues queues;
  for (const auto& live : live_) {
    if (!live->running) Match(live.get());
    (live->running ? queues.running : queues.waiting).push_back(ToSequence(*live));
  }
  for (Sequence& s : queues.waiting) {
    if (jobs_[s.id].group < 0) continue;
    for (const auto& other : live_) {
      if (!other->cached.empty() && !other->running) continue;
      if (Senior(ToSequence(*other), s) && Follows(*Find(s.id), *other)) s.follows = true;
    }
  }
  const Cache cache{pool_.total(), pool_.available(), kBlockTokens, pool_.references()};
  wait_ = EstimateWait(queues, cache, policy_);
  Step step = Plan(queues, cache, policy_, kStart + now_);
  const Step again = Plan(queues, cache, policy_, kStart + now_);
  Check(step.admit == again.admit && step.preempt == again.preempt &&
            step.work.size() == again.work.size(),
        "not deterministic");
  return step;
}

void World::CarryOut(const Step& step) {
  for (const uint64_t id : step.expire) {
    Job& job = jobs_[Find(id)->job];
    Check(job.arrives + job.deadline <= now_, "expired too soon");
    job.expired = true;
    End(id);
  }
  for (const uint64_t id : step.preempt) {
    Live* live = Find(id);
    Check(live->running, "preempted without running");
    Release(live);
    live->kept = live->computed = 0;
    live->running = false;
    ++preemptions_;
  }
  for (const uint64_t id : step.admit) {
    Live* live = Find(id);
    Check(!live->running, "admitted twice");
    if (!std::exchange(live->placed, true)) turns_.Served(jobs_[live->job].client, live->turn);
    live->running = true;
    live->table = std::exchange(live->cached, {});
    for (const int32_t block : live->table) pool_.Share(block);
    live->kept = static_cast<int32_t>(live->table.size());
    live->computed = live->kept * kBlockTokens;
    hits_ += live->computed;
  }
  const auto running =
      std::count_if(live_.begin(), live_.end(), [](const auto& l) { return l->running; });
  Check(running <= policy_.max_batch, "more than max_batch");
  Check(running == 0 || !step.work.empty(), "a running batch stands still");
}

void World::Compute(const Work& work, int32_t* prompt_rows, int32_t* generated_rows) {
  Live* live = Find(work.id);
  Check(live != nullptr && live->running, "work for nobody");
  if (!wrong_.empty()) return;
  const auto held = static_cast<int32_t>(live->table.size());
  Check(work.rows > 0 && work.rows <= Known(*live) - live->computed, "rows that are not there");
  Check(work.blocks >= held && work.blocks - held <= pool_.available(), "blocks miscounted");
  if (!wrong_.empty()) return;
  while (static_cast<int32_t>(live->table.size()) < work.blocks)
    live->table.push_back(pool_.Allocate());
  const bool decoding = ToSequence(*live).decoding();
  (decoding ? *generated_rows : *prompt_rows) += work.rows;
  if (!decoding)
    pairs_ += ChunkPairs(policy_.cost, work.rows, live->computed,
                         FirstAbsorbed(jobs_[live->job].prompt, true));
  live->computed += work.rows;
  Check(work.blocks * kBlockTokens >= live->computed, "too few blocks");
}

void World::AfterStep(const Step& step) {
  int32_t prompt_rows = 0, generated_rows = 0;
  pairs_ = 0;
  for (const Work& work : step.work) Compute(work, &prompt_rows, &generated_rows);
  Check(prompt_rows + generated_rows <= policy_.max_rows, "more than max_rows");
  if (!wrong_.empty()) return;
  const absl::Duration took =
      machine_.step(prompt_rows, generated_rows) + machine_.per_kilopair * (pairs_ / 1000);
  now_ += took;
  if (prompt_rows > 0) prompt_steps_.emplace_back(took, generated_rows);
  if (machine_.learns) {
    policy_.cost = Observe(policy_.cost, prompt_rows, generated_rows, took, pairs_);
  }
  for (const Work& work : step.work) {
    Live* live = Find(work.id);
    Keep(live);
    if (live->computed < Known(*live)) continue;
    Job& job = jobs_[live->job];
    job.first_token = std::min(job.first_token, now_);
    if (++live->generated < job.generate) continue;
    job.finished = now_;
    finished_.push_back(live->job);
    if (machine_.learns) policy_.cost = ObserveAnswer(policy_.cost, job.generate);
    End(live->id);
  }
}

BlockRows World::RowsOf(const Live& live, int32_t block) const {
  const Job& job = jobs_[live.job];
  BlockRows rows;
  for (int32_t i = 0; i < kBlockTokens; ++i) {
    const int32_t position = block * kBlockTokens + i;
    const bool common = job.group >= 0 && position < job.common;
    rows.tokens[static_cast<size_t>(i)] =
        common ? -1 - job.group : static_cast<int32_t>(live.job) + 1;
  }
  rows.materialised =
      std::clamp(FirstAbsorbed(job.prompt, true) - block * kBlockTokens, 0, kBlockTokens);
  return rows;
}

void World::Match(Live* live) const {
  live->cached.clear();
  int32_t parent = BlockPool::kNone;
  for (int32_t i = 0; i < (Known(*live) - 1) / kBlockTokens; ++i) {
    parent = pool_.Find(parent, "", RowsOf(*live, i));
    if (parent == BlockPool::kNone) return;
    live->cached.push_back(parent);
  }
}

void World::Keep(Live* live) {
  for (; live->kept < live->computed / kBlockTokens; ++live->kept) {
    const int32_t parent = live->kept == 0 ? BlockPool::kNone : live->table[live->kept - 1];
    int32_t& block = live->table[live->kept];
    block = pool_.Keep(block, parent, "", RowsOf(*live, live->kept));
  }
}

bool World::Follows(const Live& live, const Live& senior) const {
  const auto next = static_cast<int32_t>(live.cached.size());
  const int32_t end = (next + 1) * kBlockTokens;
  const Job& a = jobs_[live.job];
  const Job& b = jobs_[senior.job];
  return live.job != senior.job && a.group >= 0 && a.group == b.group &&
         end <= std::min(a.common, b.common) && end < Known(live) && senior.computed < end;
}

void World::Release(Live* live) {
  for (; !live->table.empty(); live->table.pop_back()) pool_.Release(live->table.back());
}

void World::End(uint64_t id) {
  const Live* live = Find(id);
  if (!live->placed) turns_.Gone(jobs_[live->job].client);
  Release(Find(id));
  std::erase_if(live_, [id](const auto& live) { return live->id == id; });
}

World::Live* World::Find(uint64_t id) {
  const auto it =
      std::find_if(live_.begin(), live_.end(), [id](const auto& live) { return live->id == id; });
  return it == live_.end() ? nullptr : it->get();
}

void World::Check(bool good, const char* what) {
  if (!good && wrong_.empty()) wrong_ = what;
}

}  // namespace deepseek::engine
