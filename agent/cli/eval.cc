// deepseek-agent eval: greedy answers to a file of prompts, counted by skill.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>

#include "absl/time/clock.h"
#include "agent/cli/answer.h"
#include "agent/cli/commands.h"
#include "agent/cli/eval_match.h"
#include "agent/cli/json_lines.h"
#include "agent/cli/model_flags.h"
#include "agent/load/loaded_model.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent {
namespace {

constexpr int32_t kMaxNewTokens = 64;  // the card's
constexpr int32_t kBatch = 16;

struct Flags {
  ModelFlags model;
  std::string prompts;
  int32_t limit = 0;
  bool json = false;
};

struct Prompt {
  std::string skill, expected;
  MatchRule rule = MatchRule::kExact;
  OrderedJson variables;  ///< for the chat template
};

struct Count {
  int64_t asked = 0, right = 0;
  double share() const {
    return asked == 0 ? 0.0 : static_cast<double>(right) / static_cast<double>(asked);
  }
};

absl::StatusOr<std::string> Text(const OrderedJson& json, const char* key) {
  if (!json.contains(key) || !json.at(key).is_string()) {
    return absl::InvalidArgumentError(StrCat(key, ": missing, or not a string"));
  }
  return json.at(key).get<std::string>();
}

absl::StatusOr<Prompt> ParsePrompt(const OrderedJson& json) {
  Prompt p;
  ASSIGN_OR_RETURN(p.skill, Text(json, "skill"));
  ASSIGN_OR_RETURN(p.expected, Text(json, "expected"));
  ASSIGN_OR_RETURN(const std::string rule, Text(json, "match"));
  ASSIGN_OR_RETURN(p.rule, ParseMatchRule(rule));
  if (!json.contains("messages") || !json.at("messages").is_array()) {
    return absl::InvalidArgumentError("messages: missing, or not a list");
  }
  p.variables = {{"messages", json.at("messages")}, {"add_generation_prompt", true}};
  if (json.contains("tools")) p.variables["tools"] = json.at("tools");
  return p;
}

absl::StatusOr<std::vector<Prompt>> ReadPrompts(const Flags& flags) {
  std::vector<Prompt> prompts;
  RETURN_IF_ERROR(
      ForEachJsonLine("--prompts", flags.prompts, [&](const OrderedJson& json) -> absl::Status {
        if (flags.limit > 0 && static_cast<int32_t>(prompts.size()) >= flags.limit)
          return absl::OkStatus();
        ASSIGN_OR_RETURN(Prompt prompt, ParsePrompt(json));
        prompts.push_back(std::move(prompt));
        return absl::OkStatus();
      }));
  if (prompts.empty())
    return absl::InvalidArgumentError(StrCat("--prompts: ", flags.prompts, ": holds no prompt"));
  return prompts;
}

absl::StatusOr<PendingAnswer> Ask(LoadedModel& model, const Prompt& prompt) {
  ASSIGN_OR_RETURN(const engine::RenderedChat chat,
                   model.text.chat_template->Render(prompt.variables));
  engine::Request request;
  request.prompt = model.text.tokenizer->EncodeSpans(chat.Spans());
  request.max_tokens = kMaxNewTokens;
  request.sampling.temperature = 0;
  request.stop_ids = model.defaults.eos_ids;
  return PendingAnswer::Submit(*model.engine, std::move(request));
}

// As the card's evaluation: the end-of-sequence ids are left out, all other special tokens are
// text.
std::string TextOf(const LoadedModel& model, std::vector<int32_t> ids) {
  const auto& eos = model.defaults.eos_ids;
  ids.erase(
      std::remove_if(ids.begin(), ids.end(),
                     [&eos](int32_t id) { return std::binary_search(eos.begin(), eos.end(), id); }),
      ids.end());
  return model.text.tokenizer->Decode(ids);
}

void PrintResult(const Flags& flags, const std::map<std::string, Count>& skills, const Count& all,
                 int64_t tokens, absl::Duration time) {
  if (!flags.json) {
    for (const auto& [skill, count] : skills) {
      std::printf("%-20s %4lld of %4lld  %5.1f %%\n", skill.c_str(),
                  static_cast<long long>(count.right), static_cast<long long>(count.asked),
                  100 * count.share());
    }
    std::printf("%-20s %4lld of %4lld  %5.1f %%\n", "overall", static_cast<long long>(all.right),
                static_cast<long long>(all.asked), 100 * all.share());
    return;
  }
  OrderedJson out;
  out["overall"] = all.share();
  out["skills"] = OrderedJson::object();
  for (const auto& [skill, count] : skills) out["skills"][skill] = count.share();
  out["n"] = all.asked;
  out["correct"] = all.right;
  out["generated_tokens"] = tokens;
  out["seconds"] = absl::ToDoubleSeconds(time);
  PrintJsonLine(out);
}

absl::Status Run(const Flags& flags) {
  ASSIGN_OR_RETURN(const std::vector<Prompt> prompts, ReadPrompts(flags));
  LoadOptions options;
  ASSIGN_OR_RETURN(options.engine.model, ToOptions(flags.model));
  options.engine.model.max_batch = kBatch;
  options.engine.max_queue = static_cast<int32_t>(prompts.size());
  options.engine.max_queue_delay = absl::InfiniteDuration();  // all are asked at once
  ASSIGN_OR_RETURN(const auto model, LoadForServing(options));
  if (model->text.chat_template == nullptr) {
    return absl::NotFoundError(
        StrCat("eval: ", flags.model.model, ": the model has no chat template"));
  }
  const absl::Time start = absl::Now();
  std::vector<PendingAnswer> pending;
  for (const Prompt& prompt : prompts) {
    ASSIGN_OR_RETURN(PendingAnswer answer, Ask(*model, prompt));
    pending.push_back(std::move(answer));
  }
  std::map<std::string, Count> skills;
  Count all;
  int64_t tokens = 0;
  for (size_t i = 0; i < prompts.size(); ++i) {
    ASSIGN_OR_RETURN(const Answer answer, pending[i].Wait());
    tokens += answer.usage.generated_tokens;
    const bool right = Matches(prompts[i].rule, TextOf(*model, answer.ids), prompts[i].expected);
    for (Count* count : {&skills[prompts[i].skill], &all}) {
      ++count->asked;
      count->right += right ? 1 : 0;
    }
  }
  PrintResult(flags, skills, all, tokens, absl::Now() - start);
  return absl::OkStatus();
}

}  // namespace

void AddEval(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* sub = app.add_subcommand(
      "eval", "Share of right answers over a file of prompts (greedy, 64 new tokens)");
  AddModelFlags(*sub, &flags->model);
  sub->add_option(
         "--prompts", flags->prompts,
         "lines {\"skill\",\"messages\",\"tools\",\"expected\",\"match\": exact | json | label}")
      ->required()
      ->type_name("FILE.jsonl");
  Within(
      sub->add_option("--limit", flags->limit, "only the first N prompts (0: all)")->type_name("N"),
      0);
  sub->add_flag("--json", flags->json, "one line: {\"overall\",\"skills\",\"n\",..}");
  sub->callback([flags, exit_code] { *exit_code = Report(Run(*flags)); });
}

}  // namespace deepseek::agent
