#pragma once
// A machine without a model: carries plans out as the engine does, in simulated time, over a real
// pool of blocks, and checks each of them.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "engine/cache/block_pool.h"
#include "engine/schedule/estimate.h"
#include "engine/schedule/plan.h"
#include "engine/schedule/turns.h"

namespace deepseek::engine {

/// A request, and what became of it.
struct Job {
  absl::Duration arrives;
  int32_t prompt = 1;
  int32_t generate = 1;
  int32_t priority = 0;
  absl::Duration deadline = absl::InfiniteDuration();  ///< after its arrival
  int32_t group = -1;  ///< prompts of a group begin with the same tokens
  int32_t common = 0;  ///< so many of them
  std::string client;  ///< who takes turns with others

  bool refused = false, expired = false;
  absl::Duration first_token = absl::InfiniteDuration();  ///< since the start of the world
  absl::Duration finished = absl::InfiniteDuration();
};

struct Machine {
  /// What a step takes. Also what the cost model gets to see.
  std::function<absl::Duration(int32_t prompt_rows, int32_t generated_rows)> step;
  absl::Duration max_queue_delay = absl::InfiniteDuration();  ///< refuses by the estimate
  bool learns = false;  ///< observes the cost of steps and answers; else policy.cost stays
  absl::Duration per_kilopair = absl::ZeroDuration();  ///< on top of `step`, as ChunkPairs counts
};

class World {
 public:
  World(std::vector<Job> jobs, int32_t blocks, Policy policy, Machine machine);

  /// Until all jobs are done, or `steps` were made. Returns what is wrong; empty: nothing. True to
  /// `done` when all jobs are done.
  std::string Run(int steps, bool* done);

  const std::vector<Job>& jobs() const { return jobs_; }
  const std::vector<size_t>& finished() const { return finished_; }
  int preemptions() const { return preemptions_; }
  int64_t hits() const { return hits_; }  ///< rows that were not computed, thanks to other jobs
  absl::Duration now() const { return now_; }
  const BlockPool& pool() const { return pool_; }
  /// What each step took that had prompt rows, in order, and how many of its rows were generated.
  const std::vector<std::pair<absl::Duration, int32_t>>& prompt_steps() const {
    return prompt_steps_;
  }

 private:
  struct Live {
    size_t job = 0;
    uint64_t id = 0;
    int64_t turn = 0;
    std::vector<int32_t> table;
    std::vector<int32_t> cached;  // while waiting
    int32_t kept = 0, computed = 0, generated = 0;
    bool running = false, placed = false;
  };

  void Arrive();
  Step MakePlan();
  void CarryOut(const Step& step);
  void Compute(const Work& work, int32_t* prompt_rows, int32_t* generated_rows);
  void AfterStep(const Step& step);
  void Match(Live* live) const;
  void Keep(Live* live);
  void Release(Live* live);
  void End(uint64_t id);
  bool Follows(const Live& live, const Live& senior) const;
  BlockRows RowsOf(const Live& live, int32_t block) const;
  int32_t Known(const Live& live) const { return jobs_[live.job].prompt + live.generated; }
  Sequence ToSequence(const Live& live) const;
  Live* Find(uint64_t id);
  void Check(bool good, const char* what);

  std::vector<Job> jobs_;
  Policy policy_;
  const Machine machine_;
  BlockPool pool_;
  std::vector<std::unique_ptr<Live>> live_;
  WaitEstimate wait_;
  Turns turns_;
  size_t arrived_ = 0;
  absl::Duration now_ = absl::ZeroDuration();
  std::vector<size_t> finished_;
  int preemptions_ = 0;
  int64_t hits_ = 0;
  double pairs_ = 0;  // of the step
  std::vector<std::pair<absl::Duration, int32_t>> prompt_steps_;
  std::string wrong_;
};

}  // namespace deepseek::engine
