#include "engine/tokenizer/chat_template.h"

#include <optional>

#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "engine/tokenizer/jinja_eval.h"
#include "engine/tokenizer/utf8.h"

namespace deepseek::engine {
namespace {

using jinja::Value;

// As transformers: written behind the last message and cut away again, together with what follows
// it.
constexpr std::string_view kContinueTag = "CONTINUE_FINAL_MESSAGE_TAG ";
constexpr size_t kMaxConfigBytes = size_t{8} << 20;
// The largest known has 25 KB. Tokens of a template take up to 75 times its bytes.
constexpr size_t kMaxTemplateBytes = size_t{64} << 10;
constexpr std::string_view kTokens[] = {"bos_token", "eos_token", "pad_token", "unk_token"};

bool IsTrue(const OrderedJson& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_boolean() && it->get<bool>();
}

// transformers 5 offers the reasoning text under three names.
void CopyReasoning(OrderedJson* messages) {
  for (OrderedJson& message : *messages) {
    if (!message.is_object()) continue;
    const auto it = message.find("reasoning_content");
    if (it == message.end() || !it->is_string()) continue;
    const std::string text = it->get<std::string>();
    for (const char* name : {"thinking", "reasoning"}) {
      if (!message.contains(name)) message[name] = text;
    }
  }
}

absl::Status CutContinued(std::string_view final_message, MarkedText* text) {
  constexpr std::string_view kTag = kContinueTag.substr(0, kContinueTag.size() - 1);
  const std::string& s = text->text();
  const size_t at = s.rfind(kTag);
  MarkedText message(final_message, true);
  ASSIGN_OR_RETURN(message, jinja::Strip(message, nullptr, true, true));
  if (at == std::string::npos || s.find(message.text()) == std::string::npos) {
    return absl::InvalidArgumentError(
        "chat template: continue_final_message: the template does not show the last message as it "
        "is");
  }
  const bool exact = s.compare(at, kContinueTag.size(), kContinueTag) == 0;
  *text = text->Slice(0, at);
  if (!exact) {
    ASSIGN_OR_RETURN(*text, jinja::Strip(*text, nullptr, false, true));
  }
  return absl::OkStatus();
}

class JinjaTemplate final : public ChatTemplate {
 public:
  JinjaTemplate(jinja::Block block, std::optional<jinja::Block> tool_block,
                std::vector<std::pair<std::string, std::string>> tokens)
      : block_(std::move(block)), tool_block_(std::move(tool_block)), tokens_(std::move(tokens)) {}

  absl::StatusOr<RenderedChat> Render(const OrderedJson& variables,
                                      const RenderLimits& limits) const override {
    if (!variables.is_object())
      return absl::InvalidArgumentError("chat template: variables are not a JSON object");
    OrderedJson given = variables;
    std::string final_message;
    const bool continued = IsTrue(given, "continue_final_message");
    if (const auto messages = given.find("messages");
        messages != given.end() && messages->is_array()) {
      CopyReasoning(&*messages);
      if (continued && !messages->empty() && messages->back().is_object() &&
          messages->back()["content"].is_string()) {
        final_message = messages->back()["content"].get<std::string>();
        messages->back()["content"] = StrCat(final_message, kContinueTag);
      } else if (continued) {
        return absl::InvalidArgumentError(
            "chat template: continue_final_message: the last message has no text");
      }
    }
    // The one switch has two names: DeepSeek's and Qwen's.
    if (given.contains("thinking") && !given.contains("enable_thinking"))
      given["enable_thinking"] = given["thinking"];
    if (given.contains("enable_thinking") && !given.contains("thinking"))
      given["thinking"] = given["enable_thinking"];
    std::vector<std::pair<std::string, Value>> scope;
    for (const auto& [name, token] : tokens_) scope.emplace_back(name, Value::String(token, false));
    for (const auto& [name, json] : given.items()) {
      if (name == "continue_final_message") continue;
      if (std::find(std::begin(kTokens), std::end(kTokens), name) != std::end(kTokens)) continue;
      ASSIGN_OR_RETURN(Value value, jinja::FromJson(json));
      scope.emplace_back(name, std::move(value));
    }
    for (const char* name : {"tools", "documents"}) {
      if (!given.contains(name)) scope.emplace_back(name, Value::Nothing());
    }
    const auto tools = given.find("tools");
    const bool with_tools = tool_block_ && tools != given.end() && !tools->is_null();
    jinja::Evaluator evaluator(limits, std::move(scope));
    ASSIGN_OR_RETURN(MarkedText text, evaluator.Render(with_tools ? *tool_block_ : block_));
    if (continued) RETURN_IF_ERROR(CutContinued(final_message, &text));
    RenderedChat chat;
    size_t begin = 0;
    for (const MarkedText::Run& run : text.runs()) {
      chat.marks.push_back({begin, run.end, run.input});
      begin = run.end;
    }
    chat.text = text.text();
    return chat;
  }

 private:
  jinja::Block block_;
  std::optional<jinja::Block> tool_block_;  // as in transformers, where tools are given
  std::vector<std::pair<std::string, std::string>> tokens_;  // bos_token and friends
};

struct Sources {
  std::string text;
  std::string tool_use;  // empty: `text` is for tools too
};

// "chat_template" is a string, or a list of named ones of which "default" and "tool_use" are meant.
absl::StatusOr<Sources> TemplatesOf(const OrderedJson& config) {
  const auto it = config.find("chat_template");
  Sources sources;
  if (it != config.end() && it->is_string()) {
    sources.text = it->get<std::string>();
    return sources;
  }
  bool found = false;
  if (it != config.end() && it->is_array()) {
    for (const OrderedJson& entry : *it) {
      if (!entry.is_object() || !entry.value("template", OrderedJson()).is_string()) continue;
      const OrderedJson name = entry.value("name", OrderedJson());
      const std::string text = entry["template"].get<std::string>();
      if (name == "tool_use") sources.tool_use = text;
      if (name != "default") continue;
      sources.text = text;
      found = true;
    }
  }
  if (found) return sources;
  return absl::NotFoundError(
      "chat template: tokenizer_config.json: has no chat_template (give one with --chat-template)");
}

absl::StatusOr<jinja::Block> ParseLimited(const std::string& source) {
  if (source.size() > kMaxTemplateBytes) {
    return absl::DataLossError(
        StrCat("chat template: ", source.size(), " bytes, at most ", kMaxTemplateBytes));
  }
  return jinja::Parse(RepairUtf8(source));
}

}  // namespace

std::vector<TextSpan> RenderedChat::Spans() const {
  std::vector<TextSpan> spans;
  for (const Mark& mark : marks) {
    spans.push_back(
        {std::string_view(text).substr(mark.begin, mark.end - mark.begin), !mark.input});
  }
  return spans;
}

absl::StatusOr<std::unique_ptr<ChatTemplate>> ParseChatTemplate(
    std::string_view tokenizer_config_json, std::string_view template_text) {
  absl::StatusOr<OrderedJson> config = ParseOrderedJson(
      tokenizer_config_json, "tokenizer_config.json", ModelFileLimits(kMaxConfigBytes));
  if (!config.ok()) return absl::DataLossError(config.status().message());
  if (!config->is_object())
    return absl::DataLossError("tokenizer_config.json: is not a JSON object");
  Sources sources{std::string(template_text), ""};
  if (sources.text.empty()) {
    ASSIGN_OR_RETURN(sources, TemplatesOf(*config));
  }
  std::vector<std::pair<std::string, std::string>> tokens;
  for (const std::string_view name : kTokens) {
    auto it = config->find(std::string(name));
    if (it == config->end()) continue;
    const OrderedJson token = it->is_object() ? it->value("content", OrderedJson()) : *it;
    if (token.is_string()) tokens.emplace_back(name, token.get<std::string>());
  }
  ASSIGN_OR_RETURN(jinja::Block block, ParseLimited(sources.text));
  std::optional<jinja::Block> tool_block;
  if (!sources.tool_use.empty()) {
    absl::StatusOr<jinja::Block> parsed = ParseLimited(sources.tool_use);
    if (!parsed.ok()) {
      return absl::Status(parsed.status().code(), StrCat(ToStd(parsed.status().message()),
                                                         " (in the template named tool_use)"));
    }
    tool_block = *std::move(parsed);
  }
  return std::make_unique<JinjaTemplate>(std::move(block), std::move(tool_block),
                                         std::move(tokens));
}

}  // namespace deepseek::engine
