// Traffic through Plan until all is served: nobody starves, no block leaks or is counted wrongly,
// no step exceeds its limits (world.cc checks each).
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

#include "tests/engine/schedule/world.h"

namespace deepseek::engine {
namespace {

constexpr absl::Duration kStepTime = absl::Milliseconds(10);

Machine Even() {
  return {[](int32_t, int32_t) { return kStepTime; }};
}

Job Plain(int32_t at_step, int32_t prompt, int32_t generate) {
  Job job;
  job.arrives = at_step * kStepTime;
  job.prompt = prompt;
  job.generate = generate;
  return job;
}

struct Mix {
  bool priorities = false, deadlines = false, sharing = false, clients = false;
};

std::vector<Job> RandomJobs(int32_t blocks, Mix mix) {
  const int count = *rc::gen::inRange(1, 40);
  std::vector<Job> jobs;
  int32_t at = 0;
  for (int i = 0; i < count; ++i) {
    at += *rc::gen::weightedElement<int32_t>({{8, 0}, {3, 1}, {1, 40}});
    const int32_t prompt = *rc::gen::inRange(1, blocks * 64);
    Job job = Plain(at, prompt, *rc::gen::inRange(1, std::min(200, blocks * 64 - prompt + 1) + 1));
    if (mix.priorities) job.priority = *rc::gen::inRange(-1, 2);
    if (mix.deadlines && *rc::gen::inRange(0, 3) == 0)
      job.deadline = *rc::gen::inRange(0, 100) * kStepTime;
    if (mix.sharing) {
      job.group = *rc::gen::inRange(-1, 3);
      job.common = *rc::gen::inRange(0, prompt + 1);
    }
    if (mix.clients) job.client = *rc::gen::element<std::string>("", "a", "b", "c");
    jobs.push_back(job);
  }
  return jobs;
}

Policy RandomPolicy() {
  Policy p;
  p.max_batch = *rc::gen::inRange(1, 9);
  p.max_rows = p.max_batch + kLeastPromptRows + *rc::gen::inRange(0, 200);
  p.max_batch_delay = *rc::gen::element(0, 1, 5) * kStepTime;
  if (*rc::gen::arbitrary<bool>()) {
    p.cost.per_generated_row = absl::Milliseconds(5);
    p.cost.per_prompt_row = absl::Milliseconds(*rc::gen::inRange(1, 50));
  }
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

int64_t Expired(const World& world) {
  return std::count_if(world.jobs().begin(), world.jobs().end(),
                       [](const Job& j) { return j.expired; });
}

void RunAll(World* world) {
  bool done = false;
  const std::string wrong = world->Run(StepLimit(world->jobs()), &done);
  ASSERT_EQ(wrong, "");
  ASSERT_TRUE(done);
}

TEST(Simulation, AllFinishAndNoBlockLeaks) {
  EXPECT_TRUE(rc::check([] {
    const int32_t blocks = *rc::gen::inRange(1, 30);
    const bool sharing = *rc::gen::arbitrary<bool>();
    const bool clients = *rc::gen::arbitrary<bool>();
    const auto jobs = RandomJobs(blocks, {true, true, sharing, clients});
    World world(jobs, blocks, RandomPolicy(), Even());
    bool done = false;
    RC_ASSERT(world.Run(StepLimit(jobs), &done) == "");
    RC_ASSERT(done);
    RC_ASSERT(static_cast<int64_t>(world.finished().size()) + Expired(world) ==
              static_cast<int64_t>(jobs.size()));
    RC_CLASSIFY(world.preemptions() > 0, "preemption");
    RC_CLASSIFY(world.hits() > 0, "shared blocks");
  }));
}

TEST(Simulation, WithinAPriorityTheFirstRowsAreComputedInOrderOfArrival) {
  EXPECT_TRUE(rc::check([] {
    const int32_t blocks = *rc::gen::inRange(2, 30);
    auto jobs = RandomJobs(blocks, {false, false, true});
    for (Job& j : jobs) j.generate = 1;  // so that finishing is the end of the prompt
    World world(jobs, blocks, RandomPolicy(), Even());
    bool done = false;
    RC_ASSERT(world.Run(StepLimit(jobs), &done) == "");
    RC_ASSERT(done);
    RC_ASSERT(std::is_sorted(world.finished().begin(), world.finished().end()));
  }));
}

TEST(Simulation, ALargeRequestIsNotStarvedByAStreamOfSmallOnes) {
  std::vector<Job> jobs(50, Plain(0, 30, 20));
  jobs.push_back(Plain(1, 64 * 9, 5));  // takes nearly the whole cache
  for (int i = 0; i < 2000; ++i) jobs.push_back(Plain(1 + i, 30, 20));
  Policy policy;
  policy.max_batch = 8;
  World world(jobs, 10, policy, Even());
  RunAll(&world);
  const auto at =
      std::find(world.finished().begin(), world.finished().end(), 50U) - world.finished().begin();
  EXPECT_LE(at, 51) << "only what came before it may finish before it";
}

TEST(Simulation, PreemptionsStayFewWhenMemoryIsTight) {
  std::vector<Job> jobs(16, Plain(0, 60, 130));  // each grows from one block to three
  Policy policy;
  policy.max_batch = 16;
  World world(jobs, 12, policy, Even());
  RunAll(&world);
  EXPECT_GT(world.preemptions(), 0);
  EXPECT_LE(world.preemptions(), 3 * 16);
}

TEST(Simulation, ACommonBeginningIsComputedOnceAndHeldOnce) {
  std::vector<Job> jobs(20, Plain(0, 64 * 8 + 10, 30));
  for (Job& job : jobs) {
    job.group = 0;
    job.common = 64 * 8;
  }
  Policy policy;
  policy.max_batch = 20;
  World world(jobs, 8 + 20 * 2, policy, Even());  // without sharing there is room for five
  RunAll(&world);
  EXPECT_EQ(world.hits(), 19 * 64 * 8);
  EXPECT_EQ(world.preemptions(), 0);
  EXPECT_LT(world.now(), 60 * kStepTime) << "all at once";
}

// A small CPU: 30 ms and 4 ms for each stream of a step, 2.5 ms for a prompt row.
Machine Cpu(absl::Duration max_queue_delay) {
  return {[](int32_t prompt_rows, int32_t generated_rows) {
            return absl::Milliseconds(30) + absl::Milliseconds(4) * generated_rows +
                   absl::Microseconds(2500) * prompt_rows;
          },
          max_queue_delay, /*learns=*/true};
}

std::vector<Job> Poisson(double per_second, absl::Duration during, uint32_t seed) {
  std::mt19937 random(seed);
  std::exponential_distribution<double> gap(per_second);
  std::lognormal_distribution<double> prompt(std::log(120.0), 0.7), answer(std::log(60.0), 0.6);
  std::vector<Job> jobs;
  for (double at = gap(random); at < absl::ToDoubleSeconds(during); at += gap(random)) {
    Job job;
    job.arrives = absl::Seconds(at);
    job.prompt = static_cast<int32_t>(std::clamp(prompt(random), 8.0, 2000.0));
    job.generate = static_cast<int32_t>(std::clamp(answer(random), 4.0, 400.0));
    jobs.push_back(job);
  }
  return jobs;
}

struct Outcome {
  double goodput = 0;  // answers per second whose first token was in time
  double refused = 0;  // share
  absl::Duration worst_wait;
};

Outcome Serve(const std::vector<Job>& jobs, absl::Duration during, absl::Duration max_queue_delay,
              absl::Duration in_time) {
  Policy policy;
  World world(jobs, 1024, policy, Cpu(max_queue_delay));
  RunAll(&world);
  Outcome outcome;
  for (const Job& job : world.jobs()) {
    outcome.refused += job.refused ? 1.0 / static_cast<double>(jobs.size()) : 0;
    if (job.refused) continue;
    outcome.worst_wait = std::max(outcome.worst_wait, job.first_token - job.arrives);
    if (job.first_token - job.arrives <= in_time && job.finished <= during) ++outcome.goodput;
  }
  outcome.goodput /= absl::ToDoubleSeconds(during);
  return outcome;
}

TEST(Overload, FiveTimesTheLoadKeepsTheGoodput) {
  const absl::Duration during = absl::Minutes(5);
  double peak = 0;
  for (const double rate : {0.8, 1.0, 1.2, 1.5, 1.8, 2.2, 2.6}) {
    peak = std::max(
        peak, Serve(Poisson(rate, during, 1), during, absl::Seconds(2), absl::Seconds(5)).goodput);
  }
  const Outcome overload =
      Serve(Poisson(5 * peak, during, 2), during, absl::Seconds(2), absl::Seconds(5));
  EXPECT_GE(overload.goodput, 0.9 * peak);
  EXPECT_GT(overload.refused, 0.6);
  EXPECT_LT(overload.worst_wait, absl::Seconds(8));
  // What early refusal is for: with a queue alone nearly all are late.
  EXPECT_LT(Serve(Poisson(5 * peak, during, 2), during, absl::InfiniteDuration(), absl::Seconds(5))
                .goodput,
            0.2 * peak);
}

// One client sends 300 requests at once, another asks again as soon as it has its answer.
TEST(Turns, WhoAsksForLittleDoesNotWaitForWhoAsksForMuch) {
  std::map<bool, absl::Duration> waited;
  for (const bool named : {false, true}) {
    std::vector<Job> jobs;
    for (int i = 0; i < 300; ++i) {
      jobs.push_back(Plain(0, 100, 60));
      if (named) jobs.back().client = "heavy";
    }
    for (int i = 0; i < 20; ++i) {
      jobs.push_back(Plain(500 + 500 * i, 100, 60));
      if (named) jobs.back().client = "light";
    }
    Policy policy;
    World world(jobs, 1024, policy, Cpu(absl::InfiniteDuration()));
    RunAll(&world);
    for (size_t i = 300; i < jobs.size(); ++i) {
      const Job& job = world.jobs()[i];
      waited[named] = std::max(waited[named], job.first_token - job.arrives);
    }
    // Nobody's work is lost: all end as soon as they would have.
    EXPECT_LT(world.now(), absl::Seconds(400));
  }
  EXPECT_GT(waited[false], absl::Seconds(60));
  EXPECT_LT(waited[true], absl::Seconds(15)) << "a place of the batch, when one becomes free";
}

TEST(Overload, LongPromptsDoNotStallShortStreams) {
  std::vector<Job> jobs = {Plain(0, 20, 100)};
  for (int i = 0; i < 3; ++i) jobs.push_back(Plain(100 + i, 4000, 20));
  Policy policy;
  World world(jobs, 1024, policy, Cpu(absl::InfiniteDuration()));
  RunAll(&world);
  // 100 tokens of 34 ms, and beside a prompt a step takes about its target.
  EXPECT_LT(world.jobs()[0].finished, 100 * absl::Milliseconds(260));
}

// Each chunk of an MLA prompt makes the keys of its whole context ready, however few rows it has.
// Were that taken for the price of its rows, chunks would shrink as the context grows, and the
// prompt would be computed sixteen rows at a time.
TEST(Overload, ALongPromptBesideAStreamDoesNotPayItsContextForAFewRows) {
  Machine machine = Cpu(absl::InfiniteDuration());
  machine.per_kilopair = absl::Microseconds(500);
  Policy policy;
  policy.cost.pairs_per_key = 410;
  policy.cost.pairs_per_row = 8000;
  World world({Plain(0, 20, 3000), Plain(100, 16000, 2)}, 1024, policy, machine);
  RunAll(&world);
  EXPECT_LT(world.jobs()[1].first_token, absl::Seconds(190)) << "about 160 alone";
  // The target while that is possible, then three times what it takes without the rows.
  for (const auto& [took, generated] : world.prompt_steps()) {
    if (generated == 0) continue;
    EXPECT_LT(took, 1.2 * (1 + kLeastShare) * absl::Milliseconds(34 + 0.5 * 0.41 * 16000));
  }
}

}  // namespace
}  // namespace deepseek::engine
