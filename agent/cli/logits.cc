// deepseek-agent logits: logits, hidden states, MTP logits and greedy continuations of given token
// sequences.

#include <CLI/CLI.hpp>
#include <algorithm>

#include "agent/cli/answer.h"
#include "agent/cli/cases.h"
#include "agent/cli/commands.h"
#include "agent/cli/model_flags.h"
#include "agent/cli/safetensors_writer.h"
#include "agent/load/loaded_model.h"
#include "base/status.h"
#include "base/strings.h"
#include "engine/engine.h"
#include "engine/weights/checkpoint.h"

namespace deepseek::agent {
namespace {

struct Flags {
  ModelFlags model;
  std::string input, output;
  int32_t chunk = 0;
  int32_t greedy = 0;
  bool hidden = false, mtp = false;
};

// Logits of one step at most: a long sequence over a large vocabulary is fed in several steps.
constexpr int64_t kMaxStepLogitBytes = int64_t{1} << 30;

std::vector<TensorHeader> Headers(const std::vector<Case>& cases, const Flags& flags,
                                  const engine::ModelSpec& spec) {
  std::vector<TensorHeader> headers;
  for (const Case& c : cases) {
    const auto tokens = static_cast<int64_t>(c.input_ids.size());
    const auto rows = c.positions.empty() ? tokens : static_cast<int64_t>(c.positions.size());
    headers.push_back({c.name + ".logits", "F32", {rows, spec.vocab}});
    if (flags.hidden)
      headers.push_back({c.name + ".hidden", "F32", {spec.layers + 1, tokens, spec.hidden}});
    // Row i predicts token i + 2 from tokens i and i + 1: one token alone has none.
    if (flags.mtp && tokens > 1)
      headers.push_back({c.name + ".mtp_logits", "F32", {tokens - 1, spec.vocab}});
    if (flags.greedy > 0) headers.push_back({c.name + ".greedy", "I32", {flags.greedy}});
  }
  return headers;
}

absl::Status RunCase(engine::Engine& engine, const Case& c, const Flags& flags,
                     SafetensorsWriter* writer) {
  engine::EvaluateRequest evaluate;
  evaluate.tokens = c.input_ids;
  evaluate.positions = c.positions;
  evaluate.chunk = flags.chunk;
  evaluate.hidden = flags.hidden;
  evaluate.mtp = flags.mtp;
  ASSIGN_OR_RETURN(const engine::EvaluateResult result, engine.Evaluate(evaluate));
  writer->Append(absl::MakeConstSpan(result.logits));
  if (flags.hidden) writer->Append(absl::MakeConstSpan(result.hidden));
  if (flags.mtp) writer->Append(absl::MakeConstSpan(result.mtp_logits));
  if (flags.greedy == 0) return absl::OkStatus();
  engine::Request request;
  request.prompt = c.input_ids;
  request.max_tokens = flags.greedy;
  request.sampling.temperature = 0;
  ASSIGN_OR_RETURN(PendingAnswer pending, PendingAnswer::Submit(engine, std::move(request)));
  ASSIGN_OR_RETURN(const Answer answer, pending.Wait());
  writer->Append(absl::MakeConstSpan(answer.ids));
  return absl::OkStatus();
}

absl::Status CheckFlags(const Flags& flags, const engine::ModelSpec& spec) {
  if (flags.mtp && spec.mtp_layers == 0) {
    return absl::InvalidArgumentError(
        StrCat("--mtp: ", flags.model.model,
               ": the model has no multi-token-prediction layer (leave --mtp out)"));
  }
  return absl::OkStatus();
}

// Unless --max-context says else, the context is what the cases need: this tool is about numbers,
// and the formulas of rotary positions go on where the model's own limit ends.
void SizeContext(int64_t needed, engine::ModelOptions* options) {
  if (options->max_context != 0 || needed > INT32_MAX) return;
  options->max_context = static_cast<int32_t>(needed);
  options->beyond_positions = true;
}

absl::Status Run(const Flags& flags) {
  ASSIGN_OR_RETURN(const std::vector<Case> cases, ReadCases(flags.input));
  engine::EngineOptions options;
  ASSIGN_OR_RETURN(options.model, ToOptions(flags.model));
  options.model.max_batch = 1;
  options.model.load_mtp = flags.mtp;
  ASSIGN_OR_RETURN(const engine::ModelSpec spec, engine::ReadModelSpec(options.model.model_dir));
  RETURN_IF_ERROR(CheckFlags(flags, spec));
  int64_t longest = 1;
  for (const Case& c : cases) longest = std::max(longest, static_cast<int64_t>(c.input_ids.size()));
  SizeContext(longest + flags.greedy, &options.model);
  if (flags.chunk > 0) longest = std::min(longest, int64_t{flags.chunk});
  const int64_t most = std::max<int64_t>(kMaxStepLogitBytes / (int64_t{spec.vocab} * 4), 1);
  options.tool_rows = static_cast<int32_t>(std::min(longest, most));
  ASSIGN_OR_RETURN(const auto engine, engine::LoadModel(options));
  ASSIGN_OR_RETURN(SafetensorsWriter writer,
                   SafetensorsWriter::Create(flags.output, Headers(cases, flags, spec)));
  for (const Case& c : cases) {
    const absl::Status status = RunCase(*engine, c, flags, &writer);
    if (!status.ok()) {
      return absl::Status(status.code(), ToAbsl(StrCat("case ", c.name, ": ", status.message())));
    }
  }
  return writer.Finish();
}

}  // namespace

void AddLogits(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<Flags>();
  flags->model.compute = "fp32";
  CLI::App* sub = app.add_subcommand(
      "logits", "Logits of token sequences, through the serving step and the paged cache");
  AddModelFlags(*sub, &flags->model);
  sub->get_option("--max-context")->description("tokens of one sequence (0: what the cases need)");
  sub->add_option("--input", flags->input,
                  "cases: I32 NAME.input_ids [T], optionally I32 NAME.positions [P]")
      ->required()
      ->type_name("CASES.safetensors");
  sub->add_option("--output", flags->output,
                  "gets F32 NAME.logits [T or P, vocab] and what is asked for below")
      ->required()
      ->type_name("OUT.safetensors");
  Within(sub->add_option("--chunk", flags->chunk,
                         "rows fed per step (1: token by token; 0: as many as fit)")
             ->capture_default_str(),
         0);
  Within(sub->add_option("--greedy", flags->greedy,
                         "also I32 NAME.greedy [N]: N tokens of greedy continuation")
             ->type_name("N"),
         0);
  sub->add_flag("--hidden", flags->hidden, "also F32 NAME.hidden [layers + 1, T, hidden]");
  sub->add_flag("--mtp", flags->mtp, "also F32 NAME.mtp_logits [T - 1, vocab]");
  sub->callback([flags, exit_code] { *exit_code = Report(AboutModel(Run(*flags))); });
}

}  // namespace deepseek::agent
