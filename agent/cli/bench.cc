// deepseek-agent bench: tokens per second through the serving step, with made-up prompts.

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <mutex>

#include "absl/time/clock.h"
#include "agent/cli/answer.h"
#include "agent/cli/commands.h"
#include "agent/cli/json_lines.h"
#include "agent/cli/model_flags.h"
#include "agent/load/loaded_model.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "engine/engine.h"

namespace deepseek::agent {
namespace {

struct Flags {
  ModelFlags model;
  int32_t prompt = 512, generate = 64, batch = 1, repeat = 5;
  bool json = false;
};

struct Rates {
  double prefill = 0, decode = 0;  ///< tokens per second of the whole batch
};

absl::Status CheckFlags(const Flags& flags) {
  const std::pair<const char*, int32_t> least_one[] = {{"--prompt", flags.prompt},
                                                       {"--generate", flags.generate},
                                                       {"--batch", flags.batch},
                                                       {"--repeat", flags.repeat}};
  for (const auto& [name, value] : least_one) {
    if (value < 1)
      return absl::InvalidArgumentError(StrCat(name, ": ", value, ": must be 1 or more"));
  }
  return absl::OkStatus();
}

// Ids spread over the vocabulary; another row and run gives others, so that no cache of prefixes
// can help.
std::vector<int32_t> MadeUpPrompt(int32_t length, int32_t vocab, int32_t row, int32_t run) {
  std::vector<int32_t> ids(static_cast<size_t>(length));
  uint64_t state = static_cast<uint64_t>(run) * 1'000'003 + static_cast<uint64_t>(row) + 1;
  for (int32_t& id : ids) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    id = static_cast<int32_t>((state >> 33) % static_cast<uint64_t>(vocab));
  }
  return ids;
}

// Prompts are done when the last row has its first token; what comes after that is decoding.
absl::StatusOr<Rates> RunOnce(engine::Engine& engine, const Flags& flags, int32_t run) {
  std::mutex mutex;
  int32_t first_tokens = 0;
  int64_t tokens_after = 0;
  absl::Time prompts_done = absl::InfiniteFuture();
  const auto on_token = [&](bool first) {
    const std::lock_guard lock(mutex);
    if (prompts_done != absl::InfiniteFuture()) ++tokens_after;
    if (first && ++first_tokens == flags.batch) prompts_done = absl::Now();
  };
  const absl::Time start = absl::Now();
  std::vector<PendingAnswer> pending;
  for (int32_t row = 0; row < flags.batch; ++row) {
    engine::Request request;
    request.prompt = MadeUpPrompt(flags.prompt, engine.spec().vocab, row, run);
    request.max_tokens = flags.generate;
    request.sampling.temperature = 0;
    ASSIGN_OR_RETURN(PendingAnswer answer,
                     PendingAnswer::Submit(engine, std::move(request),
                                           [&on_token, first = true](int32_t) mutable {
                                             on_token(std::exchange(first, false));
                                             return true;
                                           }));
    pending.push_back(std::move(answer));
  }
  // All are waited for before an error is returned: the callbacks use this frame.
  absl::Status status;
  for (PendingAnswer& p : pending) status.Update(p.Wait().status());
  RETURN_IF_ERROR(status);
  const absl::Time end = absl::Now();
  return Rates{
      flags.batch * static_cast<double>(flags.prompt) / absl::ToDoubleSeconds(prompts_done - start),
      static_cast<double>(tokens_after) /
          std::max(absl::ToDoubleSeconds(end - prompts_done), 1e-9)};
}

OrderedJson Spread(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  const double median =
      values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {{"min", values.front()}, {"median", median}, {"max", values.back()}};
}

int64_t PeakMemoryBytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

absl::Status Run(const Flags& flags) {
  RETURN_IF_ERROR(CheckFlags(flags));
  engine::EngineOptions options;
  ASSIGN_OR_RETURN(options.model, ToOptions(flags.model));
  options.model.max_batch = flags.batch;
  RETURN_IF_ERROR(LimitContext(int64_t{flags.prompt} + flags.generate, &options.model));
  options.step_target = absl::InfiniteDuration();  // nobody streams: the largest chunks
  const absl::Time start = absl::Now();
  ASSIGN_OR_RETURN(const auto engine, engine::LoadModel(options));
  const absl::Duration load = absl::Now() - start;
  RETURN_IF_ERROR(
      RunOnce(*engine, flags, 0).status());  // warm up: pages, caches, the pool's threads
  std::vector<double> prefill, decode;
  for (int32_t run = 1; run <= flags.repeat; ++run) {
    ASSIGN_OR_RETURN(const Rates rates, RunOnce(*engine, flags, run));
    prefill.push_back(rates.prefill);
    decode.push_back(rates.decode);
  }
  ASSIGN_OR_RETURN(const engine::ModelPlan plan, engine::PlanModel(options));
  const engine::ModelOptions& used = engine->options();
  const engine::MemoryUse memory = engine->memory();
  OrderedJson out;
  out["model"] = flags.model.model;
  out["device"] = std::string(engine::Name(used.device));
  out["compute"] = std::string(engine::Name(used.compute));
  out["weights"] = std::string(engine::Name(used.weights));
  out["kv"] = std::string(engine::Name(used.kv));
  out["threads"] = used.threads;
  out["prompt"] = flags.prompt;
  out["generate"] = flags.generate;
  out["batch"] = flags.batch;
  out["prefill_tokens_per_s"] = Spread(prefill);
  out["decode_tokens_per_s"] = Spread(decode);
  out["weight_bytes_per_token"] = plan.memory.weight_bytes_per_token;
  out["kv_bytes_per_token"] = plan.memory.kv_bytes_per_token;
  out["load_seconds"] = absl::ToDoubleSeconds(load);
  out["peak_memory_bytes"] = PeakMemoryBytes();
  out["planned_memory_bytes"] = memory.planned_bytes;
  out["huge_page_bytes"] = memory.huge_page_bytes;
  if (flags.json) {
    PrintJsonLine(out);
    return absl::OkStatus();
  }
  std::printf("%s: compute %s, kv %s, prompt %d, generate %d, batch %d, loaded in %.2f s\n",
              flags.model.model.c_str(), std::string(engine::Name(used.compute)).c_str(),
              std::string(engine::Name(used.kv)).c_str(), flags.prompt, flags.generate, flags.batch,
              absl::ToDoubleSeconds(load));
  for (const char* key : {"prefill_tokens_per_s", "decode_tokens_per_s"}) {
    std::printf("%-22s median %.1f (%.1f to %.1f over %d runs)\n", key,
                out[key]["median"].get<double>(), out[key]["min"].get<double>(),
                out[key]["max"].get<double>(), flags.repeat);
  }
  return absl::OkStatus();
}

}  // namespace

void AddBench(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* sub = app.add_subcommand("bench", "Tokens per second of prompts and answers");
  AddModelFlags(*sub, &flags->model);
  sub->add_option("--prompt", flags->prompt, "tokens of each prompt")->capture_default_str();
  sub->add_option("--generate", flags->generate, "new tokens of each answer")
      ->capture_default_str();
  sub->add_option("--batch", flags->batch, "answers at once")->capture_default_str();
  sub->add_option("--repeat", flags->repeat, "measured runs, after one to warm up")
      ->capture_default_str();
  sub->add_flag("--json", flags->json, "one line of JSON");
  sub->callback([flags, exit_code] { *exit_code = Report(AboutModel(Run(*flags))); });
}

}  // namespace deepseek::agent
