// deepseek-agent generate: one answer to one prompt.

#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "absl/time/clock.h"
#include "agent/cli/answer.h"
#include "agent/cli/commands.h"
#include "agent/cli/model_flags.h"
#include "agent/load/loaded_model.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent {
namespace {

struct Flags {
  ModelFlags model;
  std::string prompt, chat;
  std::vector<int32_t> ids;
  bool has_prompt = false, has_chat = false, has_ids = false;
  int32_t max_tokens = 0;
  engine::SamplingParams sampling;
  std::vector<std::string> stops;
  bool json = false;
};

/// Collects the answer's text, prints it as it grows, and finds stop strings.
class TextSoFar {
 public:
  TextSoFar(const TextModel& text, const Flags& flags)
      : decoder_(*text.tokenizer, /*skip_special=*/true), stops_(flags.stops), print_(!flags.json) {
    for (const std::string& s : stops_) longest_stop_ = std::max(longest_stop_, s.size());
  }

  // False: a stop string is complete; the text ends before it.
  bool Push(int32_t id) { return Add(decoder_.Push(id)); }
  void Finish() {
    if (!stopped_) Add(decoder_.Flush());
    Print(text_.size());
  }
  const std::string& text() const { return text_; }

 private:
  bool Add(const std::string& piece) {
    // A stop string may have begun in what was there before.
    const size_t from = text_.size() - std::min(text_.size(), longest_stop_);
    text_ += piece;
    size_t end = std::string::npos;
    for (const std::string& s : stops_) end = std::min(end, text_.find(s, from));
    stopped_ = end != std::string::npos;
    if (stopped_) text_.resize(end);
    Print(stopped_ ? text_.size() : text_.size() - std::min(text_.size(), longest_stop_));
    return !stopped_;
  }

  void Print(size_t end) {
    if (!print_ || end <= printed_) return;
    std::fwrite(text_.data() + printed_, 1, end - printed_, stdout);
    std::fflush(stdout);
    printed_ = end;
  }

  engine::StreamDecoder decoder_;
  const std::vector<std::string>& stops_;
  const bool print_;
  size_t longest_stop_ = 0, printed_ = 0;
  bool stopped_ = false;
  std::string text_;
};

absl::StatusOr<std::vector<int32_t>> PromptIds(const Flags& flags, const TextModel& text) {
  if (!flags.ids.empty()) return flags.ids;
  if (flags.has_prompt)
    return text.Encode(flags.prompt, /*add_special=*/true, /*parse_special=*/true);
  if (text.chat_template == nullptr) {
    return absl::InvalidArgumentError(
        StrCat("--chat: ", flags.model.model, ": the model has no chat template (use --prompt)"));
  }
  OrderedJson variables;
  variables["messages"] = OrderedJson::array({{{"role", "user"}, {"content", flags.chat}}});
  variables["add_generation_prompt"] = true;
  ASSIGN_OR_RETURN(const engine::RenderedChat rendered, text.chat_template->Render(variables));
  return text.tokenizer->EncodeSpans(rendered.Spans());
}

double Rate(int32_t tokens, absl::Duration time) {
  return time > absl::ZeroDuration() ? tokens / absl::ToDoubleSeconds(time) : 0.0;
}

void PrintJson(const std::vector<int32_t>& prompt, const Answer& answer, const std::string& text,
               absl::Duration load) {
  const engine::Usage& u = answer.usage;
  OrderedJson out;
  out["prompt_ids"] = prompt;
  out["ids"] = answer.ids;
  out["text"] = text;
  out["finish_reason"] = std::string(engine::Name(answer.reason));
  out["timings"] = {{"load_seconds", absl::ToDoubleSeconds(load)},
                    {"prefill_seconds", absl::ToDoubleSeconds(u.prefill_time)},
                    {"decode_seconds", absl::ToDoubleSeconds(u.decode_time)},
                    {"prefill_tokens_per_s", Rate(u.prompt_tokens, u.prefill_time)},
                    {"decode_tokens_per_s", Rate(u.generated_tokens - 1, u.decode_time)}};
  std::puts(out.dump(-1, ' ', false, OrderedJson::error_handler_t::replace).c_str());
}

// Token ids in and out need no tokenizer: a folder of bare weights is enough.
bool BareIds(const Flags& flags, const std::string& model_dir) {
  struct stat info;
  return !flags.ids.empty() && flags.stops.empty() &&
         ::stat((model_dir + "/tokenizer.json").c_str(), &info) != 0;
}

absl::Status Run(const Flags& flags) {
  if (int{flags.has_prompt} + int{flags.has_chat} + int{flags.has_ids} != 1) {
    return absl::InvalidArgumentError("generate: give one of --prompt, --ids and --chat");
  }
  if (std::find(flags.stops.begin(), flags.stops.end(), "") != flags.stops.end()) {
    return absl::InvalidArgumentError("--stop: empty: must hold at least one character");
  }
  LoadOptions options;
  ASSIGN_OR_RETURN(options.engine.model, ToOptions(flags.model));
  options.engine.model.max_batch = 1;
  options.needs_chat = flags.has_chat;
  if (flags.max_tokens > 0) {
    // A token has at least one byte of the text, and a template adds some of its own.
    constexpr size_t kTemplateTokens = 4096;
    const size_t prompt = flags.ids.empty()
                              ? flags.prompt.size() + flags.chat.size() + kTemplateTokens
                              : flags.ids.size();
    RETURN_IF_ERROR(
        LimitContext(static_cast<int64_t>(prompt) + flags.max_tokens, &options.engine.model));
  }
  const absl::Time start = absl::Now();
  std::unique_ptr<LoadedModel> model;
  if (BareIds(flags, options.engine.model.model_dir)) {
    model = std::make_unique<LoadedModel>();
    ASSIGN_OR_RETURN(model->engine, engine::LoadModel(options.engine));
    model->defaults.eos_ids = model->engine->spec().eos_ids;
  } else {
    ASSIGN_OR_RETURN(model, LoadForServing(options));
  }
  const absl::Duration load = absl::Now() - start;

  engine::Request request;
  ASSIGN_OR_RETURN(request.prompt, PromptIds(flags, model->text));
  const std::vector<int32_t> prompt = request.prompt;
  request.max_tokens = flags.max_tokens;
  request.sampling = flags.sampling;
  request.stop_ids = model->defaults.eos_ids;
  std::unique_ptr<TextSoFar> text;
  if (model->text.tokenizer != nullptr) text = std::make_unique<TextSoFar>(model->text, flags);
  ASSIGN_OR_RETURN(PendingAnswer pending,
                   PendingAnswer::Submit(*model->engine, std::move(request), [&text](int32_t id) {
                     return text == nullptr || text->Push(id);
                   }));
  ASSIGN_OR_RETURN(const Answer answer, pending.Wait());
  if (text != nullptr) text->Finish();
  if (flags.json) {
    PrintJson(prompt, answer, text == nullptr ? "" : text->text(), load);
  } else if (text != nullptr) {
    std::puts("");
  } else {
    for (const int32_t id : answer.ids) std::printf("%d\n", id);
  }
  return absl::OkStatus();
}

}  // namespace

void AddGenerate(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<Flags>();
  flags->sampling.temperature = 0;
  CLI::App* sub =
      app.add_subcommand("generate", "One answer to a prompt, printed as it is generated");
  AddModelFlags(*sub, &flags->model);
  CLI::Option* prompt = sub->add_option("--prompt", flags->prompt, "text to continue");
  CLI::Option* chat =
      sub->add_option("--chat", flags->chat, "a user's message, put through the chat template");
  CLI::Option* ids = sub->add_option("--ids", flags->ids, "token ids to continue")
                         ->delimiter(',')
                         ->type_name("1,2,3");
  Within(ids, 0);
  Within(sub->add_option("--max-tokens", flags->max_tokens,
                         "new tokens at most (0: up to the context limit)")
             ->required()
             ->type_name("N"),
         0);
  sub->add_option("--temperature", flags->sampling.temperature, "0: greedy")->capture_default_str();
  sub->add_option("--top-p", flags->sampling.top_p, "0 to 1; 0: the most likely token")
      ->capture_default_str();
  Within(sub->add_option("--top-k", flags->sampling.top_k, "0: off")->capture_default_str(), 0);
  Within(sub->add_option("--seed", flags->sampling.seed,
                         "of the noise; the same seed gives the same answer")
             ->capture_default_str(),
         0, UINT64_MAX);
  sub->add_option("--stop", flags->stops, "text that ends the answer; may be given several times")
      ->allow_extra_args(false);
  sub->add_flag("--json", flags->json, "one line of JSON at the end, nothing else");
  sub->callback([flags, prompt, chat, ids, exit_code] {
    flags->has_prompt = prompt->count() > 0;
    flags->has_ids = ids->count() > 0;
    flags->has_chat = chat->count() > 0;
    *exit_code = Report(AboutModel(Run(*flags)));
  });
}

}  // namespace deepseek::agent
