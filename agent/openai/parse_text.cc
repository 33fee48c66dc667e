// POST /v1/completions, /generate, /predict, /tokenize, /detokenize: body -> request.
#include <algorithm>
#include <utility>

#include "agent/openai/fields.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent {
namespace {

constexpr int32_t kCompletionMaxTokens = 16;  // OpenAI's default
constexpr int32_t kGenerateMaxTokens = 256;

bool AllTokenIds(const OrderedJson& array) {
  return std::all_of(array.begin(), array.end(), [](const OrderedJson& id) {
    return id.is_number_unsigned() && id.get<uint64_t>() <= uint64_t{INT32_MAX};
  });
}

/// A string, an array of strings, an array of ids, or an array of arrays of ids.
std::vector<Prompt> ReadPrompts(Fields& fields, const char* name) {
  std::vector<Prompt> out;
  const OrderedJson* value = fields.Find(name);
  if (!value) {
    fields.Fail(name, "is missing", "missing_required_parameter");
    return out;
  }
  if (value->is_string()) {
    out.emplace_back(value->get<std::string>());
    return out;
  }
  const bool array = value->is_array() && !value->empty();
  if (array && value->front().is_number() && AllTokenIds(*value)) {
    out.emplace_back(value->get<std::vector<int32_t>>());
    return out;
  }
  for (size_t i = 0; array && i < value->size(); ++i) {
    const OrderedJson& item = (*value)[i];
    if (item.is_string()) {
      out.emplace_back(item.get<std::string>());
    } else if (item.is_array() && !item.empty() && AllTokenIds(item)) {
      out.emplace_back(item.get<std::vector<int32_t>>());
    } else {
      out.clear();
      break;
    }
  }
  if (out.empty()) {
    fields.Fail(name, "expected a string, an array of strings, or arrays of token ids",
                "invalid_type");
  }
  return out;
}

/// Words of chat requests whose meaning would be dropped here.
void RefuseChatWords(Fields& fields) {
  if (fields.Bool("continue_final_message").value_or(false))
    fields.Unsupported("continue_final_message", "use /v1/chat/completions");
  for (const char* name : {"reasoning_effort", "tools", "tool_choice"}) {
    if (fields.Find(name) != nullptr) fields.Unsupported(name, "use /v1/chat/completions");
  }
}

void ReadSpecial(Fields& fields, bool* add_special_tokens, bool* parse_special) {
  *add_special_tokens = fields.Bool("add_special_tokens").value_or(true);
  *parse_special = fields.Bool("parse_special").value_or(true);
}

}  // namespace

absl::StatusOr<CompletionRequest> ParseCompletionRequest(std::string_view body,
                                                         const RequestLimits& limits) {
  ASSIGN_OR_RETURN(const OrderedJson object, ParseObject(body, limits));
  Fields fields(object);
  CompletionRequest request;
  ReadParams(fields, limits, &request.params, /*least_tokens=*/0);
  RefuseChatWords(fields);
  if (const auto suffix = fields.String("suffix"); suffix && !suffix->empty())
    fields.Unsupported("suffix");
  if (const auto top = fields.Integer("logprobs", 0, 20))
    request.params.top_logprobs = static_cast<int32_t>(*top);
  request.echo = fields.Bool("echo").value_or(false);
  if (request.params.max_tokens == 0 && !request.echo)
    fields.Fail("max_tokens", "0 needs 'echo': true, for there is nothing else to answer with",
                "invalid_value");
  ReadSpecial(fields, &request.add_special_tokens, &request.parse_special);
  request.prompts = ReadPrompts(fields, "prompt");
  if (request.prompts.size() * static_cast<size_t>(request.params.n) >
      static_cast<size_t>(limits.max_choices)) {
    fields.Fail("prompt",
                StrCat("at most ", limits.max_choices, " answers (prompts x n) in one request"),
                "invalid_value");
  }
  // The choices of a prompt that is only echoed are one.
  const int64_t each = request.params.max_tokens == 0 ? 1 : request.params.n;
  CheckAnswers(fields, "prompt", static_cast<int64_t>(request.prompts.size()) * each, limits);
  RETURN_IF_ERROR(fields.status());
  if (!request.params.max_tokens) request.params.max_tokens = kCompletionMaxTokens;
  return request;
}

absl::StatusOr<CompletionRequest> ParseGenerateRequest(std::string_view body,
                                                       std::string_view prompt_field,
                                                       const RequestLimits& limits) {
  ASSIGN_OR_RETURN(const OrderedJson object, ParseObject(body, limits));
  Fields fields(object);
  CompletionRequest request;
  ReadParams(fields, limits, &request.params);
  RefuseChatWords(fields);
  if (request.params.n != 1) fields.Unsupported("n", "more than one answer (use /v1/completions)");
  if (fields.Find("logprobs")) fields.Unsupported("logprobs", "use /v1/completions");
  if (fields.Bool("echo").value_or(false)) fields.Unsupported("echo", "use /v1/completions");
  ReadSpecial(fields, &request.add_special_tokens, &request.parse_special);
  const std::string name(prompt_field);
  if (auto text = fields.String(name.c_str())) {
    request.prompts.emplace_back(*std::move(text));
  } else {
    fields.Fail(name, "is missing", "missing_required_parameter");
  }
  RETURN_IF_ERROR(fields.status());
  if (!request.params.max_tokens) request.params.max_tokens = kGenerateMaxTokens;
  return request;
}

absl::StatusOr<TokenizeRequest> ParseTokenizeRequest(std::string_view body,
                                                     const RequestLimits& limits) {
  ASSIGN_OR_RETURN(const OrderedJson object, ParseObject(body, limits));
  Fields fields(object);
  TokenizeRequest request;
  request.model = fields.String("model").value_or("");
  ReadSpecial(fields, &request.add_special_tokens, &request.parse_special);
  if (fields.Find("messages")) {
    ToolRequest tools;
    ReadTools(fields, &tools);
    if (tools.mode != ToolRequest::kNone) request.tools = tools.tools;
    request.variables = ReadTemplateVariables(fields, limits);
  } else {
    // "prompt" is vLLM's name, "content" llama.cpp's.
    for (const char* name : {"text", "prompt", "content"}) {
      if (!fields.Find(name)) continue;
      request.text = fields.String(name).value_or("");
      RETURN_IF_ERROR(fields.status());
      return request;
    }
    fields.Fail("text", "is missing", "missing_required_parameter");
  }
  RETURN_IF_ERROR(fields.status());
  return request;
}

absl::StatusOr<DetokenizeRequest> ParseDetokenizeRequest(std::string_view body,
                                                         const RequestLimits& limits) {
  ASSIGN_OR_RETURN(const OrderedJson object, ParseObject(body, limits));
  Fields fields(object);
  DetokenizeRequest request;
  request.model = fields.String("model").value_or("");
  const char* name = fields.Find("ids") ? "ids" : "tokens";
  auto tokens = fields.TokenIds(name);
  if (!tokens) fields.Fail(name, "is missing", "missing_required_parameter");
  RETURN_IF_ERROR(fields.status());
  request.tokens = *std::move(tokens);
  request.field = name;
  return request;
}

}  // namespace deepseek::agent
