// Calls of Qwen2.5 and Qwen3: each a JSON object between <tool_call> tokens.
#include <utility>

#include "agent/openai/call_reader.h"
#include "base/json_full.h"

namespace deepseek::agent {
namespace {

// As the templates write it, and so the grammar.
constexpr std::string_view kName = "\n{\"name\": \"";
constexpr std::string_view kArguments = "\", \"arguments\": ";

class Tagged final : public CallReader {
 public:
  using CallReader::CallReader;

 private:
  void Mark(char mark) override {
    if (!inside_ && mark == kTagOpen) return Enter(mark);
    if (!inside_) return;
    if (mark != kTagClose) return GiveUp();
    if (syntax_.constrained && Constrained()) {
      // Behind the arguments: the object's own brace.
      Send(std::string_view(held_).substr(0, held_.rfind('}')));
    } else if (!Whole()) {
      return GiveUp();
    }
    Done();
    Leave();
  }

  void Text() override {
    if (syntax_.constrained && Constrained()) SendArguments();
  }

  /// Whether the call's head is over; then `held_` goes on with the arguments.
  bool Constrained() {
    if (open_) return true;
    if (!held_.starts_with(kName)) return false;
    const size_t end = held_.find(kArguments, kName.size());
    if (end == std::string::npos) return false;
    name_ = held_.substr(kName.size(), end - kName.size());
    if (!Offered(name_)) return false;
    held_.erase(0, end + kArguments.size());
    Send("");
    return true;
  }

  /// Braces at the end wait: the last one is not of the arguments.
  void SendArguments() {
    const size_t last = held_.find_last_not_of("}\n");
    const size_t sure = last == std::string::npos ? 0 : last + 1;
    Send(held_.substr(0, sure));
    held_.erase(0, sure);
  }

  bool Whole() {
    const auto call = ParseOrderedJson(held_, "call");
    if (!call.ok() || !call->is_object()) return false;
    const auto name = call->find("name"), arguments = call->find("arguments");
    if (name == call->end() || !name->is_string() || !Offered(name->get<std::string>()))
      return false;
    if (arguments != call->end() && !arguments->is_object()) return false;
    name_ = name->get<std::string>();
    Send(arguments == call->end() ? "{}" : arguments->dump());
    return true;
  }

  void End() override {
    if (!open_) return BreakOff();
    // Cut off: what there is. Before the line end the last brace is the object's own.
    const size_t line = held_.find('\n');
    Send(std::string_view(held_).substr(0,
                                        line == std::string::npos || line == 0 ? line : line - 1));
  }
};

}  // namespace

std::unique_ptr<CallReader> TaggedCalls(const ToolSyntax& syntax) {
  return std::make_unique<Tagged>(syntax);
}

}  // namespace deepseek::agent
