// deepseek-agent render-chat: conversations to prompt text, by the model's chat template.

#include <CLI/CLI.hpp>

#include "agent/cli/commands.h"
#include "agent/cli/json_lines.h"
#include "agent/cli/model_flags.h"
#include "agent/load/loaded_model.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "engine/tokenizer/prompt_encoder.h"
#include "engine/weights/checkpoint.h"

namespace deepseek::agent {
namespace {

struct Flags {
  std::string model, template_file, encoder, jsonl;
};

constexpr int64_t kMaxTemplateBytes = int64_t{8} << 20;

// The template of the folder, or of the file (with the folder's bos_token and the like when both
// are given), or the model's built-in format. A file that ends in .json is a tokenizer_config.json.
absl::StatusOr<std::unique_ptr<engine::ChatTemplate>> Load(const Flags& flags) {
  const bool named = !flags.model.empty() || !flags.template_file.empty();
  if (named == !flags.encoder.empty()) {
    return absl::InvalidArgumentError(
        "render-chat: give --model DIR, --template FILE or both, or --encoder TYPE");
  }
  if (!flags.encoder.empty()) {
    const auto format = engine::PromptFormatOf(flags.encoder);
    if (!format) {
      return absl::InvalidArgumentError(
          StrCat("--encoder: ", flags.encoder, ": must be deepseek_v32 or deepseek_v4"));
    }
    return engine::MakePromptEncoder(*format);
  }
  std::string config = "{}", text, dir;
  if (!flags.model.empty()) {
    ASSIGN_OR_RETURN(dir, ResolveModelDir(flags.model));
    ASSIGN_OR_RETURN(const OrderedJson read, ReadTokenizerConfig(dir));
    config = DumpJson(read);
  }
  if (!flags.template_file.empty()) {
    auto file = engine::ReadTextFile(flags.template_file, kMaxTemplateBytes);
    if (!file.ok()) return AsWrongUse(file.status(), "--template: ");
    const std::string& name = flags.template_file;
    const bool json = name.size() > 5 && name.compare(name.size() - 5, 5, ".json") == 0;
    (json ? config : text) = *std::move(file);
  }
  auto chat = engine::ParseChatTemplate(config, text);
  if (!chat.ok() && !flags.template_file.empty())
    return AsWrongUse(chat.status(), StrCat("--template: ", flags.template_file, ": "));
  if (!absl::IsNotFound(chat.status()) || dir.empty()) return chat;
  auto encoder = PromptEncoderOf(dir);
  if (encoder == nullptr) return chat;
  return encoder;
}

absl::Status Run(const Flags& flags) {
  ASSIGN_OR_RETURN(const auto chat, Load(flags));
  int64_t lines = 0, refused = 0;
  RETURN_IF_ERROR(ForEachJsonLine("--jsonl", flags.jsonl, [&](const OrderedJson& line) {
    ++lines;
    const auto rendered = chat->Render(line);
    OrderedJson out;
    if (rendered.ok()) {
      out["text"] = rendered->text;
    } else {
      ++refused;
      out["error"] = std::string(rendered.status().message());
    }
    PrintJsonLine(out);
    return absl::OkStatus();
  }));
  if (refused == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(StrCat("render-chat: ", flags.jsonl, ": ", refused, " of ",
                                           lines,
                                           " lines were refused (see \"error\" in the output)"));
}

}  // namespace

void AddRenderChat(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* sub =
      app.add_subcommand("render-chat", "Conversations to prompt text, by the chat template");
  sub->add_option("--model", flags->model, "model folder, or builtin:NAME")->type_name("DIR");
  sub->add_option("--template", flags->template_file, "a Jinja file, or a tokenizer_config.json")
      ->type_name("FILE");
  sub->add_option("--encoder", flags->encoder,
                  "instead: the built-in prompt format of a model_type: deepseek_v32, deepseek_v4")
      ->type_name("TYPE");
  sub->add_option("--jsonl", flags->jsonl,
                  "lines {\"messages\",\"tools\",\"add_generation_prompt\",..} -> lines {\"text\"} "
                  "(-: standard input)")
      ->required()
      ->type_name("FILE");
  sub->callback([flags, exit_code] { *exit_code = Report(AboutModel(Run(*flags))); });
}

}  // namespace deepseek::agent
