#include "engine/tokenizer/jinja_lexer.h"

#include <algorithm>
#include <cctype>

#include "base/status.h"
#include "base/strings.h"
#include "engine/tokenizer/utf8.h"

namespace deepseek::engine::jinja {
namespace {

bool IsSpace(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}
bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
bool IsNameStart(char c) {
  return c == '_' || std::isalpha(static_cast<unsigned char>(c)) != 0;
}
bool IsNamePart(char c) {
  return IsNameStart(c) || IsDigit(c);
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) {
    // Line ends become \n, as Jinja does.
    for (size_t i = 0; i < source.size(); ++i) {
      if (source[i] == '\r') {
        source_ += '\n';
        if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
      } else {
        source_ += source[i];
      }
    }
    if (!source_.empty() && source_.back() == '\n') source_.pop_back();
  }

  absl::StatusOr<std::vector<Token>> Run() {
    while (at_ < source_.size()) RETURN_IF_ERROR(Data());
    Add(TokenKind::kEnd, "end of template");
    return std::move(tokens_);
  }

 private:
  std::string_view Rest() const { return std::string_view(source_).substr(at_); }
  bool At(std::string_view text) const { return Rest().substr(0, text.size()) == text; }
  void Advance(size_t bytes) {
    line_ +=
        static_cast<int>(std::count(source_.begin() + static_cast<ptrdiff_t>(at_),
                                    source_.begin() + static_cast<ptrdiff_t>(at_ + bytes), '\n'));
    at_ += bytes;
  }
  void Add(TokenKind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }
  absl::Status Error(std::string_view why) const {
    return absl::InvalidArgumentError(StrCat("chat template: line ", line_, ": ", why));
  }

  // The next tag; npos if there is none.
  size_t NextTag() const {
    size_t at = at_;
    while ((at = source_.find('{', at)) != std::string::npos) {
      const char next = at + 1 < source_.size() ? source_[at + 1] : '\0';
      if (next == '{' || next == '%' || next == '#') return at;
      ++at;
    }
    return std::string::npos;
  }

  // Text up to the next tag, trimmed as the tag's sign and lstrip_blocks ask, then the tag.
  absl::Status Data() {
    const size_t tag = NextTag();
    if (tag == std::string::npos) {
      AddData(Rest());
      Advance(source_.size() - at_);
      return absl::OkStatus();
    }
    const char kind = source_[tag + 1];
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    std::string_view text = Rest().substr(0, tag - at_);
    if (sign == '-') {
      while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
    } else if (sign != '+' && kind != '{') {
      const size_t newline = text.rfind('\n');
      const size_t start = newline == std::string_view::npos ? 0 : newline + 1;
      const bool at_line_start = start > 0 || at_ == 0 || source_[at_ - 1] == '\n';
      const std::string_view line = text.substr(start);
      if (at_line_start && std::all_of(line.begin(), line.end(), IsSpace))
        text = text.substr(0, start);
    }
    AddData(text);
    Advance(tag - at_);
    Advance(sign == '-' || (sign == '+' && kind != '{') ? 3 : 2);
    if (kind == '#') return Comment();
    if (kind == '%' && StartsRaw()) return Raw();
    Add(kind == '{' ? TokenKind::kVariableBegin : TokenKind::kBlockBegin,
        kind == '{' ? "{{" : "{%");
    return Tag(kind == '{');
  }

  void AddData(std::string_view text) {
    if (!text.empty()) Add(TokenKind::kData, std::string(text));
  }

  void SkipSpace() {
    size_t n = 0;
    while (at_ + n < source_.size() && IsSpace(source_[at_ + n])) ++n;
    Advance(n);
  }

  // Consumes "-%}" and the white space after it, or "%}" and one newline (blocks and comments
  // only).
  bool TagEnd(std::string_view end) {
    if (At(StrCat("-", end))) {
      Advance(1 + end.size());
      SkipSpace();
      return true;
    }
    if (end != "}}" && At(StrCat("+", end))) {
      Advance(1 + end.size());
      return true;
    }
    if (!At(end)) return false;
    Advance(end.size());
    if (end != "}}" && At("\n")) Advance(1);
    return true;
  }

  absl::Status Comment() {
    while (at_ < source_.size()) {
      if (TagEnd("#}")) return absl::OkStatus();
      Advance(1);
    }
    return Error("a comment {# is not closed");
  }

  bool StartsRaw() const {
    std::string_view rest = Rest();
    while (!rest.empty() && IsSpace(rest.front())) rest.remove_prefix(1);
    if (rest.substr(0, 3) != "raw") return false;
    rest.remove_prefix(3);
    while (!rest.empty() && IsSpace(rest.front())) rest.remove_prefix(1);
    return rest.substr(0, 2) == "%}" || rest.substr(0, 3) == "-%}";
  }

  absl::Status Raw() {
    while (!TagEnd("%}")) Advance(1);
    const size_t begin = at_;
    for (size_t at = begin; (at = source_.find("{%", at)) != std::string::npos; ++at) {
      size_t name = at + 2;
      const bool trim = name < source_.size() && source_[name] == '-';
      if (trim) ++name;
      while (name < source_.size() && IsSpace(source_[name])) ++name;
      if (source_.compare(name, 6, "endraw") != 0) continue;
      std::string_view text = std::string_view(source_).substr(begin, at - begin);
      while (trim && !text.empty() && IsSpace(text.back())) text.remove_suffix(1);
      AddData(text);
      Advance(name + 6 - at_);
      SkipSpace();
      return TagEnd("%}") ? absl::OkStatus() : Error("endraw is not closed");
    }
    return Error("a raw block is not closed");
  }

  absl::Status Tag(bool variable) {
    const std::string_view end = variable ? "}}" : "%}";
    std::vector<char> open;  // a "}}" inside of brackets closes dicts, not the tag
    while (true) {
      SkipSpace();
      if (at_ >= source_.size()) return Error(StrCat("a tag is not closed: ", end, " is missing"));
      if (open.empty()) {
        const int line = line_;
        if (TagEnd(end)) {
          tokens_.push_back(
              {variable ? TokenKind::kVariableEnd : TokenKind::kBlockEnd, std::string(end), line});
          return absl::OkStatus();
        }
      }
      const char c = source_[at_];
      if (c == '(' || c == '[' || c == '{') open.push_back(c);
      if (c == ')' || c == ']' || c == '}') {
        if (open.empty()) return Error(StrCat("unexpected ", std::string(1, c)));
        open.pop_back();
      }
      RETURN_IF_ERROR(Inside(c));
    }
  }

  absl::Status Inside(char c) {
    if (IsNameStart(c)) {
      size_t n = 1;
      while (at_ + n < source_.size() && IsNamePart(source_[at_ + n])) ++n;
      Add(TokenKind::kName, std::string(Rest().substr(0, n)));
      Advance(n);
      return absl::OkStatus();
    }
    if (IsDigit(c)) return Number();
    if (c == '"' || c == '\'') return String(c);
    for (const std::string_view op : {"==", "!=", "<=", ">=", "//", "**"}) {
      if (At(op)) return Operator(op.size());
    }
    if (std::string_view("+-*/%~<>=()[]{}.,:|").find(c) != std::string_view::npos)
      return Operator(1);
    return Error(StrCat("unexpected character '", Rest().substr(0, FirstChar(Rest()).length), "'"));
  }

  absl::Status Operator(size_t size) {
    Add(TokenKind::kOperator, std::string(Rest().substr(0, size)));
    Advance(size);
    return absl::OkStatus();
  }

  absl::Status Number() {
    const std::string_view rest = Rest();
    size_t n = 0;
    const auto digits = [&] {
      while (n < rest.size() && (IsDigit(rest[n]) || rest[n] == '_')) ++n;
    };
    digits();
    bool is_float = false;
    if (n + 1 < rest.size() && rest[n] == '.' && IsDigit(rest[n + 1])) {
      is_float = true;
      ++n;
      digits();
    }
    if (n < rest.size() && (rest[n] == 'e' || rest[n] == 'E')) {
      const size_t sign = n + 1 < rest.size() && (rest[n + 1] == '+' || rest[n + 1] == '-') ? 2 : 1;
      if (n + sign < rest.size() && IsDigit(rest[n + sign])) {
        is_float = true;
        n += sign;
        digits();
      }
    }
    std::string text(rest.substr(0, n));
    text.erase(std::remove(text.begin(), text.end(), '_'), text.end());
    Add(is_float ? TokenKind::kFloat : TokenKind::kInteger, std::move(text));
    Advance(n);
    return absl::OkStatus();
  }

  // Python's escapes; an unknown one keeps its backslash.
  absl::Status String(char quote) {
    std::string value;
    size_t i = at_ + 1;
    for (; i < source_.size() && source_[i] != quote; ++i) {
      if (source_[i] != '\\' || i + 1 >= source_.size()) {
        value += source_[i];
        continue;
      }
      const char c = source_[++i];
      static constexpr std::string_view kFrom = "ntrbfva\\'\"", kTo = "\n\t\r\b\f\v\a\\'\"";
      if (const size_t known = kFrom.find(c); known != std::string_view::npos) {
        value += kTo[known];
      } else if (c == '\n') {
        continue;
      } else if (c >= '0' && c <= '7') {
        uint32_t code = 0;
        size_t n = 0;
        for (; n < 3 && i + n < source_.size() && source_[i + n] >= '0' && source_[i + n] <= '7';
             ++n)
          code = code * 8 + static_cast<uint32_t>(source_[i + n] - '0');
        AppendUtf8(code, &value);
        i += n - 1;
      } else if (c == 'x' || c == 'u' || c == 'U') {
        const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
        uint32_t code = 0;
        for (size_t n = 1; n <= digits; ++n) {
          if (i + n >= source_.size() || !std::isxdigit(static_cast<unsigned char>(source_[i + n])))
            return Error("an escape in a string lacks digits");
          code = code * 16 +
                 static_cast<uint32_t>(std::stoi(std::string(1, source_[i + n]), nullptr, 16));
        }
        if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
          return Error("an escape in a string is no character");
        AppendUtf8(code, &value);
        i += digits;
      } else if (c == 'N') {
        return absl::UnimplementedError(
            StrCat("chat template: line ", line_, ": \\N{..} is not supported"));
      } else {
        value += '\\';
        value += c;
      }
    }
    if (i >= source_.size()) return Error("a string is not closed");
    Add(TokenKind::kString, std::move(value));
    Advance(i + 1 - at_);
    return absl::OkStatus();
  }

  std::string source_;
  size_t at_ = 0;
  int line_ = 1;
  std::vector<Token> tokens_;
};

}  // namespace

absl::StatusOr<std::vector<Token>> Tokenize(std::string_view source) {
  return Lexer(source).Run();
}

}  // namespace deepseek::engine::jinja
