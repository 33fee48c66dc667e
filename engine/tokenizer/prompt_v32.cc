// The prompt format of DeepSeek-V3.2, after its encoder encoding_dsv32.py.

#include "base/status.h"
#include "base/strings.h"
#include "engine/tokenizer/prompt_encoders.h"
#include "engine/tokenizer/prompt_parts.h"

namespace deepseek::engine::prompt {
namespace {

// Part of the format: the model was trained with these words.
constexpr std::string_view kTools =
    R"(## Tools
You have access to a set of tools you can use to answer the user's question.
You can invoke functions by writing a "<｜DSML｜function_calls>" block like the following as part of your reply to the user:
<｜DSML｜function_calls>
<｜DSML｜invoke name="$FUNCTION_NAME">
<｜DSML｜parameter name="$PARAMETER_NAME" string="true|false">$PARAMETER_VALUE</｜DSML｜parameter>
...
</｜DSML｜invoke>
<｜DSML｜invoke name="$FUNCTION_NAME2">
...
</｜DSML｜invoke>
</｜DSML｜function_calls>
String and scalar parameters should be specified as is without any escaping or quotes, while lists and objects should use JSON format. The "string" attribute should be set to "true" for string type parameters and "false" for other types (numbers, booleans, arrays, objects).
If the thinking_mode is enabled, then after function results you should strongly consider outputting a thinking block. Here is an example:
<｜DSML｜function_calls>
...
</｜DSML｜function_calls>
<function_results>
...
</function_results>
<think>...thinking about results</think>
Here are the functions available in JSONSchema format:
<functions>
{schemas}
</functions>
)";

// Writes the messages of one conversation.
class V32 {
 public:
  V32(const OrderedJson& messages, bool thinking, bool continued, Writer* out)
      : messages_(messages),
        thinking_(thinking),
        continued_(continued),
        last_user_(LastUser(messages.size(), [&](size_t i) { return RoleOf(messages[i]); })),
        out_(*out) {}

  absl::Status Run() {
    out_.Template(kBos);
    for (size_t i = 0; i < messages_.size(); ++i) {
      // Thinking drops all but the known roles before the last question; the encoder then fails to
      // find its messages.
      const std::string role = RoleOf(messages_[i]);
      const bool known =
          role == "user" || role == "system" || role == "tool" || role == "assistant";
      if (thinking_ && !known && Before(i, last_user_))
        return Refuse(i, StrCat("role ", role, " cannot stand before the last user's message"));
    }
    for (size_t i = 0; i < messages_.size(); ++i) RETURN_IF_ERROR(Message(i));
    return absl::OkStatus();
  }

 private:
  static bool Before(size_t i, int64_t limit) { return static_cast<int64_t>(i) < limit; }

  absl::Status Message(size_t i) {
    const OrderedJson& message = messages_[i];
    const std::string role = RoleOf(message);
    RETURN_IF_ERROR(CheckToolCalls(i, Get(message, "tool_calls")));
    if (role == "tool") return ToolResult(i);
    last_other_ = static_cast<int64_t>(i);
    if (role == "system") {
      RETURN_IF_ERROR(out_.InputIfAny(Get(message, "content")));
      return Extras(message);
    }
    if (role == "assistant") return Assistant(i);
    if (role != "user" && role != "developer") return Refuse(i, StrCat("unknown role ", role));
    out_.Template(kUser);
    if (role == "developer") {
      if (!Truthy(Get(message, "content")))
        return Refuse(i, "a developer's message has no content");
      RETURN_IF_ERROR(Extras(message));
      out_.Template("\n\n# The user's message is: ");
    }
    RETURN_IF_ERROR(out_.Input(Get(message, "content")));
    out_.Template(kAssistant);
    out_.Template(thinking_ && static_cast<int64_t>(i) == last_user_ ? kThink : kEndThink);
    return absl::OkStatus();
  }

  absl::Status Extras(const OrderedJson& message) {
    if (const OrderedJson& tools = Get(message, "tools"); Truthy(tools)) {
      out_.Template("\n\n");
      RETURN_IF_ERROR(out_.Tools(kTools, tools));
    }
    const OrderedJson& format = Get(message, "response_format");
    return Truthy(format) ? out_.ResponseFormat(format) : absl::OkStatus();
  }

  absl::Status ToolResult(size_t i) {
    // A result that comes first belongs to the last message of all: in Python, index -1.
    const OrderedJson& caller =
        last_other_ < 0 ? messages_.back() : messages_[static_cast<size_t>(last_other_)];
    if (i > 0 && (last_other_ < 0 || RoleOf(caller) != "assistant"))
      return Refuse(i, "a tool result does not follow an assistant's message");
    const auto order = static_cast<size_t>(static_cast<int64_t>(i) - last_other_);
    const OrderedJson& calls = Get(caller, "tool_calls");
    if (!calls.is_array() || calls.size() < order)
      return Refuse(i, "there are more tool results than tool calls");
    if (order == 1) out_.Template("\n\n<function_results>");
    out_.Template("\n<result>");
    RETURN_IF_ERROR(out_.Input(Get(messages_[i], "content")));
    out_.Template("</result>");
    if (order != calls.size()) return absl::OkStatus();
    out_.Template("\n</function_results>\n\n");
    out_.Template(thinking_ && !Before(i, last_user_) ? kThink : kEndThink);
    return absl::OkStatus();
  }

  absl::Status Assistant(size_t i) {
    const OrderedJson& message = messages_[i];
    const OrderedJson& calls = Get(message, "tool_calls");
    if (thinking_ && static_cast<int64_t>(i) > last_user_) {
      const OrderedJson& reasoning = Get(message, "reasoning_content");
      if (!Truthy(reasoning) && !Truthy(calls)) {
        return Refuse(i,
                      "thinking: an answer after the last user's message has neither "
                      "reasoning_content nor tool_calls");
      }
      RETURN_IF_ERROR(out_.InputIfAny(reasoning));
      out_.Template(kEndThink);
    }
    RETURN_IF_ERROR(out_.InputIfAny(Get(message, "content")));
    if (Truthy(calls)) {
      out_.Template("\n\n<｜DSML｜function_calls>\n");
      for (size_t call = 0; call < calls.size(); ++call) {
        if (call > 0) out_.Template("\n");
        const OrderedJson& function = calls[call]["function"];
        OrderedJson arguments = function["arguments"];
        if (arguments.is_string()) {
          ASSIGN_OR_RETURN(arguments, ParseOrderedJson(arguments.get<std::string>(),
                                                       StrCat("prompt: messages[", i, "]")));
        }
        if (!arguments.is_object()) return Refuse(i, "a tool call's arguments are no JSON object");
        RETURN_IF_ERROR(out_.ToolCall(function["name"], arguments));
      }
      out_.Template("\n</｜DSML｜function_calls>");
    }
    if (!continued_ || i + 1 < messages_.size()) out_.Template(kEos);
    return absl::OkStatus();
  }

  const OrderedJson& messages_;
  const bool thinking_, continued_;
  const int64_t last_user_;
  int64_t last_other_ = -1;  // last message so far that is no tool result
  Writer& out_;
};

}  // namespace

absl::Status WriteV32(const OrderedJson& variables, Writer* out) {
  ASSIGN_OR_RETURN(const OrderedJson messages, MessagesWithTools(variables));
  ASSIGN_OR_RETURN(const bool continued, Continued(variables, messages));
  return V32(messages, Thinking(variables), continued, out).Run();
}

}  // namespace deepseek::engine::prompt
