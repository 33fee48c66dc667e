// Calls of V3.2 and V4: elements whose names begin with the token ｜DSML｜. Arguments become JSON
// on the way: texts get their quotes, the names of parameters become those of members.
#include <utility>

#include "agent/openai/call_reader.h"
#include "base/json_full.h"
#include "base/strings.h"

namespace deepseek::agent {
namespace {

std::string Quoted(std::string_view text) {
  return OrderedJson(std::string(text)).dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

/// The inside of a JSON string, byte by byte: pieces may end within a character.
std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) {
      out += c;
    } else {
      const std::string quoted = Quoted({&c, 1});
      out += std::string_view(quoted).substr(1, quoted.size() - 2);
    }
  }
  return out;
}

/// What stands between `before` and `after`, if `text` is of that form.
bool Between(std::string_view text, std::string_view before, std::string_view after,
             std::string_view* out) {
  if (text.size() < before.size() + after.size() || !text.starts_with(before) ||
      !text.ends_with(after)) {
    return false;
  }
  *out = text.substr(before.size(), text.size() - before.size() - after.size());
  return true;
}

class Dsml final : public CallReader {
 public:
  using CallReader::CallReader;

 private:
  enum class In { kBlock, kCall, kText, kJson };

  size_t Lead() const override {
    const bool open = held_.ends_with('<');
    const std::string_view before =
        std::string_view(held_).substr(0, held_.size() - (open ? 1 : 0));
    const size_t last = before.find_last_not_of(kCallSpace);
    return held_.size() - (last == std::string_view::npos ? 0 : last + 1);
  }

  void Mark(char mark) override {
    if (mark != kDsml) return inside_ ? GiveUp() : void();
    if (!inside_) {
      Enter(mark);
      in_ = In::kBlock;
      begun_ = closing_ = false;
      tag_ = true;
      return;
    }
    if (tag_) return GiveUp();
    const bool value = in_ == In::kText || in_ == In::kJson;
    closing_ = held_.ends_with("</");
    if (value && !closing_) return GiveUp();
    if (!value && !IsCallSpace(held_.substr(0, held_.rfind('<')))) return GiveUp();
    if (!closing_ && !held_.ends_with('<')) return GiveUp();
    if (value) {
      held_.resize(held_.size() - 2);
      Value(held_);
    }
    held_.clear();
    tag_ = true;
  }

  void Text() override {
    while (inside_ && tag_) {
      const size_t end = held_.find('>');
      if (end == std::string::npos) return;
      const std::string tag = held_.substr(0, end);
      held_.erase(0, end + 1);
      tag_ = false;
      if (!(closing_ ? CloseTag(tag) : OpenTag(tag))) return GiveUp();
    }
    if (!inside_ || (in_ != In::kText && in_ != In::kJson)) return;
    // The end may be the beginning of a closing tag.
    size_t sure = held_.size();
    if (held_.ends_with("</")) {
      sure -= 2;
    } else if (held_.ends_with('<')) {
      sure -= 1;
    }
    Value(std::string_view(held_).substr(0, sure));
    held_.erase(0, sure);
  }

  bool OpenTag(std::string_view tag) {
    std::string_view name;
    if (in_ == In::kBlock && !begun_) {
      begun_ = true;
      return tag == syntax_.block;
    }
    if (in_ == In::kBlock && Between(tag, "invoke name=\"", "\"", &name) && Offered(name)) {
      name_ = name;
      arguments_.clear();
      in_ = In::kCall;
      if (syntax_.constrained) Send("");
      return true;
    }
    if (in_ != In::kCall) return false;
    const bool text = Between(tag, "parameter name=\"", "\" string=\"true\"", &name);
    if (!text && !Between(tag, "parameter name=\"", "\" string=\"false\"", &name)) return false;
    Argument(StrCat(arguments_.empty() ? "{" : ", ", Quoted(name), text ? ": \"" : ": "));
    in_ = text ? In::kText : In::kJson;
    return true;
  }

  bool CloseTag(std::string_view tag) {
    if ((in_ == In::kText || in_ == In::kJson) && tag == "parameter") {
      if (in_ == In::kText) Argument("\"");
      in_ = In::kCall;
      return true;
    }
    if (in_ == In::kCall && tag == "invoke") {
      Argument(arguments_.empty() ? "{}" : "}");
      if (!syntax_.constrained) {
        const auto arguments = ParseOrderedJson(arguments_, "arguments");
        if (!arguments.ok() || !arguments->is_object()) return false;
        Send(arguments_);
      }
      const std::string rest = held_;
      Done();
      held_ = raw_ = rest;
      in_ = In::kBlock;
      return true;
    }
    if (in_ != In::kBlock || !begun_ || tag != syntax_.block) return false;
    const std::string rest = held_;
    Leave();
    held_ = rest;
    return true;
  }

  void Value(std::string_view piece) {
    if (!piece.empty()) Argument(in_ == In::kText ? Escaped(piece) : std::string(piece));
  }

  void Argument(std::string_view piece) {
    arguments_ += piece;
    if (syntax_.constrained) Send(piece);
  }

  void End() override {
    if (in_ == In::kBlock && calls_ > 0) return;
    // Cut off: what there is of the arguments, as OpenAI does.
    if (!open_) BreakOff();
  }

  In in_ = In::kBlock;
  bool tag_ = false;       // behind the token, up to '>'
  bool closing_ = false;   // the tag in hand, or the last one, is a closing one
  bool begun_ = false;     // the block's opening tag is over
  std::string arguments_;  // of the call in hand, so far
};

}  // namespace

std::unique_ptr<CallReader> DsmlCalls(const ToolSyntax& syntax) {
  return std::make_unique<Dsml>(syntax);
}

}  // namespace deepseek::agent
