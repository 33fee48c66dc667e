#include "agent/openai/tool_prompt.h"

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

}  // namespace

std::optional<grammar::CallStyle> CallStyleOf(const engine::ChatTemplate& chat) {
  const OrderedJson call = {{"id", "call_0"},
                            {"type", "function"},
                            {"function", {{"name", "probed_name"}, {"arguments", "{}"}}}};
  const OrderedJson variables = {
      {"messages", OrderedJson::array({{{"role", "user"}, {"content", "x"}},
                                       {{"role", "assistant"},
                                        {"content", nullptr},
                                        {"tool_calls", OrderedJson::array({call})}}})},
      {"add_generation_prompt", false}};
  const auto rendered = chat.Render(variables);
  if (!rendered.ok()) return std::nullopt;
  const std::string& text = rendered->text;
  if (text.find("function<｜tool▁sep｜>probed_name\n```json\n{}\n```<｜tool▁call▁end｜>") !=
      std::string::npos) {
    return grammar::CallStyle::kFenced;
  }
  if (text.find("<｜tool▁call▁begin｜>probed_name<｜tool▁sep｜>{}<｜tool▁call▁end｜>") !=
      std::string::npos) {
    return grammar::CallStyle::kPlain;
  }
  return std::nullopt;
}

absl::StatusOr<engine::RenderedChat> RenderWithTools(const engine::ChatTemplate& chat,
                                                     const OrderedJson& variables,
                                                     const OrderedJson& tools,
                                                     grammar::CallStyle style) {
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
  return Replace(rendered, at, at + place.size(), Describe(tools, style));
}

}  // namespace deepseek::agent
