// deepseek-agent inspect: what a model is, what it needs and whether that fits, without loading it.

#include <CLI/CLI.hpp>
#include <cstdio>

#include "agent/cli/bytes_flag.h"
#include "agent/cli/commands.h"
#include "agent/cli/json_lines.h"
#include "agent/cli/model_flags.h"
#include "agent/load/loaded_model.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent {
namespace {

struct Flags {
  ModelFlags model;
  int32_t batch = 32;
  std::string memory = "0";
  bool json = false;
};

OrderedJson Describe(const engine::ModelPlan& plan) {
  const engine::ModelSpec& spec = plan.spec;
  const engine::MemoryPlan& memory = plan.memory;
  const engine::ModelOptions& options = plan.options;
  OrderedJson out;
  out["family"] = spec.family;
  out["parameters"] = spec.Parameters();
  out["active_parameters"] = spec.ActiveParameters();
  out["layers"] = spec.layers;
  out["weights_bytes"] = plan.stored_bytes;
  out["packed_bytes"] = memory.packed_bytes();
  out["kv_bytes_per_token"] = memory.kv_bytes_per_token;
  out["activation_bytes"] = memory.activation_bytes();
  out["total_bytes"] = memory.total_bytes();
  out["max_batch"] = options.max_batch;
  out["max_context"] = options.max_context;
  out["architecture"] = spec.architecture;
  out["hidden"] = spec.hidden;
  out["vocab"] = spec.vocab;
  out["experts"] = spec.experts;
  out["experts_per_token"] = spec.experts_per_token;
  out["mtp_layers"] = spec.mtp_layers;
  out["device"] = std::string(engine::Name(options.device));
  out["compute"] = std::string(engine::Name(options.compute));
  out["weights"] = std::string(engine::Name(options.weights));
  out["kv"] = std::string(engine::Name(options.kv));
  out["isa"] = options.isa;
  out["threads"] = options.threads;
  OrderedJson& parts = out["packed"] = OrderedJson::object();
  for (size_t i = 0; i < engine::kWeightParts; ++i) {
    if (memory.part_bytes[i] == 0) continue;
    parts[std::string(engine::Name(static_cast<engine::WeightPart>(i)))] = memory.part_bytes[i];
  }
  out["weight_bytes_per_token"] = memory.weight_bytes_per_token;
  out["kv_bytes"] = memory.kv_bytes();
  out["kv_tokens"] = memory.kv_bytes() / memory.kv_bytes_per_token;
  out["rope_bytes"] = memory.table_bytes;
  out["step_bytes"] = memory.step_bytes;
  out["scratch_bytes"] = memory.scratch_bytes;
  out["overhead_bytes"] = memory.overhead_bytes;
  out["least_bytes"] = memory.least_bytes();
  out["available_bytes"] = plan.available_bytes;
  out["limit"] = plan.limit;
  out["fits"] = plan.fits.ok();
  out["fitting_context"] = plan.fit.context;
  out["fitting_batch"] = plan.fit.sequences;
  out["remedies"] = plan.remedies;
  out["huge_pages"] = plan.huge_pages;
  return out;
}

bool IsBytes(const std::string& key) {
  return key.ends_with("_bytes") || key.ends_with("bytes_per_token");
}

void PrintLine(const std::string& key, const OrderedJson& value) {
  std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  if (IsBytes(key)) StrAppend(&text, "  (", engine::BytesText(value.get<int64_t>()), ")");
  std::printf("%-24s %s\n", key.c_str(), text.c_str());
}

void Print(const engine::ModelPlan& plan) {
  const OrderedJson description = Describe(plan);
  for (const auto& [key, value] : description.items()) {
    if (key == "remedies") continue;
    if (!value.is_object()) {
      PrintLine(key, value);
      continue;
    }
    for (const auto& [part, bytes] : value.items()) {
      PrintLine(StrCat("  ", part, "_bytes"), bytes);
    }
  }
  if (plan.huge_pages == "never") {
    std::puts(
        "transparent huge pages are off: weights are read at about half speed "
        "(echo madvise > /sys/kernel/mm/transparent_hugepage/enabled)");
  }
  std::puts(plan.fits.ok() ? "fits" : StrCat("does not fit: ", plan.fits.message()).c_str());
}

absl::Status Run(const Flags& flags) {
  engine::EngineOptions options;
  ASSIGN_OR_RETURN(options.model, ToOptions(flags.model));
  options.model.max_batch = flags.batch;
  ASSIGN_OR_RETURN(const int64_t memory, ParseBytesFlag("--memory", flags.memory));
  ASSIGN_OR_RETURN(const engine::ModelPlan plan, engine::PlanModel(options, memory));
  if (flags.json) {
    PrintJsonLine(Describe(plan));
  } else {
    Print(plan);
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
  sub->add_option("--memory", flags->memory,
                  "plan for so many bytes (also 64Gi); 0: what this machine and its cgroup leave")
      ->capture_default_str();
  sub->add_flag("--json", flags->json, "one line of JSON");
  sub->callback([flags, exit_code] { *exit_code = Report(AboutModel(Run(*flags))); });
}

}  // namespace deepseek::agent
