#include <unistd.h>

#include <algorithm>

#include "agent/load/loaded_model.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "engine/tokenizer/prompt_encoder.h"
#include "engine/weights/checkpoint.h"
#include "engine/weights/digest.h"

namespace deepseek::agent {
namespace {

// tokenizer.json of a 150k vocabulary is 7 to 20 MB.
constexpr int64_t kMaxTokenizerBytes = int64_t{256} << 20;
constexpr int64_t kMaxConfigBytes = int64_t{8} << 20;

// The same error with the file in front, as what makes a model invalid.
absl::Status InFile(const std::string& path, const absl::Status& status) {
  const auto code = status.code() == absl::StatusCode::kUnimplemented ? status.code()
                                                                      : absl::StatusCode::kDataLoss;
  return absl::Status(code, ToAbsl(StrCat(path, ": ", status.message())));
}

// "bos_token": "<s>" or {"content": "<s>", ...}; empty: none.
std::string TokenContent(const OrderedJson& config, const char* key) {
  if (!config.contains(key)) return "";
  const OrderedJson& token = config.at(key);
  if (token.is_string()) return token.get<std::string>();
  if (token.is_object() && token.contains("content") && token.at("content").is_string()) {
    return token.at("content").get<std::string>();
  }
  return "";
}

absl::StatusOr<int32_t> TokenOf(const OrderedJson& config, const char* key,
                                const engine::Tokenizer& tokenizer, const std::string& path) {
  const std::string content = TokenContent(config, key);
  if (content.empty()) return -1;
  const int32_t id = tokenizer.TokenId(content);
  if (id < 0) {
    return absl::DataLossError(
        StrCat(path, ": ", key, " ", content,
               " is not among the tokens of tokenizer.json (the two files are not of one model)"));
  }
  return id;
}

}  // namespace

std::vector<int32_t> TextModel::Encode(std::string_view plain, bool add_special,
                                       bool parse_special) const {
  std::vector<int32_t> ids = tokenizer->Encode(
      plain, parse_special ? engine::AddedTokens::kAll : engine::AddedTokens::kNone);
  if (!add_special) return ids;
  const absl::Span<const int32_t> prefix = tokenizer->PrefixIds();
  if (!prefix.empty()) {
    ids.insert(ids.begin(), prefix.begin(), prefix.end());
  } else if (add_bos && bos_id >= 0 && (ids.empty() || ids.front() != bos_id)) {
    ids.insert(ids.begin(), bos_id);
  }
  return ids;
}

absl::StatusOr<TextModel> LoadTokenizerFile(const std::string& path,
                                            const std::string& added_tokens_decoder) {
  TextModel text;
  ASSIGN_OR_RETURN(const std::string json, engine::ReadTextFile(path, kMaxTokenizerBytes));
  auto tokenizer = engine::ParseTokenizer(json, added_tokens_decoder);
  if (!tokenizer.ok()) return InFile(path, tokenizer.status());
  text.tokenizer = *std::move(tokenizer);
  return text;
}

std::unique_ptr<engine::ChatTemplate> PromptEncoderOf(const std::string& model_dir) {
  const auto text = engine::ReadTextFile(model_dir + "/config.json", kMaxConfigBytes);
  if (!text.ok()) return nullptr;  // what is wrong with it is said where the weights are read
  const auto config = ParseJson(*text, "config.json");
  if (!config.ok() || !config->is_object()) return nullptr;
  const auto type = config->find("model_type");
  if (type == config->end() || !type->is_string()) return nullptr;
  const auto format = engine::PromptFormatOf(type->get_ref<const std::string&>());
  return format ? engine::MakePromptEncoder(*format) : nullptr;
}

namespace {

// What transformers reads besides tokenizer_config.json, put into it where it is said there alone:
// the tokens of special_tokens_map.json where the config names none.
absl::Status AddSpecialTokens(const std::string& model_dir, OrderedJson* config) {
  const std::string path = model_dir + "/special_tokens_map.json";
  const auto text = engine::ReadTextFile(path, kMaxConfigBytes);
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  RETURN_IF_ERROR(text.status());
  const auto map = ParseOrderedJson(*text, path, ModelFileLimits(kMaxConfigBytes));
  if (!map.ok()) return absl::DataLossError(map.status().message());
  for (const char* name : {"bos_token", "eos_token", "pad_token", "unk_token"}) {
    if (map->is_object() && map->contains(name) && !config->contains(name))
      (*config)[name] = map->at(name);
  }
  return absl::OkStatus();
}

// A file that may be missing: "" then.
absl::StatusOr<std::string> ReadOptional(const std::string& path) {
  auto text = engine::ReadTextFile(path, kMaxConfigBytes);
  return absl::IsNotFound(text.status()) ? std::string() : text;
}

// chat_template.jinja, and beside it the template for tools, as in a list of named ones.
absl::Status AddTemplates(const std::string& model_dir, OrderedJson* config) {
  ASSIGN_OR_RETURN(const std::string own, ReadOptional(model_dir + "/chat_template.jinja"));
  ASSIGN_OR_RETURN(const std::string for_tools,
                   ReadOptional(StrCat(model_dir, "/", engine::kToolTemplateFile)));
  if (!own.empty()) (*config)["chat_template"] = own;
  if (for_tools.empty()) return absl::OkStatus();
  OrderedJson& all = (*config)["chat_template"];
  if (all.is_string())
    all = OrderedJson::array({OrderedJson{{"name", "default"}, {"template", all}}});
  if (!all.is_array()) all = OrderedJson::array();
  all.push_back({{"name", "tool_use"}, {"template", for_tools}});
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<OrderedJson> ReadTokenizerConfig(const std::string& model_dir) {
  const std::string path = model_dir + "/tokenizer_config.json";
  auto text = engine::ReadTextFile(path, kMaxConfigBytes);
  if (absl::IsNotFound(text.status())) text = "{}";  // a tokenizer alone is enough for text
  RETURN_IF_ERROR(text.status());
  auto config = ParseOrderedJson(*text, path, ModelFileLimits(kMaxConfigBytes));
  if (!config.ok()) return absl::DataLossError(config.status().message());
  if (!config->is_object()) return absl::DataLossError(StrCat(path, ": must be a JSON object"));
  RETURN_IF_ERROR(AddSpecialTokens(model_dir, &*config));
  RETURN_IF_ERROR(AddTemplates(model_dir, &*config));
  return config;
}

absl::StatusOr<TextModel> LoadText(const std::string& model_dir,
                                   const std::string& chat_template_file) {
  const std::string config_path = model_dir + "/tokenizer_config.json";
  const auto read = ReadTokenizerConfig(model_dir);
  std::string added;
  if (read.ok() && read->contains("added_tokens_decoder") &&
      read->at("added_tokens_decoder").is_object())
    added = DumpJson(read->at("added_tokens_decoder"));
  ASSIGN_OR_RETURN(TextModel text, LoadTokenizerFile(model_dir + "/tokenizer.json", added));
  RETURN_IF_ERROR(read.status());
  const OrderedJson& config = *read;
  ASSIGN_OR_RETURN(text.bos_id, TokenOf(config, "bos_token", *text.tokenizer, config_path));
  ASSIGN_OR_RETURN(text.eos_id, TokenOf(config, "eos_token", *text.tokenizer, config_path));
  text.add_bos = config.contains("add_bos_token") && config.at("add_bos_token") == true;

  // What the user names beside the model is no fault of the model's.
  const auto given = [](const absl::Status& status) {
    return absl::InvalidArgumentError(StrCat("--chat-template: ", status.message()));
  };
  std::string template_text;
  if (!chat_template_file.empty()) {
    auto file = engine::ReadTextFile(chat_template_file, kMaxConfigBytes);
    if (!file.ok()) return given(file.status());
    template_text = *std::move(file);
  }
  const bool in_config = config.contains("chat_template") && !config.at("chat_template").is_null();
  if (template_text.empty() && !in_config) {
    text.chat_template = PromptEncoderOf(model_dir);
    return text;
  }
  auto chat = engine::ParseChatTemplate(DumpJson(config), template_text);
  if (chat.ok()) {
    text.chat_template = *std::move(chat);
    return text;
  }
  if (!template_text.empty()) return given(InFile(chat_template_file, chat.status()));
  const bool own_file = ::access((model_dir + "/chat_template.jinja").c_str(), F_OK) == 0;
  const std::string file = own_file ? model_dir + "/chat_template.jinja" : config_path;
  text.chat_template_error =
      InFile(file, absl::Status(chat.status().code(),
                                StrCat(ToStd(chat.status().message()),
                                       " (give another template with serve --chat-template)")));
  return text;
}

absl::Status CheckTokenizer(const TextModel& text, const engine::ModelSpec& spec,
                            const GenerationDefaults& defaults, const std::string& model_dir) {
  const auto mismatch = [&model_dir](const std::string& why) {
    return absl::DataLossError(
        StrCat(model_dir, "/tokenizer.json: does not match the weights: ", why,
               " (take tokenizer.json and tokenizer_config.json from the folder of the weights)"));
  };
  const int32_t size = text.tokenizer->size();
  if (size > spec.vocab) {
    return mismatch(StrCat("tokenizer.json has ids up to ", size - 1,
                           ", config.json a vocab_size of ", spec.vocab));
  }
  // Padded embeddings have a few hundred rows without a token, never as many as there are tokens.
  if (size < spec.vocab / 2) {
    return mismatch(
        StrCat("tokenizer.json has only ", size, " tokens for a vocab_size of ", spec.vocab));
  }
  if (text.bos_id >= 0 && spec.bos_id >= 0 && text.bos_id != spec.bos_id &&
      text.bos_id != defaults.bos_id) {
    return mismatch(StrCat("bos_token has id ", text.bos_id,
                           " in tokenizer.json, config.json says ", spec.bos_id));
  }
  const auto among = [&text](const std::vector<int32_t>& ids) {
    return std::find(ids.begin(), ids.end(), text.eos_id) != ids.end();
  };
  if (text.eos_id >= 0 && !spec.eos_ids.empty() && !among(spec.eos_ids) &&
      !among(defaults.eos_ids)) {
    return mismatch(StrCat("eos_token has id ", text.eos_id,
                           " in tokenizer.json, config.json says ", spec.eos_ids[0]));
  }
  return absl::OkStatus();
}

}  // namespace deepseek::agent
