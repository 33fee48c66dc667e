#include "agent/cli/model_flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "absl/strings/numbers.h"
#include "agent/cli/bytes_flag.h"
#include "agent/load/loaded_model.h"
#include "base/status.h"
#include "base/strings.h"
#include "engine/weights/checkpoint.h"

namespace deepseek::agent {

namespace {

constexpr int kMostThreads = 1024;

}  // namespace

void AddModelFlags(CLI::App& app, ModelFlags* flags) {
  app.add_option("--model", flags->model, "model folder, or builtin:NAME")
      ->required()
      ->type_name("DIR");
  app.add_option("--device", flags->device, "auto | cpu | cuda")->capture_default_str();
  app.add_option("--compute", flags->compute, "arithmetic: auto | fp32 | bf16 | int8")
      ->capture_default_str();
  app.add_option("--weights", flags->weights, "weights in memory: native | int8 | int4")
      ->capture_default_str();
  app.add_option("--kv", flags->kv, "KV cache: auto | fp32 | bf16 | int8")->capture_default_str();
  app.add_option("--isa", flags->isa, kIsaHelp)->capture_default_str();
  Within(app.add_option("--threads", flags->threads, "compute threads (0: the CPUs of the cgroup)")
             ->capture_default_str(),
         0, kMostThreads);
  Within(app.add_option("--max-context", flags->max_context,
                        "tokens of one sequence (0: the model's own limit)")
             ->capture_default_str(),
         0);
  app.add_option("--kv-memory", flags->kv_memory,
                 "bytes of KV cache (also 512Mi, 4Gi); 0: automatic")
      ->capture_default_str();
}

absl::StatusOr<engine::ModelOptions> ToOptions(const ModelFlags& flags) {
  engine::ModelOptions options;
  ASSIGN_OR_RETURN(options.model_dir, ResolveModelDir(flags.model));
  ASSIGN_OR_RETURN(options.device, engine::ParseDevice(flags.device));
  ASSIGN_OR_RETURN(options.compute, engine::ParseCompute(flags.compute));
  ASSIGN_OR_RETURN(options.weights, engine::ParseWeightType(flags.weights));
  ASSIGN_OR_RETURN(options.kv, engine::ParseKvType(flags.kv));
  options.isa = flags.isa;
  options.threads = flags.threads;
  options.max_context = flags.max_context;
  ASSIGN_OR_RETURN(options.kv_memory_bytes, ParseBytesFlag("--kv-memory", flags.kv_memory));
  return options;
}

absl::Status LimitContext(int64_t tokens, engine::ModelOptions* options) {
  if (options->max_context != 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(const engine::ModelSpec spec, engine::ReadModelSpec(options->model_dir));
  options->max_context =
      static_cast<int32_t>(std::min<int64_t>(std::max<int64_t>(tokens, 1), spec.max_positions));
  return absl::OkStatus();
}

int Report(const absl::Status& status) {
  if (!status.ok()) std::fprintf(stderr, "%s\n", ErrorLine(status).c_str());
  return ExitCode(status);
}

void Within(CLI::Option* option, int64_t low, uint64_t high) {
  option->check(CLI::Validator(
      [low, high](const std::string& text) -> std::string {
        int64_t negative = 0;
        uint64_t number = 0;
        const bool fits =
            absl::SimpleAtoi(text, &number)
                ? number <= high && (low <= 0 || number >= static_cast<uint64_t>(low))
                : absl::SimpleAtoi(text, &negative) && negative < 0 && negative >= low;
        return fits ? "" : StrCat("'", text, "': must be an integer from ", low, " to ", high);
      },
      ""));
}

absl::Status AsWrongUse(const absl::Status& status, std::string_view flag) {
  return status.ok() ? status : absl::InvalidArgumentError(StrCat(flag, status.message()));
}

}  // namespace deepseek::agent
