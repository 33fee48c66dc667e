// Calls of V3, R1 and V3.1: a control token at every joint.
#include <algorithm>
#include <utility>

#include "agent/openai/call_reader.h"
#include "agent/openai/object_end.h"
#include "agent/openai/stop_matcher.h"
#include "base/json.h"
#include "base/json_full.h"

namespace deepseek::agent {
namespace {

constexpr std::string_view kFenceOpen = "\n```json\n";
constexpr std::string_view kFenceClose = "\n```";

class Marked final : public CallReader {
 public:
  using CallReader::CallReader;

 private:
  enum class State {
    kBetween,  ///< behind calls_begin or a call
    kName,     ///< behind call_begin
    kFence,    ///< style kFenced, behind the separator
    kArguments,
  };

  bool fenced() const { return syntax_.style == grammar::CallStyle::kFenced; }

  void Mark(char mark) override {
    if (!inside_) {
      if (mark != kCallsBegin) return;
      Enter(mark);
      state_ = State::kBetween;
    } else if (state_ == State::kBetween && mark == kCallBegin && IsCallSpace(held_)) {
      held_.clear();
      state_ = State::kName;
    } else if (state_ == State::kBetween && mark == kCallsEnd && IsCallSpace(held_)) {
      Leave();
    } else if (state_ == State::kName && mark == kSeparator) {
      const std::string head = std::exchange(held_, {});
      if (fenced()) {
        state_ = State::kFence;
      } else {
        Open(head);
      }
    } else if (state_ == State::kArguments && Quoted()) {
      held_ += SpellMarks(std::string{kMarkByte, mark});
    } else if (state_ == State::kArguments && mark == kCallEnd) {
      Close();
    } else {
      GiveUp();
    }
  }

  void Text() override {
    if (state_ == State::kFence) {
      const size_t line = held_.find('\n');
      const std::string_view rest = std::string_view(held_).substr(std::min(line, held_.size()));
      if (rest.starts_with(kFenceOpen)) {
        const std::string name = held_.substr(0, line);
        held_.erase(0, line + kFenceOpen.size());
        Open(name);
      } else if (!kFenceOpen.starts_with(rest)) {
        return GiveUp();
      }
    }
    if (inside_ && state_ == State::kArguments && syntax_.constrained) SendArguments();
  }

  void Open(std::string_view name) {
    const size_t first = name.find_first_not_of(kCallSpace);
    if (first == std::string_view::npos) return GiveUp();
    name_ = name.substr(first, name.find_last_not_of(kCallSpace) + 1 - first);
    if (!Offered(name_)) return GiveUp();
    state_ = State::kArguments;
    end_ = {};
  }

  /// Letters that look like a mark, in a text among the arguments.
  bool Quoted() const {
    if (!syntax_.tokens.spelled) return false;
    ObjectEnd end = end_;
    end.Push(held_);
    return !end.done();
  }

  /// Sends what is certain to belong to the arguments: not the end of the fence.
  void SendArguments() {
    size_t sure = held_.size();
    if (fenced()) {
      const size_t fence = held_.find(kFenceClose);
      sure = fence != std::string::npos ? fence : sure - PartialSuffix(held_, kFenceClose);
    }
    Send(held_.substr(0, sure));
    end_.Push(std::string_view(held_).substr(0, sure));
    held_.erase(0, sure);
  }

  void Close() {
    if (fenced()) {
      // The last fence ends the arguments; a model may leave it out.
      const size_t fence = held_.rfind(kFenceClose);
      if (fence != std::string::npos && IsCallSpace(std::string_view(held_).substr(fence + 4)))
        held_.erase(fence);
    }
    if (!syntax_.constrained) {
      if (IsCallSpace(held_)) held_ = "{}";
      const auto arguments = ParseJson(held_, "arguments");
      if (!arguments.ok() || !arguments->is_object()) return GiveUp();
    }
    Send(held_);
    Done();
    state_ = State::kBetween;
  }

  void End() override {
    if (state_ == State::kArguments && syntax_.constrained) {
      // Cut off: what there is of the arguments, as OpenAI does.
      SendArguments();
    } else if (state_ != State::kBetween || calls_ == 0) {
      BreakOff();
    }
  }

  State state_ = State::kBetween;
  ObjectEnd end_;  ///< of the arguments that were sent
};

}  // namespace

std::unique_ptr<CallReader> MarkedCalls(const ToolSyntax& syntax) {
  return std::make_unique<Marked>(syntax);
}

}  // namespace deepseek::agent
