#include "agent/openai/chat_plan.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "agent/openai/error.h"
#include "agent/openai/reasoning_splitter.h"
#include "agent/openai/tool_prompt.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent {
namespace {

// Schemas are walked with linear look-ups of their members.
constexpr size_t kMostSchemaBytes = size_t{128} << 10;
constexpr std::string_view kSpace = " \t\r\n";

absl::Status Refused(const absl::Status& status) {
  return BadParam("messages",
                  StrCat("the chat template refused the messages: ", ToStd(status.message())),
                  "invalid_value");
}

/// Ends the prompt with the last message's text, wherever the template goes on behind it. Returns
/// where that text begins.
absl::StatusOr<size_t> CutBehindLast(const OrderedJson& messages, engine::RenderedChat* chat) {
  const auto bad = [&](std::string_view why) {
    return BadParam(ContinuingField(messages), why, "invalid_value");
  };
  const auto said =
      messages.empty() ? OrderedJson() : messages.back().value("content", OrderedJson());
  const std::string content = said.is_string() ? said.get<std::string>() : "";
  const size_t first = content.find_first_not_of(kSpace);
  if (first == std::string::npos) return bad("the last message has no text to go on with");
  const std::string text = content.substr(first, content.find_last_not_of(kSpace) + 1 - first);
  const size_t at = chat->text.rfind(text);
  if (at == std::string::npos)
    return bad("the chat template changes the last message, so that it cannot be continued");
  const size_t end = at + text.size();
  chat->text.resize(end);
  std::erase_if(chat->marks, [end](const auto& mark) { return mark.begin >= end; });
  chat->marks.back().end = end;
  if (!chat->marks.back().input)
    return bad("the chat template changes the last message, so that it cannot be continued");
  return at;
}

/// Whether the answer that goes on with the last message, from `begin` of the prompt on, is still
/// in its reasoning. Here the text is what the model itself has said.
bool GoesOnThinking(const engine::RenderedChat& chat, size_t begin) {
  const std::string_view prompt = chat.text, said = prompt.substr(begin);
  const size_t end = said.rfind("</think>"), think = said.rfind("<think>");
  if (think != std::string_view::npos) return end == std::string_view::npos || end < think;
  // V3.1's template opens the reasoning itself in front of a message with "prefix".
  const auto mark = std::find_if(chat.marks.begin(), chat.marks.end(),
                                 [&](const auto& m) { return m.end >= begin; });
  return end == std::string_view::npos && !mark->input && EndsThinking(prompt.substr(0, begin));
}

absl::StatusOr<std::shared_ptr<const grammar::ConstraintPlan>> PlanGrammar(
    const LoadedModel& model, const GenerationParams& params, const grammar::AnswerShape& shape,
    bool begins_thinking, bool waits, Grammars& grammars) {
  size_t bytes = shape.schema != nullptr ? shape.schema->dump().size() : 0;
  for (const grammar::CallableTool& tool : shape.tools)
    bytes += tool.parameters != nullptr ? tool.parameters->dump().size() : 0;
  if (bytes > kMostSchemaBytes) {
    return BadParam(
        shape.schema != nullptr ? "response_format" : "tools",
        StrCat("JSON schemas of ", bytes, " bytes, at most ", kMostSchemaBytes, " are served"),
        "invalid_value");
  }
  auto matcher = grammars.Get(model, shape);
  if (!matcher.ok()) {
    const std::string_view message = ToStd(matcher.status().message());
    if (message.starts_with("tools[")) return BadParam("tools", message, "unsupported_schema");
    return BadParam("response_format", StrCat("response_format.json_schema.schema: ", message),
                    "unsupported_schema");
  }
  auto plan = std::make_shared<grammar::ConstraintPlan>();
  plan->matcher = *std::move(matcher);
  plan->begins_thinking = begins_thinking;
  if (waits) {
    plan->trigger = shape.tokens.first();
    plan->openings = grammar::CallOpenings(shape);
    plan->opens_answer = shape.style == grammar::CallStyle::kObject;
  }
  plan->stop_ids = params.stop_token_ids;
  plan->stop_ids.insert(plan->stop_ids.end(), model.defaults.eos_ids.begin(),
                        model.defaults.eos_ids.end());
  return std::shared_ptr<const grammar::ConstraintPlan>(std::move(plan));
}

void AskForText(const ResponseFormat& format, grammar::AnswerShape* shape) {
  shape->any_object = format.kind == ResponseFormat::kJsonObject;
  if (format.kind == ResponseFormat::kJsonSchema) shape->schema = format.schema.get();
}

absl::Status NoTools() {
  return BadParam("tools",
                  "this model's chat template has no tool calls in a format that this server reads",
                  "unsupported_parameter");
}

/// How the model calls.
absl::StatusOr<std::shared_ptr<const ToolSyntax>> SyntaxOf(const LoadedModel& model,
                                                           const ChatRequest& request) {
  auto syntax = std::make_shared<ToolSyntax>();
  const auto format = CallFormatOf(*model.text.chat_template);
  if (!format || !grammar::FindCallTokens(*model.text.tokenizer, format->style, &syntax->tokens)) {
    return NoTools();
  }
  syntax->style = format->style;
  syntax->block = format->block;
  // Where an answer may be JSON too, one may begin like the other.
  syntax->constrained = format->style != grammar::CallStyle::kObject ||
                        request.params.response_format.kind == ResponseFormat::kText ||
                        request.tools.mode == ToolRequest::kRequired;
  for (const auto& function : request.tools.functions) syntax->names.push_back(function.name);
  return std::shared_ptr<const ToolSyntax>(std::move(syntax));
}

}  // namespace

absl::StatusOr<EncodedPrompt> EncodeChat(const LoadedModel& model, const OrderedJson& variables,
                                         const OrderedJson* tools, bool any_length) {
  if (!model.text.chat_template) {
    return ToStatus({400, "this model has no chat template, use /v1/completions",
                     "invalid_request_error", "messages", "no_chat_template"});
  }
  const engine::ChatTemplate& chat = *model.text.chat_template;
  std::optional<CallFormat> format;
  const bool builtin = variables.contains("builtin_tools");
  if (tools != nullptr || builtin || HasCalls(variables)) format = CallFormatOf(chat);
  if (builtin && format && format->style == grammar::CallStyle::kObject) {
    return BadParam("chat_template_kwargs",
                    "'builtin_tools': calls of the model's built-in tools are not read (describe "
                    "them as functions in 'tools')",
                    "unsupported_parameter");
  }
  if (tools != nullptr && !format) return NoTools();
  const OrderedJson adapted = format ? WithCallsAs(*format, variables) : OrderedJson();
  const OrderedJson& given = format ? adapted : variables;
  absl::StatusOr<engine::RenderedChat> rendered =
      tools != nullptr ? RenderWithTools(chat, given, *tools, *format) : chat.Render(given);
  if (!rendered.ok()) return Refused(rendered.status());
  if (!any_length) RETURN_IF_ERROR(CheckBytes(model, rendered->text.size(), "messages"));
  EncodedPrompt prompt;
  prompt.param = "messages";
  if (variables.contains("continue_final_message")) {
    ASSIGN_OR_RETURN(const size_t begin, CutBehindLast(variables["messages"], &*rendered));
    prompt.begins_thinking = GoesOnThinking(*rendered, begin);
  } else {
    // Only the template's own mark counts: a user may well write <think>.
    const bool ends_in_template = !rendered->marks.empty() && !rendered->marks.back().input;
    prompt.begins_thinking = ends_in_template && EndsThinking(rendered->text);
  }
  prompt.ids = model.text.tokenizer->EncodeSpans(rendered->Spans());
  return prompt;
}

absl::StatusOr<std::shared_ptr<const grammar::ConstraintPlan>> PlanText(
    const LoadedModel& model, const GenerationParams& params, Grammars& grammars) {
  if (params.response_format.kind == ResponseFormat::kText) return nullptr;
  grammar::AnswerShape shape;
  AskForText(params.response_format, &shape);
  return PlanGrammar(model, params, shape, /*begins_thinking=*/false, /*waits=*/false, grammars);
}

absl::StatusOr<ChatPlan> PlanChat(const LoadedModel& model, const ChatRequest& request,
                                  Grammars& grammars) {
  const bool calls = request.tools.mode != ToolRequest::kNone;
  ChatPlan plan;
  ASSIGN_OR_RETURN(plan.prompt, EncodeChat(model, *request.variables,
                                           calls ? request.tools.tools.get() : nullptr,
                                           /*any_length=*/false));
  if (calls) {
    ASSIGN_OR_RETURN(plan.tools, SyntaxOf(model, request));
  }
  const ResponseFormat& format = request.params.response_format;
  if (!calls && format.kind == ResponseFormat::kText) return plan;
  grammar::AnswerShape shape;
  shape.leading_space = plan.prompt.begins_thinking;
  // Who must call has no text to give a form to.
  if (request.tools.mode != ToolRequest::kRequired) AskForText(format, &shape);
  bool waits = false;
  if (calls) {
    shape.style = plan.tools->style;
    shape.tokens = plan.tools->tokens;
    shape.block = plan.tools->block;
    shape.parallel_calls = request.tools.parallel;
    for (const auto& function : request.tools.functions)
      shape.tools.push_back({function.name, function.parameters.get(), function.strict});
    if (request.tools.mode == ToolRequest::kAuto && format.kind == ResponseFormat::kText) {
      waits = true;
      shape.behind_begin = !shape.tokens.spelled;
    }
  }
  ASSIGN_OR_RETURN(plan.constraint, PlanGrammar(model, request.params, shape,
                                                plan.prompt.begins_thinking, waits, grammars));
  return plan;
}

}  // namespace deepseek::agent
