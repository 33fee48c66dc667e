#pragma once
// One measured run of `bench`: prompts of a batch through the serving step, then a window of steps
// in which every row decodes.

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "engine/step_profile.h"

namespace deepseek::agent {

struct BenchCase {
  int32_t prompt = 512;   ///< tokens of each prompt
  int32_t generate = 64;  ///< measured decode steps; 0: prompts only
  int32_t batch = 1;      ///< sequences at once
  int32_t repeat = 5;     ///< measured runs
  int32_t warm_up = 1;    ///< runs before them: pages, caches, the pool's threads
};

/// kInvalidArgument: a value that makes no sense, named by `flag` in front of its name.
absl::Status CheckBenchCase(const BenchCase& bench, std::string_view flag = "--");

/// Context that a sequence of the case may need: its prompt, its answer, and what it answers while
/// others of the batch are still at their prompts.
int64_t ContextOf(const BenchCase& bench);

struct BenchPhase {
  int64_t tokens = 0;
  double seconds = 0;
  double cpu_seconds = 0;       ///< of all threads
  engine::StepProfile profile;  ///< what was counted (and timed) in it
  double tokens_per_second() const { return static_cast<double>(tokens) / seconds; }
};

struct BenchRun {
  BenchPhase prefill;  ///< submit -> first token of the last row
  BenchPhase decode;   ///< from there on, `generate` tokens of each row; empty when 0
};

/// `run` picks the made-up prompts: another one gives others, so that no cache of prefixes can
/// help. `profile` is the one in the engine's options; it is read on the step thread.
absl::StatusOr<BenchRun> RunBench(engine::Engine& engine, const BenchCase& bench, int32_t run,
                                  const engine::StepProfile& profile);

}  // namespace deepseek::agent
