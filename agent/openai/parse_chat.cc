// POST /v1/chat/completions: body -> ChatRequest.
#include <algorithm>
#include <array>
#include <utility>

#include "agent/openai/fields.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent {
namespace {

constexpr std::array<std::string_view, 5> kRoles = {"system", "developer", "user", "assistant",
                                                    "tool"};

/// Text parts joined; other kinds of parts are refused by name.
void FlattenContent(Fields& message, OrderedJson* out) {
  OrderedJson& content = (*out)["content"];
  if (content.is_string()) return;
  if (content.is_null()) {
    // Templates test an answer's content for truth, or add it to a string.
    if ((*out)["role"] == "assistant") {
      content = "";
    } else {
      message.Fail("content", "is missing", "missing_required_parameter");
    }
    return;
  }
  if (!content.is_array()) {
    return message.Fail("content",
                        StrCat("expected a string or an array of parts, got ", Kind(content)),
                        "invalid_type");
  }
  std::string joined;
  for (size_t i = 0; i < content.size(); ++i) {
    const OrderedJson& part = content[i];
    const std::string name = StrCat("content[", i, "]");
    if (!part.is_object())
      return message.Fail(name, "expected an object with 'type'", "invalid_type");
    const auto type = part.find("type");
    if (type == part.end() || !type->is_string()) {
      return message.Fail(StrCat(name, ".type"), "expected a string", "invalid_type");
    }
    if (*type != "text") {
      return message.Unsupported(StrCat(name, ".type"), StrCat("'", type->get<std::string>(),
                                                               "' (only 'text' is served)"));
    }
    const auto text = part.find("text");
    if (text == part.end() || !text->is_string()) {
      return message.Fail(StrCat(name, ".text"), "expected a string", "invalid_type");
    }
    joined += text->get_ref<const std::string&>();
  }
  content = std::move(joined);
}

/// Earlier tool calls go to the template as they are; it reads type, function.name and
/// function.arguments.
void CheckToolCalls(Fields& message, OrderedJson* out) {
  const auto calls = out->find("tool_calls");
  if (calls == out->end()) return;
  // Some clients say that there are none; templates would take an empty list for calls.
  if (calls->is_null() || (calls->is_array() && calls->empty())) {
    out->erase(calls);
    return;
  }
  if (!calls->is_array()) return message.Fail("tool_calls", "expected an array", "invalid_type");
  for (size_t i = 0; i < calls->size(); ++i) {
    OrderedJson& call = (*calls)[i];
    const auto function = call.is_object() ? call.find("function") : call.end();
    if (!call.is_object() || function == call.end() || !function->is_object() ||
        !function->contains("name") || !(*function)["name"].is_string() ||
        !function->contains("arguments")) {
      return message.Fail(StrCat("tool_calls[", i, "]"),
                          "expected {\"type\", \"function\": {\"name\", \"arguments\"}}",
                          "invalid_type");
    }
    if (OrderedJson& type = call["type"]; type.is_null()) type = "function";
    // OpenAI's form is a string of JSON; some clients send the JSON itself, or nothing where a
    // stream brought no piece of it.
    OrderedJson& arguments = call["function"]["arguments"];
    if (arguments.is_null() || arguments == "") arguments = "{}";
    if (!arguments.is_string()) arguments = arguments.dump();
  }
  // An answer that only calls has no content: V3's template wants none, not an empty text.
  if ((*out)["content"] == "") (*out)["content"] = nullptr;
}

/// DeepSeek's word for continue_final_message. It stays in the message: V3.1's template reads it.
void CheckPrefix(Fields& message, const OrderedJson& out, bool last) {
  if (!message.Bool("prefix").value_or(false)) return;
  if (!last || out["role"] != "assistant" || out.contains("tool_calls")) {
    message.Fail("prefix",
                 "only the last message, the assistant's and without tool calls, can be continued",
                 "invalid_value");
  }
}

OrderedJson ReadMessages(Fields& fields, const RequestLimits& limits) {
  OrderedJson out = OrderedJson::array();
  const OrderedJson* messages = fields.Find("messages");
  if (!messages) {
    fields.Fail("messages", "is missing", "missing_required_parameter");
    return out;
  }
  if (!messages->is_array() || messages->empty()) {
    fields.Fail("messages", "expected an array with at least one message", "invalid_type");
    return out;
  }
  if (messages->size() > static_cast<size_t>(limits.max_messages)) {
    fields.Fail("messages", StrCat("expected at most ", limits.max_messages, " messages"),
                "invalid_value");
    return out;
  }
  for (size_t i = 0; i < messages->size() && fields.ok(); ++i) {
    OrderedJson message = (*messages)[i];
    const std::string name = StrCat("messages[", i, "]");
    if (!message.is_object()) {
      fields.Fail(name, StrCat("expected an object, got ", Kind(message)), "invalid_type");
      break;
    }
    const OrderedJson original = message;
    Fields inner(original, name + ".");
    const auto role = inner.String("role");
    if (!role) {
      inner.Fail("role", "is missing", "missing_required_parameter");
    } else if (std::find(kRoles.begin(), kRoles.end(), *role) == kRoles.end()) {
      inner.Fail("role",
                 StrCat("'", *role, "' is unknown (system, developer, user, assistant or tool)"),
                 "invalid_value");
    } else {
      if (*role == "developer")
        message["role"] = "system";  // OpenAI's newer name for the same thing
      FlattenContent(inner, &message);
      CheckToolCalls(inner, &message);
      CheckPrefix(inner, message, i + 1 == messages->size());
      if (inner.Find("function_call") != nullptr)
        inner.Unsupported("function_call", "use tool_calls");
    }
    fields.Adopt(inner);
    out.push_back(std::move(message));
  }
  return out;
}

void ReadLogprobs(Fields& fields, GenerationParams* params) {
  const bool wanted = fields.Bool("logprobs").value_or(false);
  const auto top = fields.Integer("top_logprobs", 0, 20);
  if (top && *top > 0 && !wanted) {
    fields.Fail("top_logprobs", "needs 'logprobs': true", "invalid_value");
  }
  if (wanted) params->top_logprobs = static_cast<int32_t>(top.value_or(0));
}

/// OpenAI's one word for how much a model thinks, in the terms of the templates: off, or on with
/// what V4's format knows.
void ReadEffort(Fields& fields, OrderedJson* variables) {
  const auto effort = fields.String("reasoning_effort");
  if (!effort) return;
  constexpr std::array<std::string_view, 2> kOff = {"none", "minimal"};
  constexpr std::array<std::string_view, 3> kOn = {"low", "medium", "high"};
  constexpr std::array<std::string_view, 2> kMost = {"xhigh", "max"};
  const auto among = [&](const auto& words) {
    return std::find(words.begin(), words.end(), *effort) != words.end();
  };
  if (!among(kOff) && !among(kOn) && !among(kMost)) {
    return fields.Fail("reasoning_effort",
                       StrCat("'", *effort,
                              "' is unknown (none, minimal, low, medium, high, xhigh "
                              "or max)"),
                       "invalid_value");
  }
  (*variables)["thinking"] = (*variables)["enable_thinking"] = !among(kOff);
  if (!among(kOff)) (*variables)["reasoning_effort"] = among(kMost) ? "max" : "high";
}

bool HasPrefix(const OrderedJson& messages) {
  return !messages.empty() && messages.back().contains("prefix") &&
         messages.back()["prefix"] == true;
}

}  // namespace

std::string ContinuingField(const OrderedJson& messages) {
  return HasPrefix(messages) ? StrCat("messages[", messages.size() - 1, "].prefix")
                             : "continue_final_message";
}

std::shared_ptr<const OrderedJson> ReadTemplateVariables(Fields& fields,
                                                         const RequestLimits& limits) {
  auto variables = std::make_shared<OrderedJson>(OrderedJson::object());
  if (const OrderedJson* kwargs = fields.Find("chat_template_kwargs")) {
    if (!kwargs->is_object()) {
      fields.Fail("chat_template_kwargs", StrCat("expected an object, got ", Kind(*kwargs)),
                  "invalid_type");
      return variables;
    }
    for (const auto& [key, value] : kwargs->items()) {
      if (key == "messages" || key == "tools" || key == "add_generation_prompt" ||
          key == "continue_final_message") {
        fields.Fail("chat_template_kwargs", StrCat("'", key, "' is a field of the request itself"),
                    "invalid_value");
        return variables;
      }
      (*variables)[key] = value;
    }
  }
  ReadEffort(fields, variables.get());
  // Templates of different families name the same switch differently. DeepSeek's API sends {"type":
  // "enabled"}.
  const auto switch_thinking = [&](bool on) {
    (*variables)["thinking"] = on;
    (*variables)["enable_thinking"] = on;
  };
  if (const OrderedJson* thinking = fields.Find("thinking"); thinking && thinking->is_object()) {
    Fields inner(*thinking, "thinking.");
    const auto type = inner.String("type");
    if (type == "enabled" || type == "disabled") {
      switch_thinking(*type == "enabled");
    } else {
      inner.Fail("type", "expected \"enabled\" or \"disabled\"", "invalid_value");
    }
    fields.Adopt(inner);
  } else if (const auto on = fields.Bool("thinking")) {
    switch_thinking(*on);
  }
  if (const auto on = fields.Bool("enable_thinking")) switch_thinking(*on);
  (*variables)["messages"] = ReadMessages(fields, limits);
  const bool prefix = fields.ok() && HasPrefix((*variables)["messages"]);
  const bool continues = fields.Bool("continue_final_message").value_or(false) || prefix;
  const auto prompt = fields.Bool("add_generation_prompt");
  (*variables)["add_generation_prompt"] = prompt.value_or(!continues);
  if (!continues || !fields.ok()) return variables;
  const OrderedJson& messages = (*variables)["messages"];
  if (prompt.value_or(false)) {
    fields.Fail(prefix ? ContinuingField(messages) : "add_generation_prompt",
                StrCat("cannot be true together with ",
                       prefix ? "add_generation_prompt" : "continue_final_message"),
                "invalid_value");
  } else if (!messages.empty() &&
             (messages.back()["role"] != "assistant" || messages.back().contains("tool_calls"))) {
    fields.Fail("continue_final_message",
                "the last message must be the assistant's, without tool calls", "invalid_value");
  } else {
    (*variables)["continue_final_message"] = true;
  }
  return variables;
}

absl::StatusOr<ChatRequest> ParseChatRequest(std::string_view body, const RequestLimits& limits) {
  ASSIGN_OR_RETURN(const OrderedJson object, ParseObject(body, limits));
  Fields fields(object);
  ChatRequest request;
  ReadParams(fields, limits, &request.params);
  ReadLogprobs(fields, &request.params);
  ReadTools(fields, &request.tools);
  request.params.include_reasoning = fields.Bool("include_reasoning").value_or(true);
  if (fields.Bool("echo").value_or(false)) fields.Unsupported("echo", "use /v1/completions");
  request.variables = ReadTemplateVariables(fields, limits);
  request.continues = request.variables->contains("continue_final_message");
  if (request.continues && (request.tools.mode != ToolRequest::kNone ||
                            request.params.response_format.kind != ResponseFormat::kText)) {
    fields.Fail(ContinuingField((*request.variables)["messages"]),
                "cannot be combined with tools or a response_format other than text",
                "invalid_value");
  }
  RETURN_IF_ERROR(fields.status());
  return request;
}

}  // namespace deepseek::agent
