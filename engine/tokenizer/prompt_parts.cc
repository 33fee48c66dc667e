#include "engine/tokenizer/prompt_parts.h"

#include "base/status.h"
#include "base/strings.h"
#include "engine/tokenizer/jinja_value.h"

namespace deepseek::engine::prompt {

const OrderedJson& Get(const OrderedJson& object, const char* key) {
  static const OrderedJson none;
  if (!object.is_object()) return none;
  const auto it = object.find(key);
  return it == object.end() ? none : *it;
}

bool Truthy(const OrderedJson& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value.get<double>() != 0;
  if (value.is_string()) return !value.get_ref<const std::string&>().empty();
  return !value.empty();  // null counts as empty
}

std::string RoleOf(const OrderedJson& message) {
  const OrderedJson& role = Get(message, "role");
  return role.is_string() ? role.get<std::string>() : std::string();
}

absl::Status Refuse(size_t message, std::string_view why) {
  return absl::InvalidArgumentError(StrCat("prompt: messages[", message, "]: ", why));
}

absl::Status Writer::CheckSize() const {
  if (out_.size() <= limits_.max_output_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      StrCat("prompt: text grows beyond ", limits_.max_output_bytes, " bytes"));
}

absl::Status Writer::Input(const OrderedJson& value) {
  if (value.is_string()) {
    out_.Append(value.get_ref<const std::string&>(), true);
  } else {
    ASSIGN_OR_RETURN(const jinja::Value seen, jinja::FromJson(value));
    out_.Append(jinja::ToText(seen).text(), true);
  }
  return CheckSize();
}

absl::Status Writer::InputIfAny(const OrderedJson& value) {
  return Truthy(value) ? Input(value) : absl::OkStatus();
}

absl::Status Writer::InputJson(const OrderedJson& value) {
  ASSIGN_OR_RETURN(const jinja::Value seen, jinja::FromJson(value));
  MarkedText text;
  RETURN_IF_ERROR(jinja::AppendJson(seen, {}, 0, &text));
  out_.Append(text.text(), true);
  return CheckSize();
}

absl::Status Writer::Tools(std::string_view text, const OrderedJson& tools) {
  constexpr std::string_view kSchemas = "{schemas}";
  const size_t at = text.find(kSchemas);
  Template(text.substr(0, at));
  if (!tools.is_array()) return absl::InvalidArgumentError("prompt: tools: must be a list");
  for (size_t i = 0; i < tools.size(); ++i) {
    if (!tools[i].is_object() || !tools[i].contains("function"))
      return absl::InvalidArgumentError(StrCat("prompt: tools[", i, "]: has no function"));
    if (i > 0) Template("\n");
    RETURN_IF_ERROR(InputJson(tools[i]["function"]));
  }
  Template(text.substr(at + kSchemas.size()));
  return CheckSize();
}

absl::Status Writer::ResponseFormat(const OrderedJson& format) {
  Template(
      "\n\n## Response Format:\n\nYou MUST strictly adhere to the following schema to reply:\n");
  return InputJson(format);
}

absl::Status Writer::ToolCall(const OrderedJson& name, const OrderedJson& arguments) {
  Template("<｜DSML｜invoke name=\"");
  RETURN_IF_ERROR(Input(name));
  Template("\">\n");
  bool first = true;
  for (const auto& [key, value] : arguments.items()) {
    if (!std::exchange(first, false)) Template("\n");
    Template("<｜DSML｜parameter name=\"");
    out_.Append(key, true);
    Template(value.is_string() ? "\" string=\"true\">" : "\" string=\"false\">");
    RETURN_IF_ERROR(value.is_string() ? Input(value) : InputJson(value));
    Template("</｜DSML｜parameter>");
  }
  Template("\n</｜DSML｜invoke>");
  return CheckSize();
}

absl::StatusOr<RenderedChat> Writer::Finish() const {
  RETURN_IF_ERROR(CheckSize());
  RenderedChat chat;
  size_t begin = 0;
  for (const MarkedText::Run& run : out_.runs()) {
    chat.marks.push_back({begin, run.end, run.input});
    begin = run.end;
  }
  chat.text = out_.text();
  return chat;
}

absl::Status CheckToolCalls(size_t message, const OrderedJson& tool_calls) {
  if (!Truthy(tool_calls)) return absl::OkStatus();
  if (!tool_calls.is_array()) return Refuse(message, "tool_calls must be a list");
  for (const OrderedJson& call : tool_calls) {
    const OrderedJson& function = Get(call, "function");
    if (!function.is_object() || !function.contains("name") || !function.contains("arguments"))
      return Refuse(message, "a tool call lacks its function's name or arguments");
  }
  return absl::OkStatus();
}

absl::StatusOr<OrderedJson> MessagesWithTools(const OrderedJson& variables) {
  if (!variables.is_object())
    return absl::InvalidArgumentError("prompt: variables are not a JSON object");
  OrderedJson messages = Get(variables, "messages");
  if (!messages.is_array()) return absl::InvalidArgumentError("prompt: messages: must be a list");
  for (size_t i = 0; i < messages.size(); ++i) {
    if (!messages[i].is_object()) return Refuse(i, "must be an object");
  }
  const OrderedJson& tools = Get(variables, "tools");
  if (!Truthy(tools)) return messages;
  if (messages.empty() || RoleOf(messages[0]) != "system") {
    messages.insert(messages.begin(), OrderedJson{{"role", "system"}, {"content", ""}});
  }
  messages[0]["tools"] = tools;
  return messages;
}

bool Thinking(const OrderedJson& variables) {
  const OrderedJson& thinking = Get(variables, "thinking");
  return Truthy(thinking.is_null() ? Get(variables, "enable_thinking") : thinking);
}

absl::StatusOr<bool> Continued(const OrderedJson& variables, const OrderedJson& messages) {
  if (!Truthy(Get(variables, "continue_final_message"))) return false;
  if (messages.empty() || RoleOf(messages.back()) != "assistant") {
    return absl::InvalidArgumentError(
        "prompt: continue_final_message: the last message is not the assistant's");
  }
  return true;
}

}  // namespace deepseek::engine::prompt
