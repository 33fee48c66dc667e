#include "agent/cli/bench_run.h"

#include <chrono>
#include <latch>
#include <string_view>
#include <utility>

#include "agent/cli/answer.h"
#include "agent/cli/process_stats.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent {
namespace {

using Clock = std::chrono::steady_clock;

// Ids spread over the vocabulary.
std::vector<int32_t> MadeUpPrompt(int32_t length, int32_t vocab, int32_t row, int32_t run) {
  std::vector<int32_t> ids(static_cast<size_t>(length));
  uint64_t state = static_cast<uint64_t>(run) * 1'000'003 + static_cast<uint64_t>(row) + 1;
  for (int32_t& id : ids) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    id = static_cast<int32_t>((state >> 33) % static_cast<uint64_t>(vocab));
  }
  return ids;
}

// Rows decode while others are still at their prompts: so many steps at most, when a step takes at
// least 64 rows of prompts.
int64_t StepsAhead(const BenchCase& bench) {
  return bench.batch == 1 ? 0 : int64_t{bench.batch} * (bench.prompt / 64 + 1);
}

// Divides a run into its phases by the tokens that come. Called on the step thread, between steps.
class Phases {
 public:
  Phases(const BenchCase& bench, const engine::StepProfile& profile)
      : bench_(bench), profile_(profile), begin_(Now()) {}

  /// False: this row has given all that is wanted.
  bool OnToken(bool first) {
    if (first && ++started_ == bench_.batch) {
      const Moment now = Now();
      run_.prefill = Between(begin_, now, int64_t{bench_.batch} * bench_.prompt);
      begin_ = now;
      return bench_.generate > 0;
    }
    if (started_ < bench_.batch) return true;
    const int64_t wanted = int64_t{bench_.batch} * bench_.generate;
    if (tokens_ < wanted && ++tokens_ == wanted && wanted > 0) {
      run_.decode = Between(begin_, Now(), wanted);
    }
    return tokens_ < wanted;
  }

  bool complete() const {
    return started_ == bench_.batch && tokens_ == int64_t{bench_.batch} * bench_.generate;
  }
  const BenchRun& run() const { return run_; }

 private:
  struct Moment {
    Clock::time_point wall;
    double cpu = 0;
    engine::StepProfile profile;
  };

  Moment Now() const { return {Clock::now(), ProcessCpuSeconds(), profile_}; }
  static BenchPhase Between(const Moment& a, const Moment& b, int64_t tokens) {
    return {tokens, std::chrono::duration<double>(b.wall - a.wall).count(), b.cpu - a.cpu,
            b.profile.Since(a.profile)};
  }

  const BenchCase& bench_;
  const engine::StepProfile& profile_;
  Moment begin_;
  int32_t started_ = 0;  // rows that have their first token
  int64_t tokens_ = 0;   // in the decode window
  BenchRun run_;
};

}  // namespace

absl::Status CheckBenchCase(const BenchCase& bench, std::string_view flag) {
  const std::tuple<const char*, int32_t, int32_t> least[] = {{"prompt", bench.prompt, 1},
                                                             {"generate", bench.generate, 0},
                                                             {"batch", bench.batch, 1},
                                                             {"repeat", bench.repeat, 1},
                                                             {"warm-up", bench.warm_up, 0}};
  for (const auto& [name, value, smallest] : least) {
    if (value < smallest) {
      return absl::InvalidArgumentError(
          StrCat(flag, name, ": ", value, ": must be ", smallest, " or more"));
    }
  }
  return absl::OkStatus();
}

int64_t ContextOf(const BenchCase& bench) {
  return int64_t{bench.prompt} + 1 + bench.generate + StepsAhead(bench);
}

absl::StatusOr<BenchRun> RunBench(engine::Engine& engine, const BenchCase& bench, int32_t run,
                                  const engine::StepProfile& profile) {
  if (ContextOf(bench) > engine.max_context()) {
    return absl::InvalidArgumentError(
        StrCat("bench: --max-context ", engine.max_context(), ": a prompt of ", bench.prompt,
               " tokens, ", bench.generate, " measured ones and what is answered while others of ",
               bench.batch, " are at their prompts need ", ContextOf(bench)));
  }
  std::vector<engine::Request> requests(static_cast<size_t>(bench.batch));
  for (int32_t row = 0; row < bench.batch; ++row) {
    engine::Request& request = requests[static_cast<size_t>(row)];
    request.prompt = MadeUpPrompt(bench.prompt, engine.spec().vocab, row, run);
    request.max_tokens = static_cast<int32_t>(ContextOf(bench) - bench.prompt);
    request.sampling.temperature = 0;
  }
  Phases phases(bench, profile);
  std::vector<PendingAnswer> pending;
  absl::Status status;
  // The first token waits until all rows are in the engine: with steps shorter than a submission
  // the first row could otherwise be done before the last one comes.
  std::latch submitted(1);
  for (engine::Request& request : requests) {
    auto answer = PendingAnswer::Submit(engine, std::move(request),
                                        [&phases, &submitted, first = true](int32_t) mutable {
                                          submitted.wait();
                                          return phases.OnToken(std::exchange(first, false));
                                        });
    status.Update(answer.status());
    if (!status.ok()) break;
    pending.push_back(*std::move(answer));
  }
  submitted.count_down();
  // All are waited for before an error is returned: the callbacks use this frame.
  for (PendingAnswer& p : pending) status.Update(p.Wait().status());
  RETURN_IF_ERROR(status);
  if (!phases.complete()) {
    return absl::InternalError(StrCat("bench: a row ended before all ", bench.batch,
                                      " had decoded ", bench.generate, " tokens together"));
  }
  return phases.run();
}

}  // namespace deepseek::agent
