// deepseek-agent inspect: what a model is and what it needs, without loading it.

#include <CLI/CLI.hpp>
#include <cstdio>

#include "agent/cli/commands.h"
#include "agent/cli/json_lines.h"
#include "agent/cli/memory_estimate.h"
#include "agent/cli/model_flags.h"
#include "agent/load/loaded_model.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "engine/weights/checkpoint.h"
#include "engine/weights/expected_tensors.h"

namespace deepseek::agent {
namespace {

struct Flags {
  ModelFlags model;
  int32_t batch = 32;
  bool json = false;
};

absl::Status Run(const Flags& flags) {
  ASSIGN_OR_RETURN(engine::ModelOptions asked, ToOptions(flags.model));
  asked.max_batch = flags.batch;
  ASSIGN_OR_RETURN(engine::ModelOptions options, engine::Resolve(asked));
  ASSIGN_OR_RETURN(const engine::ModelSpec spec, engine::ReadModelSpec(options.model_dir));
  if (options.max_context == 0) options.max_context = spec.max_positions;
  if (options.max_context > spec.max_positions) {
    return absl::InvalidArgumentError(StrCat("--context: ", options.max_context,
                                             ": above the model's limit of ", spec.max_positions,
                                             " tokens"));
  }
  ASSIGN_OR_RETURN(const auto checkpoint, engine::Checkpoint::Open(options.model_dir));
  if (auto checked = engine::CheckTensors(checkpoint, spec, /*mtp=*/false); !checked.ok()) {
    return absl::Status(checked.code(),
                        ToAbsl(StrCat(options.model_dir, ": ", ToStd(checked.message()))));
  }
  const MemoryEstimate memory = EstimateMemory(spec, options, checkpoint);
  OrderedJson out;
  out["family"] = spec.family;
  out["parameters"] = spec.Parameters();
  out["active_parameters"] = spec.ActiveParameters();
  out["layers"] = spec.layers;
  out["weights_bytes"] = memory.weights_bytes;
  out["packed_bytes"] = memory.packed_bytes;
  out["kv_bytes_per_token"] = memory.kv_bytes_per_token;
  out["activation_bytes"] = memory.activation_bytes;
  out["total_bytes"] = memory.total_bytes();
  out["max_batch"] = options.max_batch;
  out["max_context"] = options.max_context;
  out["architecture"] = spec.architecture;
  out["hidden"] = spec.hidden;
  out["vocab"] = spec.vocab;
  out["experts"] = spec.experts;
  out["experts_per_token"] = spec.experts_per_token;
  out["mtp_layers"] = spec.mtp_layers;
  out["kv_bytes"] = memory.kv_bytes;
  out["device"] = std::string(engine::Name(options.device));
  out["compute"] = std::string(engine::Name(options.compute));
  out["kv"] = std::string(engine::Name(options.kv));
  if (flags.json) {
    PrintJsonLine(out);
    return absl::OkStatus();
  }
  for (const auto& [key, value] : out.items()) {
    std::printf("%-20s %s\n", key.c_str(),
                value.is_string() ? value.get<std::string>().c_str() : value.dump().c_str());
  }
  return absl::OkStatus();
}

}  // namespace

void AddInspect(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* sub = app.add_subcommand(
      "inspect", "Family, shapes, parameters and memory plan, without loading the weights");
  AddModelFlags(*sub, &flags->model);
  sub->add_option("--context", flags->model.max_context,
                  "tokens of one sequence (0: the model's limit)");
  sub->add_option("--batch", flags->batch, "sequences at once")->capture_default_str();
  sub->add_flag("--json", flags->json, "one line of JSON");
  sub->callback([flags, exit_code] { *exit_code = Report(AboutModel(Run(*flags))); });
}

}  // namespace deepseek::agent
