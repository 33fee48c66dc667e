// Calls of Llama 3.1: the answer is a JSON object with a name and parameters, <|python_tag|> may
// stand before it.
#include <algorithm>
#include <array>

#include "agent/openai/call_reader.h"
#include "agent/openai/object_end.h"
#include "base/json_full.h"

namespace deepseek::agent {
namespace {

// As the template writes it, and so the grammar.
constexpr std::string_view kName = "{\"name\": \"";
constexpr std::string_view kParameters = "\", \"parameters\": ";
constexpr size_t kMostNameBytes = 64;

/// What a model may write first in a call: an object that begins otherwise is an answer.
constexpr std::array<std::string_view, 4> kFirstKeys = {"\"name\"", "\"type\"", "\"parameters\"",
                                                        "\"arguments\""};

class Object final : public CallReader {
 public:
  using CallReader::CallReader;

 private:
  bool Opens() override {
    if (told_) return false;
    const size_t first = held_.find_first_not_of(kCallSpace);
    if (first == std::string::npos) return false;
    told_ = held_[first] != '{';
    return !told_;
  }

  void Mark(char mark) override {
    told_ = true;
    if (inside_) return GiveUp();
    if (mark != kPythonTag) return;
    marked_ = true;
    Enter(mark);
  }

  void Text() override {
    if (!open_ && !Head()) return;
    const size_t own = end_.Push(held_);
    Send(std::string_view(held_).substr(0, own));
    held_.erase(0, own);
    // Behind the arguments: the object's own brace.
    if (!end_.done() || held_.empty()) return;
    const std::string rest = held_.substr(1);
    Done();
    Leave();
    told_ = true;
    held_ = rest;
  }

  /// Whether the call's head is over; then `held_` goes on with the arguments.
  bool Head() {
    const size_t first = held_.find_first_not_of(kCallSpace);
    if (first == std::string::npos) return false;
    const std::string_view text = std::string_view(held_).substr(first);
    if (!MayCall(text)) {
      GiveUp();
      told_ = true;
      return false;
    }
    if (!syntax_.constrained || !text.starts_with(kName)) return false;
    const size_t end =
        text.substr(0, kName.size() + kMostNameBytes + kParameters.size()).find(kParameters);
    if (end == std::string_view::npos) return false;
    name_ = text.substr(kName.size(), end - kName.size());
    if (!Offered(name_)) return false;
    held_.erase(0, first + end + kParameters.size());
    Send("");
    return true;
  }

  static bool MayCall(std::string_view text) {
    if (text[0] != '{') return false;
    const size_t key = text.find_first_not_of(kCallSpace, 1);
    if (key == std::string_view::npos) return true;
    const std::string_view rest = text.substr(key);
    return std::any_of(kFirstKeys.begin(), kFirstKeys.end(), [&](std::string_view k) {
      return rest.starts_with(k) || k.starts_with(rest);
    });
  }

  void End() override {
    if (open_) return;  // cut off: what there is
    // Behind the mark only a call can be said; letters may be an answer.
    if (!Whole()) return marked_ ? BreakOff() : GiveUp();
    Done();
    Leave();
  }

  /// Models also write "arguments", or put "type" in front.
  bool Whole() {
    const auto call = ParseOrderedJson(held_, "call");
    if (!call.ok() || !call->is_object()) return false;
    const auto name = call->find("name");
    if (name == call->end() || !name->is_string() || !Offered(name->get<std::string>()))
      return false;
    auto arguments = call->find("parameters");
    if (arguments == call->end()) arguments = call->find("arguments");
    if (arguments != call->end() && !arguments->is_object()) return false;
    name_ = name->get<std::string>();
    Send(arguments == call->end() ? "{}" : arguments->dump());
    return true;
  }

  ObjectEnd end_;
  bool told_ = false;    ///< the answer has begun otherwise
  bool marked_ = false;  ///< <|python_tag|> has come
};

}  // namespace

std::unique_ptr<CallReader> ObjectCalls(const ToolSyntax& syntax) {
  return std::make_unique<Object>(syntax);
}

}  // namespace deepseek::agent
