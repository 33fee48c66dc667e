// Random traffic through Plan until all is served: nobody starves, no block leaks, no step exceeds
// its limits.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>

#include "engine/schedule/plan.h"

namespace deepseek::engine {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'000'000);
constexpr absl::Duration kStepTime = absl::Milliseconds(10);

struct Job {
  int32_t arrives_at_step = 0;
  int32_t prompt = 1;
  int32_t generate = 1;
  int32_t priority = 0;
  int32_t deadline_steps = -1;  // -1: none
};

/// Carries steps out as the engine does, and checks each of them.
class World {
 public:
  World(std::vector<Job> jobs, int32_t blocks, Policy policy)
      : jobs_(std::move(jobs)), policy_(policy), cache_{blocks, blocks, 64} {}

  // Steps until all jobs are done; at most `limit`.
  bool RunAll(int limit) {
    for (step_ = 0; step_ < limit; ++step_) {
      now_ = kStart + step_ * kStepTime;
      Arrive();
      if (arrived_ == jobs_.size() && queues_.waiting.empty() && queues_.running.empty())
        return true;
      CarryOut(Plan(queues_, cache_, policy_, now_));
    }
    return false;
  }

  const std::vector<uint64_t>& finished() const { return finished_; }
  int expired() const { return expired_; }
  int preemptions() const { return preemptions_; }
  int32_t blocks_free() const { return cache_.blocks_free; }

 private:
  void Arrive() {
    while (arrived_ < jobs_.size() && jobs_[arrived_].arrives_at_step <= step_) {
      const Job& job = jobs_[arrived_];
      Sequence s;
      s.id = s.ticket = arrived_;
      s.priority = job.priority;
      s.arrival = now_;
      if (job.deadline_steps >= 0) s.deadline = now_ + job.deadline_steps * kStepTime;
      s.prompt_tokens = s.known_tokens = job.prompt;
      queues_.waiting.push_back(s);
      ++arrived_;
    }
  }

  static Sequence Remove(std::vector<Sequence>* from, uint64_t id) {
    const auto it =
        std::find_if(from->begin(), from->end(), [id](const Sequence& s) { return s.id == id; });
    RC_ASSERT(it != from->end());
    Sequence s = *it;
    from->erase(it);
    return s;
  }

  void Expire(uint64_t id) {
    auto& from = Holds(queues_.running, id) ? queues_.running : queues_.waiting;
    const Sequence s = Remove(&from, id);
    RC_ASSERT(s.deadline <= now_);
    cache_.blocks_free += s.blocks;
    ++expired_;
  }

  static bool Holds(const std::vector<Sequence>& v, uint64_t id) {
    return std::any_of(v.begin(), v.end(), [id](const Sequence& s) { return s.id == id; });
  }

  void CarryOut(const Step& step) {
    const bool had_work = !queues_.running.empty();
    for (const uint64_t id : step.expire) Expire(id);
    for (const uint64_t id : step.preempt) {
      Sequence s = Remove(&queues_.running, id);
      cache_.blocks_free += s.blocks;
      s.blocks = s.computed = 0;
      queues_.waiting.push_back(s);
      ++preemptions_;
    }
    for (const uint64_t id : step.admit) queues_.running.push_back(Remove(&queues_.waiting, id));
    RC_ASSERT(static_cast<int32_t>(queues_.running.size()) <= policy_.max_batch);
    // A running batch never stands still.
    if (had_work && !queues_.running.empty()) RC_ASSERT(!step.work.empty());
    int32_t rows = 0;
    for (const Work& w : step.work) {
      rows += w.rows;
      Compute(w);
    }
    RC_ASSERT(rows <= policy_.max_rows);
  }

  void Compute(const Work& w) {
    const auto it = std::find_if(queues_.running.begin(), queues_.running.end(),
                                 [&w](const Sequence& s) { return s.id == w.id; });
    RC_ASSERT(it != queues_.running.end());
    RC_ASSERT(w.rows > 0);
    RC_ASSERT(w.rows <= it->rows_left());
    RC_ASSERT(w.blocks >= it->blocks);
    cache_.blocks_free -= w.blocks - it->blocks;
    RC_ASSERT(cache_.blocks_free >= 0);
    it->blocks = w.blocks;
    it->computed += w.rows;
    RC_ASSERT(it->blocks * 64 >= it->computed);
    if (it->rows_left() > 0) return;
    ++it->known_tokens;  // the sampled one
    if (it->known_tokens - it->prompt_tokens < jobs_[w.id].generate) return;
    cache_.blocks_free += it->blocks;
    finished_.push_back(w.id);
    queues_.running.erase(it);
  }

  std::vector<Job> jobs_;
  Policy policy_;
  Cache cache_;
  Queues queues_;
  size_t arrived_ = 0;
  int step_ = 0;
  absl::Time now_;
  std::vector<uint64_t> finished_;
  int expired_ = 0;
  int preemptions_ = 0;
};

std::vector<Job> RandomJobs(int32_t blocks, bool priorities, bool deadlines) {
  const int count = *rc::gen::inRange(1, 40);
  std::vector<Job> jobs;
  int32_t at = 0;
  for (int i = 0; i < count; ++i) {
    at += *rc::gen::weightedElement<int32_t>({{8, 0}, {3, 1}, {1, 40}});
    Job job;
    job.arrives_at_step = at;
    job.prompt = *rc::gen::inRange(1, blocks * 64);
    job.generate = *rc::gen::inRange(1, std::min(200, blocks * 64 - job.prompt + 1) + 1);
    if (priorities) job.priority = *rc::gen::inRange(-1, 2);
    if (deadlines && *rc::gen::inRange(0, 3) == 0) job.deadline_steps = *rc::gen::inRange(0, 100);
    jobs.push_back(job);
  }
  return jobs;
}

Policy RandomPolicy() {
  Policy p;
  p.max_batch = *rc::gen::inRange(1, 9);
  p.max_rows = p.max_batch + kLeastPromptRows + *rc::gen::inRange(0, 200);
  p.max_batch_delay = *rc::gen::element(0, 1, 5) * kStepTime;
  if (*rc::gen::arbitrary<bool>())
    p.cost = {absl::Milliseconds(5), absl::Milliseconds(*rc::gen::inRange(1, 50))};
  return p;
}

// Each step computes at least one row of the most senior sequence, which is computed at most once
// per time that it is the most senior: the sum of all rows, with a step of waiting for company
// each, bounds the steps generously.
int StepLimit(const std::vector<Job>& jobs) {
  int limit = 200;
  for (const Job& j : jobs) limit += 2 * (j.prompt + j.generate) + 50;
  return limit;
}

TEST(Simulation, AllFinishAndNoBlockLeaks) {
  EXPECT_TRUE(rc::check([] {
    const int32_t blocks = *rc::gen::inRange(1, 30);
    const auto jobs = RandomJobs(blocks, /*priorities=*/true, /*deadlines=*/true);
    World world(jobs, blocks, RandomPolicy());
    RC_ASSERT(world.RunAll(StepLimit(jobs)));
    RC_ASSERT(world.finished().size() + world.expired() == jobs.size());
    RC_ASSERT(world.blocks_free() == blocks);
    RC_CLASSIFY(world.preemptions() > 0, "preemption");
  }));
}

TEST(Simulation, WithinAPriorityTheFirstRowsAreComputedInOrderOfArrival) {
  EXPECT_TRUE(rc::check([] {
    const int32_t blocks = *rc::gen::inRange(2, 30);
    auto jobs = RandomJobs(blocks, /*priorities=*/false, /*deadlines=*/false);
    for (Job& j : jobs) j.generate = 1;  // so that finishing is the end of the prompt
    World world(jobs, blocks, RandomPolicy());
    RC_ASSERT(world.RunAll(StepLimit(jobs)));
    RC_ASSERT(std::is_sorted(world.finished().begin(), world.finished().end()));
  }));
}

TEST(Simulation, ALargeRequestIsNotStarvedByAStreamOfSmallOnes) {
  std::vector<Job> jobs;
  for (int i = 0; i < 50; ++i) jobs.push_back({0, 30, 20, 0, -1});
  jobs.push_back({1, 64 * 9, 5, 0, -1});  // takes nearly the whole cache
  for (int i = 0; i < 2000; ++i) jobs.push_back({1 + i, 30, 20, 0, -1});
  Policy policy;
  policy.max_batch = 8;
  World world(jobs, 10, policy);
  ASSERT_TRUE(world.RunAll(StepLimit(jobs)));
  const auto at =
      std::find(world.finished().begin(), world.finished().end(), 50U) - world.finished().begin();
  EXPECT_LE(at, 51) << "only what came before it may finish before it";
}

TEST(Simulation, PreemptionsStayFewWhenMemoryIsTight) {
  std::vector<Job> jobs(16, {0, 60, 130, 0, -1});  // each grows from one block to three
  Policy policy;
  policy.max_batch = 16;
  World world(jobs, 12, policy);
  ASSERT_TRUE(world.RunAll(StepLimit(jobs)));
  EXPECT_GT(world.preemptions(), 0);
  EXPECT_LE(world.preemptions(), 3 * 16);
}

}  // namespace
}  // namespace deepseek::engine
