// deepseek-agent tokenize and detokenize: text to ids and back.

#include <CLI/CLI.hpp>

#include "agent/cli/commands.h"
#include "agent/cli/json_lines.h"
#include "agent/cli/model_flags.h"
#include "agent/load/loaded_model.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "engine/weights/checkpoint.h"

namespace deepseek::agent {
namespace {

struct Flags {
  std::string model, tokenizer, text, jsonl;
  std::vector<int32_t> ids;
  bool has_text = false;
  bool no_special = false, plain = false, stream = false;
};

// Exactly one of --model and --tokenizer.
absl::StatusOr<TextModel> Load(const Flags& flags) {
  if (flags.model.empty() == flags.tokenizer.empty()) {
    return absl::InvalidArgumentError("tokenizer: give one of --model DIR and --tokenizer FILE");
  }
  if (!flags.model.empty()) {
    ASSIGN_OR_RETURN(const std::string dir, ResolveModelDir(flags.model));
    return LoadText(dir);
  }
  auto text = LoadTokenizerFile(flags.tokenizer);
  if (!text.ok()) return AsWrongUse(text.status(), "--tokenizer: ");
  return text;
}

absl::Status Tokenize(const TextModel& model, const Flags& flags, const std::string& text) {
  OrderedJson out;
  out["ids"] =
      model.Encode(text, /*add_special=*/!flags.no_special, /*parse_special=*/!flags.plain);
  PrintJsonLine(out);
  return absl::OkStatus();
}

absl::Status Detokenize(const TextModel& model, const Flags& flags,
                        const std::vector<int32_t>& ids) {
  OrderedJson out;
  if (flags.stream) {
    engine::StreamDecoder decoder(*model.tokenizer, flags.no_special);
    out["chunks"] = OrderedJson::array();
    for (const int32_t id : ids) out["chunks"].push_back(decoder.Push(id));
    out["flush"] = decoder.Flush();
  } else {
    out["text"] = model.tokenizer->Decode(ids, flags.no_special);
  }
  PrintJsonLine(out);
  return absl::OkStatus();
}

absl::Status RunTokenize(const Flags& flags) {
  if (flags.has_text == !flags.jsonl.empty()) {
    return absl::InvalidArgumentError("tokenize: give one of --text and --jsonl");
  }
  ASSIGN_OR_RETURN(const TextModel model, Load(flags));
  if (flags.has_text) return Tokenize(model, flags, flags.text);
  return ForEachJsonLine("--jsonl", flags.jsonl, [&](const OrderedJson& line) {
    if (!line.contains("text") || !line.at("text").is_string()) {
      return absl::InvalidArgumentError("text: missing, or not a string");
    }
    return Tokenize(model, flags, line.at("text").get<std::string>());
  });
}

absl::Status RunDetokenize(const Flags& flags) {
  if (flags.ids.empty() == flags.jsonl.empty()) {
    return absl::InvalidArgumentError("detokenize: give one of --ids and --jsonl");
  }
  ASSIGN_OR_RETURN(const TextModel model, Load(flags));
  if (!flags.ids.empty()) return Detokenize(model, flags, flags.ids);
  return ForEachJsonLine("--jsonl", flags.jsonl, [&](const OrderedJson& line) -> absl::Status {
    const bool list = line.contains("ids") && line.at("ids").is_array();
    std::vector<int32_t> ids;
    for (const OrderedJson& id : list ? line.at("ids") : OrderedJson::array()) {
      if (!id.is_number_integer()) return absl::InvalidArgumentError("ids: must be integers");
      // What is no id of any model decodes to nothing, as an unknown id does.
      const int64_t value = id.get<int64_t>();
      ids.push_back(value < 0 || value > INT32_MAX ? -1 : static_cast<int32_t>(value));
    }
    if (!list) return absl::InvalidArgumentError("ids: missing, or not a list");
    return Detokenize(model, flags, ids);
  });
}

void AddSource(CLI::App& app, Flags* flags) {
  app.add_option("--model", flags->model, "model folder, or builtin:NAME")->type_name("DIR");
  app.add_option("--tokenizer", flags->tokenizer, "a tokenizer.json alone")->type_name("FILE");
}

}  // namespace

void AddTokenize(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* sub = app.add_subcommand("tokenize", "Text to token ids, as JSON");
  AddSource(*sub, flags.get());
  CLI::Option* text = sub->add_option("--text", flags->text, "the text");
  sub->add_option("--jsonl", flags->jsonl,
                  "lines {\"text\"} -> lines {\"ids\"} (-: standard input)")
      ->type_name("FILE");
  sub->add_flag("--no-special", flags->no_special, "put no beginning-of-sequence token in front");
  sub->add_flag("--plain", flags->plain,
                "added tokens in the text are text too, as in a user's message");
  sub->callback([flags, text, exit_code] {
    flags->has_text = text->count() > 0;
    *exit_code = Report(AboutModel(RunTokenize(*flags)));
  });
}

void AddDetokenize(CLI::App& app, int* exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* sub = app.add_subcommand("detokenize", "Token ids to text, as JSON");
  AddSource(*sub, flags.get());
  Within(sub->add_option("--ids", flags->ids, "the ids")->delimiter(',')->type_name("1,2,3"), 0);
  sub->add_option("--jsonl", flags->jsonl,
                  "lines {\"ids\"} -> lines {\"text\"} (-: standard input)")
      ->type_name("FILE");
  sub->add_flag("--no-special", flags->no_special, "leave special tokens out of the text");
  sub->add_flag("--stream", flags->stream,
                "{\"chunks\",\"flush\"}: what a stream may send after each id, and at the end");
  sub->callback([flags, exit_code] { *exit_code = Report(AboutModel(RunDetokenize(*flags))); });
}

}  // namespace deepseek::agent
