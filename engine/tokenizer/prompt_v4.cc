// The prompt format of DeepSeek-V4, after its encoder encoding_dsv4.py. The model knows no tool
// role: results become parts of a user's turn.

#include <algorithm>
#include <map>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "engine/tokenizer/prompt_encoders.h"
#include "engine/tokenizer/prompt_parts.h"

namespace deepseek::engine::prompt {
namespace {

// Part of the format: the model was trained with these words.
constexpr std::string_view kTools =
    R"(## Tools

You have access to a set of tools to help answer the user's question. You can invoke tools by writing a "<｜DSML｜tool_calls>" block like the following:

<｜DSML｜tool_calls>
<｜DSML｜invoke name="$TOOL_NAME">
<｜DSML｜parameter name="$PARAMETER_NAME" string="true|false">$PARAMETER_VALUE</｜DSML｜parameter>
...
</｜DSML｜invoke>
<｜DSML｜invoke name="$TOOL_NAME2">
...
</｜DSML｜invoke>
</｜DSML｜tool_calls>

String parameters should be specified as is and set `string="true"`. For all other types (numbers, booleans, arrays, objects), pass the value in JSON format and set `string="false"`.

If thinking_mode is enabled (triggered by <think>), you MUST output your complete reasoning inside <think>...</think> BEFORE any tool calls or final response.

Otherwise, output directly after </think> with tool calls or final response.

### Available Tool Schemas

{schemas}

You MUST strictly follow the above defined tool name and parameter schemas to invoke tool calls.
)";

constexpr std::string_view kMaxEffort =
    R"(Reasoning Effort: Absolute maximum with no shortcuts permitted.
You MUST be very thorough in your thinking and comprehensively decompose the problem to resolve the root cause, rigorously stress-testing your logic against all potential paths, edge cases, and adversarial scenarios.
Explicitly write out your entire deliberation process, documenting every intermediate step, considered alternative, and rejected hypothesis to ensure absolutely no assumption is left unchecked.

)";

struct Block {
  bool tool_result;
  const OrderedJson* id;       // tool_call_id of a result
  const OrderedJson* content;  // of a message; null JSON if it has none
};

// A message, or several user's messages and tool results joined.
struct Turn {
  const OrderedJson* message;
  std::string role;
  std::vector<Block> blocks;  // of a user's turn
  bool forget_reasoning = false;
  size_t index;  // in the request, for errors
};

const OrderedJson& None() {
  static const OrderedJson none;
  return none;
}

const OrderedJson& OrEmpty(const OrderedJson& message, const char* key) {
  static const OrderedJson empty = "";
  return message.contains(key) ? message.at(key) : empty;
}

// A turn made of tool results alone has no message of its own, and so no task.
const OrderedJson& TaskOf(const Turn& turn) {
  return turn.message == nullptr ? None() : Get(*turn.message, "task");
}

std::vector<Turn> Merge(const OrderedJson& messages) {
  std::vector<Turn> turns;
  for (size_t i = 0; i < messages.size(); ++i) {
    const OrderedJson& message = messages[i];
    const std::string role = RoleOf(message);
    const bool after_user = !turns.empty() && turns.back().role == "user";
    if (role == "tool") {
      const Block block = {true, &OrEmpty(message, "tool_call_id"), &OrEmpty(message, "content")};
      if (!after_user) turns.push_back({nullptr, "user", {}, false, i});
      turns.back().blocks.push_back(block);
    } else if (role == "user") {
      const Block block = {false, &None(), &OrEmpty(message, "content")};
      if (!after_user || !TaskOf(turns.back()).is_null())
        turns.push_back({&message, role, {}, false, i});
      turns.back().blocks.push_back(block);
    } else {
      turns.push_back({&message, role, {}, false, i});
    }
  }
  return turns;
}

// Results in the order of the calls they answer; what answers none counts as the first call's.
void SortResults(std::vector<Turn>* turns) {
  std::map<std::string, size_t> order;
  for (Turn& turn : *turns) {
    if (turn.role == "assistant" && Truthy(Get(*turn.message, "tool_calls"))) {
      order.clear();
      const OrderedJson& calls = Get(*turn.message, "tool_calls");
      for (size_t i = 0; i < calls.size(); ++i) {
        const OrderedJson& own = Get(calls[i], "id");
        const OrderedJson& id = Truthy(own) ? own : Get(Get(calls[i], "function"), "id");
        if (Truthy(id)) order[id.dump(-1, ' ', false, OrderedJson::error_handler_t::replace)] = i;
      }
    }
    if (turn.role != "user" || order.empty()) continue;
    std::vector<Block> results;
    for (const Block& block : turn.blocks) {
      if (block.tool_result) results.push_back(block);
    }
    const auto rank = [&](const Block& block) {
      const auto it =
          order.find(block.id->dump(-1, ' ', false, OrderedJson::error_handler_t::replace));
      return it == order.end() ? 0 : it->second;
    };
    std::stable_sort(results.begin(), results.end(),
                     [&](const Block& a, const Block& b) { return rank(a) < rank(b); });
    size_t next = 0;
    for (Block& block : turn.blocks) {
      if (block.tool_result) block = results[next++];
    }
  }
}

int64_t LastUserTurn(const std::vector<Turn>& turns) {
  return LastUser(turns.size(), [&](size_t i) { return turns[i].role; });
}

// Thinking without tools: earlier reasoning goes, and with it every odd role before the last
// question.
std::vector<Turn> Forget(std::vector<Turn> turns) {
  const int64_t last_user = LastUserTurn(turns);
  std::vector<Turn> kept;
  for (size_t i = 0; i < turns.size(); ++i) {
    Turn& turn = turns[i];
    const bool stays = turn.role == "user" || turn.role == "system" ||
                       turn.role == "latest_reminder" || turn.role == "direct_search_results";
    if (!stays && static_cast<int64_t>(i) < last_user) {
      if (turn.role != "assistant") continue;
      turn.forget_reasoning = true;
    }
    kept.push_back(std::move(turn));
  }
  return kept;
}

class V4 {
 public:
  V4(std::vector<Turn> turns, bool thinking, bool forget, bool continued, Writer* out)
      : turns_(std::move(turns)),
        thinking_(thinking),
        forget_(forget),
        continued_(continued),
        last_user_(LastUserTurn(turns_)),
        out_(*out) {}

  absl::Status Run() {
    for (size_t i = 0; i < turns_.size(); ++i) {
      RETURN_IF_ERROR(Message(i));
      if (i + 1 < turns_.size()) {
        const std::string& next = turns_[i + 1].role;
        if (next != "assistant" && next != "latest_reminder") continue;
      }
      RETURN_IF_ERROR(Transition(i));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Message(size_t i) {
    const Turn& turn = turns_[i];
    if (turn.role == "user") return User(turn);
    const OrderedJson& message = *turn.message;
    const OrderedJson& content = Get(message, "content");
    RETURN_IF_ERROR(CheckToolCalls(turn.index, Get(message, "tool_calls")));
    if (turn.role == "assistant") return Assistant(i);
    if (turn.role == "system") {
      RETURN_IF_ERROR(out_.InputIfAny(content));
    } else if (turn.role == "developer") {
      if (!content.is_string() || !Truthy(content))
        return Refuse(turn.index, "a developer's message has no text");
      out_.Template(kUser);
      RETURN_IF_ERROR(out_.Input(content));
    } else if (turn.role == "latest_reminder") {
      out_.Template("<｜latest_reminder｜>");
      return out_.Input(content);
    } else {
      return Refuse(turn.index, StrCat("unknown role ", turn.role));
    }
    if (const OrderedJson& tools = Get(message, "tools"); Truthy(tools)) {
      out_.Template("\n\n");
      RETURN_IF_ERROR(out_.Tools(kTools, tools));
    }
    const OrderedJson& format = Get(message, "response_format");
    return Truthy(format) ? out_.ResponseFormat(format) : absl::OkStatus();
  }

  absl::Status User(const Turn& turn) {
    out_.Template(kUser);
    for (size_t i = 0; i < turn.blocks.size(); ++i) {
      const Block& block = turn.blocks[i];
      if (i > 0) out_.Template("\n\n");
      if (!block.tool_result) {
        if (!block.content->is_string())
          return Refuse(turn.index, "a user's content must be a string");
        RETURN_IF_ERROR(out_.Input(*block.content));
        continue;
      }
      out_.Template("<tool_result>");
      RETURN_IF_ERROR(Result(turn, *block.content));
      out_.Template("</tool_result>");
    }
    return absl::OkStatus();
  }

  absl::Status Result(const Turn& turn, const OrderedJson& content) {
    if (!content.is_array()) return out_.Input(content);
    for (size_t i = 0; i < content.size(); ++i) {
      const OrderedJson& part = content[i];
      if (!part.is_object()) return Refuse(turn.index, "a part of a tool result is no object");
      if (i > 0) out_.Template("\n\n");
      if (Get(part, "type") == "text") {
        const OrderedJson& text = OrEmpty(part, "text");
        if (!text.is_string()) return Refuse(turn.index, "a text part's text must be a string");
        RETURN_IF_ERROR(out_.Input(text));
      } else {
        out_.Template("[Unsupported ");
        RETURN_IF_ERROR(out_.Input(Get(part, "type")));
        out_.Template("]");
      }
    }
    return absl::OkStatus();
  }

  absl::Status Assistant(size_t i) {
    const Turn& turn = turns_[i];
    const OrderedJson& message = *turn.message;
    const bool answers_task = i > 0 && !TaskOf(turns_[i - 1]).is_null();
    if (thinking_ && !answers_task && (!forget_ || static_cast<int64_t>(i) > last_user_)) {
      if (!turn.forget_reasoning)
        RETURN_IF_ERROR(out_.InputIfAny(Get(message, "reasoning_content")));
      out_.Template(kEndThink);
    }
    RETURN_IF_ERROR(out_.InputIfAny(Get(message, "content")));
    if (const OrderedJson& calls = Get(message, "tool_calls"); Truthy(calls)) {
      out_.Template("\n\n<｜DSML｜tool_calls>\n");
      for (size_t call = 0; call < calls.size(); ++call) {
        if (call > 0) out_.Template("\n");
        const OrderedJson& function = calls[call]["function"];
        const OrderedJson& given = function["arguments"];
        absl::StatusOr<OrderedJson> arguments = absl::InvalidArgumentError("");
        if (given.is_string()) arguments = ParseOrderedJson(given.get<std::string>(), "arguments");
        // What is no JSON text is one parameter of that name.
        if (!arguments.ok()) arguments = OrderedJson{{"arguments", given}};
        if (!arguments->is_object())
          return Refuse(turn.index, "a tool call's arguments are no JSON object");
        RETURN_IF_ERROR(out_.ToolCall(function["name"], *arguments));
      }
      out_.Template("\n</｜DSML｜tool_calls>");
    }
    const bool open = Truthy(Get(message, "wo_eos")) || (continued_ && i + 1 == turns_.size());
    if (!open) out_.Template(kEos);
    return absl::OkStatus();
  }

  // What opens the next turn.
  absl::Status Transition(size_t i) {
    const Turn& turn = turns_[i];
    const bool asks = turn.role == "user" || turn.role == "developer";
    const OrderedJson& task = TaskOf(turn);
    if (!task.is_null()) {
      constexpr std::string_view kTasks[] = {"action", "query", "authority",
                                             "domain", "title", "read_url"};
      const std::string name = task.is_string() ? task.get<std::string>() : "";
      if (std::find(std::begin(kTasks), std::end(kTasks), name) == std::end(kTasks))
        return Refuse(turn.index,
                      "task is none of action, query, authority, domain, title, read_url");
      if (name == "action") {
        out_.Template(kAssistant);
        out_.Template(thinking_ ? kThink : kEndThink);
      }
      out_.Template(StrCat("<｜", name, "｜>"));
    } else if (asks) {
      out_.Template(kAssistant);
      out_.Template(thinking_ && (!forget_ || static_cast<int64_t>(i) >= last_user_) ? kThink
                                                                                     : kEndThink);
    }
    return absl::OkStatus();
  }

  const std::vector<Turn> turns_;
  const bool thinking_, forget_, continued_;
  const int64_t last_user_;
  Writer& out_;
};

}  // namespace

absl::Status WriteV4(const OrderedJson& variables, Writer* out) {
  ASSIGN_OR_RETURN(const OrderedJson messages, MessagesWithTools(variables));
  ASSIGN_OR_RETURN(const bool continued, Continued(variables, messages));
  const OrderedJson& effort = Get(variables, "reasoning_effort");
  if (!effort.is_null() && effort != "max" && effort != "high")
    return absl::InvalidArgumentError("prompt: reasoning_effort: must be max or high");
  for (size_t i = 0; i < messages.size(); ++i)
    RETURN_IF_ERROR(CheckToolCalls(i, Get(messages[i], "tool_calls")));
  std::vector<Turn> turns = Merge(messages);
  SortResults(&turns);
  const bool thinking = Thinking(variables);
  const bool forget = std::none_of(turns.begin(), turns.end(), [](const Turn& turn) {
    return turn.role != "user" && Truthy(Get(*turn.message, "tools"));
  });
  if (thinking && forget) turns = Forget(std::move(turns));
  out->Template(kBos);
  if (thinking && effort == "max" && !turns.empty()) out->Template(kMaxEffort);
  return V4(std::move(turns), thinking, forget, continued, out).Run();
}

}  // namespace deepseek::engine::prompt
