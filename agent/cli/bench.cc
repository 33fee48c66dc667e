// deepseek-agent bench: tokens per second through the serving step, with made-up prompts.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "agent/cli/bench_report.h"
#include "agent/cli/bench_run.h"
#include "agent/cli/commands.h"
#include "agent/cli/json_lines.h"
#include "agent/cli/model_flags.h"
#include "agent/cli/process_stats.h"
#include "agent/load/loaded_model.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "engine/engine.h"

namespace deepseek::agent {
namespace {

using engine::StepProfile;

// The context that --jsonl plans for, unless --max-context says else.
constexpr int64_t kCaseContext = 4096;

struct Flags {
  ModelFlags model;
  BenchCase bench;
  std::string cases;  // --jsonl
  bool json = false, profile = false;
};

/// A loaded model and what loading took.
struct Loaded {
  std::unique_ptr<engine::Engine> engine;
  std::shared_ptr<StepProfile> profile = std::make_shared<StepProfile>();
  int32_t runs = 0;  // so far: each has prompts of its own
  double load_seconds = 0;
  int64_t peak_anonymous = 0;
  int64_t kv_bytes_per_token = 0;
};

absl::StatusOr<Loaded> Load(const Flags& flags) {
  Loaded loaded;
  engine::EngineOptions options;
  ASSIGN_OR_RETURN(options.model, ToOptions(flags.model));
  options.model.max_batch = flags.bench.batch;
  // Cases that come later may be longer than the flags say.
  const int64_t context = flags.cases.empty() ? ContextOf(flags.bench) : kCaseContext;
  RETURN_IF_ERROR(LimitContext(context, &options.model));
  options.step_target = absl::InfiniteDuration();  // nobody streams: the largest chunks
  options.profile = loaded.profile;
  // There is no peak of anonymous memory to ask the kernel for; loading is where it can pass.
  options.on_progress = [&loaded](const engine::LoadProgress&) {
    loaded.peak_anonymous = std::max(loaded.peak_anonymous, AnonymousBytes());
  };
  const absl::Time start = absl::Now();
  ASSIGN_OR_RETURN(const engine::ModelPlan plan, engine::PlanModel(options));
  loaded.kv_bytes_per_token = plan.memory.kv_bytes_per_token;
  ASSIGN_OR_RETURN(loaded.engine, engine::LoadModel(options));
  loaded.load_seconds = absl::ToDoubleSeconds(absl::Now() - start);
  return loaded;
}

absl::StatusOr<OrderedJson> Measure(const Flags& flags, const BenchCase& bench, Loaded* loaded) {
  engine::Engine& engine = *loaded->engine;
  StepProfile& profile = *loaded->profile;
  profile.mode = flags.profile ? StepProfile::Mode::kTime : StepProfile::Mode::kCount;
  const double load_before = LoadAverage();
  std::vector<BenchRun> runs;
  for (int32_t run = 0; run < bench.warm_up + bench.repeat; ++run) {
    ASSIGN_OR_RETURN(const BenchRun one, RunBench(engine, bench, loaded->runs++, profile));
    if (run >= bench.warm_up) runs.push_back(one);
  }
  loaded->peak_anonymous = std::max(loaded->peak_anonymous, AnonymousBytes());
  const engine::ModelOptions& used = engine.options();
  OrderedJson out;
  out["model"] = flags.model.model;
  out["device"] = std::string(engine::Name(used.device));
  out["compute"] = std::string(engine::Name(used.compute));
  out["weights"] = std::string(engine::Name(used.weights));
  out["kv"] = std::string(engine::Name(used.kv));
  out["isa"] = used.isa;
  out["threads"] = used.threads;
  out["prompt"] = bench.prompt;
  out["generate"] = bench.generate;
  out["batch"] = bench.batch;
  out["repeat"] = bench.repeat;
  out.update(ReportRuns(runs, std::max(1, used.threads)));
  out["kv_bytes_per_token"] = loaded->kv_bytes_per_token;
  out["active_parameters"] = engine.spec().ActiveParameters();
  out["load_seconds"] = loaded->load_seconds;
  out["peak_memory_bytes"] = loaded->peak_anonymous;
  out["peak_resident_bytes"] = PeakResidentBytes();
  out["planned_memory_bytes"] = engine.memory().planned_bytes;
  out["huge_page_bytes"] = engine.memory().huge_page_bytes;
  out["load_average"] = {{"before", load_before}, {"after", LoadAverage()}};
  if (flags.profile) {
    const int threads = std::max(1, used.threads);
    out["profile"]["prefill"] = ReportProfile(runs, &BenchRun::prefill, threads);
    out["profile"]["decode"] = ReportProfile(runs, &BenchRun::decode, threads);
  }
  return out;
}

void PrintText(const OrderedJson& r) {
  std::printf(
      "%s: compute %s, weights %s, kv %s, isa %s, %d threads, prompt %d, generate %d, batch %d\n",
      r["model"].get<std::string>().c_str(), r["compute"].get<std::string>().c_str(),
      r["weights"].get<std::string>().c_str(), r["kv"].get<std::string>().c_str(),
      r["isa"].get<std::string>().c_str(), r["threads"].get<int>(), r["prompt"].get<int>(),
      r["generate"].get<int>(), r["batch"].get<int>());
  std::printf("loaded in %.2f s, peak %.1f MB anonymous, %.1f MB in huge pages\n",
              r["load_seconds"].get<double>(), r["peak_memory_bytes"].get<double>() * 1e-6,
              r["huge_page_bytes"].get<double>() * 1e-6);
  for (const char* phase : {"prefill", "decode"}) {
    const OrderedJson& rate = r[StrCat(phase, "_tokens_per_s")];
    if (rate.is_null()) continue;
    std::printf("%-7s tokens/s: median %.1f (%.1f to %.1f over %d runs), cpu share %.2f\n", phase,
                rate["median"].get<double>(), rate["min"].get<double>(), rate["max"].get<double>(),
                r["repeat"].get<int>(), r["cpu_share"][phase].get<double>());
  }
  std::printf("decode reads %.1f MB of weights and %.2f MB of cache per token\n",
              r["weight_bytes_per_token"].get<double>() * 1e-6,
              r["kv_bytes_read_per_token"].get<double>() * 1e-6);
  if (!r.contains("profile")) return;
  for (const char* phase : {"prefill", "decode"}) {
    const OrderedJson& profile = r["profile"][phase];
    if (!profile.contains("operations")) continue;
    std::printf("\n%s, per step of %.1f rows (%d steps):\n%s", phase,
                profile["rows"].get<double>() / profile["steps"].get<double>(),
                profile["steps"].get<int>(), ProfileTable(profile).c_str());
  }
}

absl::StatusOr<BenchCase> CaseOf(const OrderedJson& line, const BenchCase& defaults) {
  BenchCase bench = defaults;
  const std::pair<const char*, int32_t*> fields[] = {{"prompt", &bench.prompt},
                                                     {"generate", &bench.generate},
                                                     {"batch", &bench.batch},
                                                     {"repeat", &bench.repeat},
                                                     {"warm-up", &bench.warm_up}};
  for (const auto& [key, value] : line.items()) {
    const auto field = std::find_if(std::begin(fields), std::end(fields),
                                    [&key = key](const auto& f) { return key == f.first; });
    if (field == std::end(fields)) {
      return absl::InvalidArgumentError(
          StrCat("unknown field ", key, " (known: prompt, generate, batch, repeat, warm-up)"));
    }
    // Above a million nothing sensible is asked for, and 32 bits hold.
    if (!value.is_number_integer() || value.get<int64_t>() < 0 ||
        value.get<int64_t>() > 1'000'000) {
      return absl::InvalidArgumentError(StrCat(key, ": ", value.dump(), ": must be 0 to 1000000"));
    }
    *field->second = value.get<int32_t>();
  }
  RETURN_IF_ERROR(CheckBenchCase(bench, ""));
  if (bench.batch > defaults.batch) {
    return absl::InvalidArgumentError(
        StrCat("batch: ", bench.batch, ": is above --batch ", defaults.batch));
  }
  return bench;
}

absl::Status Run(const Flags& flags) {
  RETURN_IF_ERROR(CheckBenchCase(flags.bench));
  ASSIGN_OR_RETURN(Loaded loaded, Load(flags));
  const auto measure = [&](const BenchCase& bench) -> absl::Status {
    ASSIGN_OR_RETURN(const OrderedJson result, Measure(flags, bench, &loaded));
    if (flags.json) {
      PrintJsonLine(result);
    } else {
      PrintText(result);
    }
    std::fflush(stdout);  // whoever sends cases through a pipe waits for it
    return absl::OkStatus();
  };
  if (flags.cases.empty()) return measure(flags.bench);
  return ForEachJsonLine("--jsonl", flags.cases, [&](const OrderedJson& line) -> absl::Status {
    ASSIGN_OR_RETURN(const BenchCase bench, CaseOf(line, flags.bench));
    return measure(bench);
  });
}

}  // namespace

void AddBench(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* sub = app.add_subcommand("bench", "Tokens per second of prompts and answers");
  AddModelFlags(*sub, &flags->model);
  const auto integer = [&](const char* name, int32_t* value, const char* meaning) {
    Within(sub->add_option(name, *value, meaning)->capture_default_str(), 0);
  };
  integer("--prompt", &flags->bench.prompt, "tokens of each prompt");
  integer("--generate", &flags->bench.generate,
          "measured tokens of each answer, after the first one (0: prompts only)");
  integer("--batch", &flags->bench.batch, "answers at once");
  integer("--repeat", &flags->bench.repeat, "measured runs");
  integer("--warm-up", &flags->bench.warm_up, "runs before the measured ones");
  sub->add_option("--jsonl", flags->cases,
                  "several cases with one loaded model: lines {\"prompt\",\"generate\",\"batch\","
                  "\"repeat\",\"warm-up\"}, - reads standard input; --batch is the largest")
      ->type_name("FILE");
  sub->add_flag("--profile", flags->profile, "time of every operation, per step");
  sub->add_flag("--json", flags->json, "one line of JSON for each case");
  sub->callback([flags, exit_code] { *exit_code = Report(AboutModel(Run(*flags))); });
}

}  // namespace deepseek::agent
