#include "agent/openai/tool_prompt.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent {
namespace {

struct Piece {
  std::string text;
  bool input = false;
};

/// As DeepSeek documents it for V3.1; the format's own tokens are the template's, all else is
/// input.
std::vector<Piece> Describe(const OrderedJson& tools, grammar::CallStyle style) {
  std::string list = "## Tools\nYou have access to the following tools:\n";
  for (const OrderedJson& tool : tools) {
    const OrderedJson& function = tool["function"];
    const auto text = [&](const char* key) {
      const auto it = function.find(key);
      return it != function.end() && it->is_string() ? it->get<std::string>() : std::string();
    };
    const auto parameters = function.find("parameters");
    StrAppend(&list, "\n### ", text("name"), "\nDescription: ", text("description"),
              "\n\nParameters: ", parameters == function.end() ? "{}" : parameters->dump(), "\n");
  }
  list += "\nIMPORTANT: ALWAYS adhere to this exact format for tool use:\n";
  const bool fenced = style == grammar::CallStyle::kFenced;
  const std::string call =
      fenced ? "function<｜tool▁sep｜>tool_call_name\n```json\ntool_call_arguments\n```"
             : "tool_call_name<｜tool▁sep｜>tool_call_arguments";
  return {{std::move(list), true},
          {StrCat("<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>", call,
                  "<｜tool▁call▁end｜>{{additional_tool_calls}}<｜tool▁calls▁end｜>"),
           false},
          {StrCat("\n\nWhere:\n- `tool_call_name` must be an exact match to one of the available "
                  "tools\n- `tool_call_arguments` must be valid JSON that strictly follows the "
                  "tool's Parameters Schema\n- For multiple tool calls, ",
                  fenced ? "write each on a new line"
                         : "chain them directly without separators or spaces"),
           true}};
}

/// `pieces` instead of bytes [begin, end).
engine::RenderedChat Replace(const engine::RenderedChat& chat, size_t begin, size_t end,
                             const std::vector<Piece>& pieces) {
  engine::RenderedChat out;
  const auto add = [&](std::string_view text, bool input) {
    if (text.empty()) return;
    out.marks.push_back({out.text.size(), out.text.size() + text.size(), input});
    out.text += text;
  };
  const std::string_view text = chat.text;
  bool placed = false;
  for (const auto& mark : chat.marks) {
    const size_t before = std::clamp(begin, mark.begin, mark.end);
    const size_t after = std::clamp(end, mark.begin, mark.end);
    add(text.substr(mark.begin, before - mark.begin), mark.input);
    if (!placed && mark.end > begin) {
      for (const Piece& piece : pieces) add(piece.text, piece.input);
      placed = true;
    }
    if (mark.end > end) add(text.substr(after, mark.end - after), mark.input);
  }
  return out;
}

/// Letters that do not occur in the request.
std::string Placeholder(const OrderedJson& variables) {
  const std::string text = variables.dump();
  std::string name = "TOOLSGOHERE";
  while (text.find(name) != std::string::npos) name += "X";
  return name;
}

const std::string kObjectCall = "{\"name\": \"probed_name\", \"parameters\": ";
const std::string kTaggedCall = "<tool_call>\n{\"name\": \"probed_name\", \"arguments\": ";

/// What the template makes of a call of probed_name; empty: it refuses.
std::string RenderCall(const engine::ChatTemplate& chat, bool text_content,
                       const OrderedJson& arguments) {
  const OrderedJson call = {{"id", "call_0"},
                            {"type", "function"},
                            {"function", {{"name", "probed_name"}, {"arguments", arguments}}}};
  const OrderedJson variables = {
      {"messages",
       OrderedJson::array({{{"role", "user"}, {"content", "x"}},
                           {{"role", "assistant"},
                            {"content", text_content ? OrderedJson("") : OrderedJson(nullptr)},
                            {"tool_calls", OrderedJson::array({call})}}})},
      {"add_generation_prompt", false}};
  const auto rendered = chat.Render(variables);
  return rendered.ok() ? rendered->text : std::string();
}

std::optional<CallFormat> FormatIn(const std::string& text) {
  const auto has = [&](std::string_view what) { return text.find(what) != std::string::npos; };
  if (has("function<｜tool▁sep｜>probed_name\n```json\n{}\n```<｜tool▁call▁end｜>"))
    return CallFormat{grammar::CallStyle::kFenced, ""};
  if (has("<｜tool▁call▁begin｜>probed_name<｜tool▁sep｜>{}<｜tool▁call▁end｜>"))
    return CallFormat{grammar::CallStyle::kPlain, ""};
  if (has(kTaggedCall)) return CallFormat{grammar::CallStyle::kTagged, ""};
  if (has(kObjectCall)) return CallFormat{grammar::CallStyle::kObject, ""};
  constexpr std::string_view kDsml = "<｜DSML｜";
  const size_t call = text.find("\n<｜DSML｜invoke name=\"probed_name\">\n");
  if (call == std::string::npos || call == 0 || text[call - 1] != '>') return std::nullopt;
  const size_t block = text.rfind(kDsml, call - 1);
  if (block == std::string::npos) return std::nullopt;
  const size_t name = block + kDsml.size();
  return CallFormat{grammar::CallStyle::kDsml, text.substr(name, call - 1 - name)};
}

}  // namespace

std::optional<CallFormat> CallFormatOf(const engine::ChatTemplate& chat) {
  // An answer that only calls has no content: some templates fail without one.
  for (const bool text_content : {false, true}) {
    const std::string text = RenderCall(chat, text_content, "{}");
    if (text.empty()) continue;
    auto format = FormatIn(text);
    if (!format) return format;
    format->text_content = text_content;
    const bool object = format->style == grammar::CallStyle::kObject;
    if (object || format->style == grammar::CallStyle::kTagged) {
      const std::string call = (object ? kObjectCall : kTaggedCall) + "{}}";
      format->object_arguments =
          RenderCall(chat, text_content, OrderedJson::object()).find(call) != std::string::npos;
    }
    return format;
  }
  return std::nullopt;
}

bool HasCalls(const OrderedJson& variables) {
  const OrderedJson& messages = variables["messages"];
  return std::any_of(messages.begin(), messages.end(),
                     [](const OrderedJson& message) { return message.contains("tool_calls"); });
}

OrderedJson WithCallsAs(const CallFormat& format, OrderedJson variables) {
  for (OrderedJson& message : variables["messages"]) {
    if (!message.contains("tool_calls")) continue;
    if (format.text_content && message["content"].is_null()) message["content"] = "";
    if (!format.object_arguments) continue;
    for (OrderedJson& call : message["tool_calls"]) {
      OrderedJson& arguments = call["function"]["arguments"];
      if (!arguments.is_string()) continue;
      auto parsed = ParseOrderedJson(arguments.get<std::string>(), "arguments");
      if (parsed.ok() && parsed->is_object()) arguments = *std::move(parsed);
    }
  }
  return variables;
}

absl::StatusOr<engine::RenderedChat> RenderWithTools(const engine::ChatTemplate& chat,
                                                     const OrderedJson& variables,
                                                     const OrderedJson& tools,
                                                     const CallFormat& format) {
  OrderedJson probe = variables;
  const std::string place = Placeholder(variables);
  probe["tools"] = OrderedJson::array(
      {{{"type", "function"},
        {"function", {{"name", place}, {"parameters", OrderedJson::object()}}}}});
  ASSIGN_OR_RETURN(const engine::RenderedChat told, chat.Render(probe));
  OrderedJson given = variables;
  if (told.text.find(place) != std::string::npos) {
    given["tools"] = tools;
    return chat.Render(given);
  }
  const bool marked =
      format.style == grammar::CallStyle::kFenced || format.style == grammar::CallStyle::kPlain;
  if (!marked) return absl::InvalidArgumentError("the chat template does not show tools");
  OrderedJson& messages = given["messages"];
  size_t system = 0;
  while (system < messages.size() && messages[system]["role"] != "system") ++system;
  if (system < messages.size()) {
    const std::string text = messages[system]["content"].get<std::string>();
    messages[system]["content"] = StrCat(text, text.empty() ? "" : "\n\n", place);
  } else {
    messages.insert(messages.begin(), OrderedJson{{"role", "system"}, {"content", place}});
  }
  ASSIGN_OR_RETURN(const engine::RenderedChat rendered, chat.Render(given));
  const size_t at = rendered.text.find(place);
  if (at == std::string::npos)
    return absl::InvalidArgumentError("the chat template shows neither tools nor a system text");
  return Replace(rendered, at, at + place.size(), Describe(tools, format.style));
}

}  // namespace deepseek::agent
