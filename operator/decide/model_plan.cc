#include "operator/decide/model_plan.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>

#include "absl/strings/ascii.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "engine/arch/planned_tensors.h"
#include "engine/arch/presets.h"
#include "operator/api/names.h"
#include "operator/api/units.h"
#include "operator/decide/json_read.h"

namespace deepseek::decide {
namespace {

// As the agent's serving loop lays its largest step out (engine/engine.cc, LimitsFor):
// kLeastPromptRows of engine/schedule; a test compares.
constexpr int32_t kPromptRowsBesideABatch = 16;

std::string Quantity(const Json& resources, const char* kind, const char* name) {
  const Json& value = At(At(resources, kind), name);
  if (value.is_null()) return "";
  return value.is_string() ? value.get<std::string>() : DumpJson(value);
}

absl::StatusOr<engine::ModelOptions> OptionsOf(const api::PodIntent& intent,
                                               const engine::ModelSpec& spec) {
  engine::ModelOptions o;
  const auto lower = [](const std::optional<std::string>& value, const char* otherwise) {
    return absl::AsciiStrToLower(value.value_or(otherwise));
  };
  ASSIGN_OR_RETURN(o.compute, engine::ParseCompute(lower(intent.compute, "Auto")));
  ASSIGN_OR_RETURN(o.weights, engine::ParseWeightType(lower(intent.weights, "Native")));
  ASSIGN_OR_RETURN(o.kv, engine::ParseKvType(lower(intent.kv_cache, "Auto")));
  o.max_batch = static_cast<int32_t>(intent.max_batch.value_or(o.max_batch));
  o.kv_memory_bytes = intent.kv_cache_memory_bytes.value_or(0);
  o.max_context = static_cast<int32_t>(intent.max_context_tokens.value_or(spec.max_positions));
  if (o.max_context > spec.max_positions) {
    return absl::InvalidArgumentError(
        StrCat("spec.engine.maxContextTokens: ", o.max_context, " is above the ",
               spec.max_positions, " positions of model.preset ", *intent.preset, ": lower it"));
  }
  return engine::Resolve(o);
}

std::string Billions(int64_t parameters) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4g", static_cast<double>(parameters) / 1e9);
  return text.data();
}

// "--weights int4" -> "engine.weights: INT4"
std::string AsField(const std::string& flag) {
  const size_t space = flag.find(' ');
  const std::string name = flag.substr(0, space), value = flag.substr(space + 1);
  if (name == "--max-context") return StrCat("engine.maxContextTokens: ", value);
  if (name == "--kv-memory") return StrCat("engine.kvCacheMemory: ", value);
  const std::string field = name == "--kv" ? "kvCache" : "weights";
  return StrCat("engine.", field, ": ", absl::AsciiStrToUpper(value));
}

}  // namespace

std::string ModelPlan::Text() const {
  const std::string cache =
      options.kv_memory_bytes > 0
          ? StrCat("KV cache ", engine::BytesText(memory.kv_bytes()))
          : StrCat("KV cache of one sequence of ", options.max_context, " tokens ",
                   engine::BytesText(memory.blocks_per_sequence * memory.kv_block_bytes));
  return StrCat(preset, " (", Billions(spec.Parameters()), " billion parameters): at least ",
                engine::BytesText(least_bytes), ": weights ",
                engine::BytesText(memory.packed_bytes()), ", ", cache, ", step and program ",
                engine::BytesText(memory.activation_bytes() + memory.overhead_bytes));
}

int64_t CpusOf(const Json& resources) {
  std::string text = Quantity(resources, "limits", "cpu");
  if (text.empty()) text = Quantity(resources, "requests", "cpu");
  const auto cpus = api::ParseBytes(text);  // a whole number, rounded up
  return cpus.ok() ? std::clamp<int64_t>(*cpus, 1, 1024) : 1;
}

absl::StatusOr<std::optional<ModelPlan>> PlanModel(const api::PodIntent& intent, int64_t cpus) {
  if (!intent.preset) return std::nullopt;
  ModelPlan plan;
  plan.preset = *intent.preset;
  ASSIGN_OR_RETURN(plan.spec, engine::Preset(plan.preset));
  ASSIGN_OR_RETURN(plan.options, OptionsOf(intent, plan.spec));
  plan.step.threads = static_cast<int32_t>(cpus);
  plan.step.rows = std::max(engine::StepRowsFor(plan.spec, plan.options.max_context),
                            plan.options.max_batch + kPromptRowsBesideABatch);
  plan.step.logit_rows = std::max(plan.step.logit_rows, plan.options.max_batch);
  plan.memory = engine::PlanMemory(plan.spec, plan.options, plan.step,
                                   engine::PlannedTensors(plan.spec, false), 0);
  plan.least_bytes =
      plan.options.kv_memory_bytes > 0 ? plan.memory.total_bytes() : plan.memory.least_bytes();
  if (plan.memory.kv_blocks < plan.memory.blocks_per_sequence) {
    return absl::InvalidArgumentError(
        StrCat("spec.engine.kvCacheMemory: ", plan.options.kv_memory_bytes,
               " bytes hold less than one sequence of ", plan.options.max_context, " tokens of ",
               plan.preset, ", ", plan.memory.blocks_per_sequence * plan.memory.kv_block_bytes,
               ": raise it, lower engine.maxContextTokens, or use a smaller engine.kvCache"));
  }
  return plan;
}

absl::Status CheckMemory(const ModelPlan& plan, const Json& pod_template) {
  const Json* containers = Find(pod_template, "/spec/containers");
  if (containers == nullptr || !containers->is_array()) return absl::OkStatus();
  for (const Json& container : *containers) {
    if (TextAt(container, "/name") != api::kAgentContainer) continue;
    const std::string text = Quantity(At(container, "resources"), "limits", "memory");
    const auto limit = api::ParseBytes(text);
    if (!limit.ok() || *limit >= plan.least_bytes) continue;
    std::string todo;
    const auto tensors = engine::PlannedTensors(plan.spec, false);
    for (const std::string& flag :
         engine::Remedies(plan.spec, plan.options, plan.step, tensors, *limit)) {
      StrAppend(&todo, ", or ", AsField(flag));
    }
    return absl::InvalidArgumentError(
        StrCat("spec.workload.resources.limits.memory: ", engine::BytesText(*limit),
               " is too little for ", plan.Text(), ": raise it", todo));
  }
  return absl::OkStatus();
}

std::string PresetMismatch(const api::PodIntent& intent, int64_t parameters) {
  if (!intent.preset || parameters <= 0) return "";
  const auto spec = engine::Preset(*intent.preset);
  if (!spec.ok() || spec->Parameters() == parameters) return "";
  return StrCat("the weights have ", Billions(parameters), " billion parameters, model.preset ",
                *intent.preset, " ", Billions(spec->Parameters()),
                ": the pods' memory was planned for another model");
}

}  // namespace deepseek::decide
