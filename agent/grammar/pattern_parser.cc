// ParsePattern.
#include <algorithm>
#include <cctype>
#include <optional>
#include <string>

#include "agent/grammar/pattern.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent::grammar {
namespace {

constexpr int kMostNested = 32;
constexpr int32_t kMostRepeats = 1000;
constexpr uint32_t kLastPoint = 0x10FFFF;

const CodePoints kDigit = {{'0', '9'}};
const CodePoints kWord = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
const CodePoints kSpace = {{'\t', '\r'}, {' ', ' '}};
// Their complements in ASCII alone: beyond it engines disagree on what a letter is.
const CodePoints kNotDigit = {{' ', '/'}, {':', '~'}};
const CodePoints kNotWord = {{' ', '/'}, {':', '@'}, {'[', '^'}, {'`', '`'}, {'{', '~'}};
const CodePoints kNotSpace = {{'!', '~'}};

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  absl::StatusOr<std::vector<Branch>> Run() {
    std::vector<Branch> branches;
    do {
      Branch& branch = branches.emplace_back();
      branch.at_start = Take('^');
      ASSIGN_OR_RETURN(branch.body.parts, Sequence(0));
      branch.at_end = Take('$');
    } while (Take('|'));
    if (!Done()) return Bad(Peek() == ')' ? "')' without '('" : StrCat("'", Rest(), "'"));
    return branches;
  }

 private:
  bool Done() const { return at_ >= text_.size(); }
  char Peek() const { return text_[at_]; }
  std::string_view Rest() const { return text_.substr(at_, 8); }
  bool Take(char c) {
    if (Done() || Peek() != c) return false;
    ++at_;
    return true;
  }
  bool TakeWord(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  static absl::Status Bad(std::string_view what) {
    return absl::InvalidArgumentError(StrCat("is not supported: ", what));
  }

  /// Up to '|', ')', '$' or the end.
  absl::StatusOr<std::vector<Pattern>> Sequence(int nested) {
    if (nested > kMostNested) return Bad("groups this deep inside each other");
    std::vector<Pattern> parts;
    while (!Done() && Peek() != '|' && Peek() != ')' && Peek() != '$') {
      ASSIGN_OR_RETURN(Pattern atom, Atom(nested));
      ASSIGN_OR_RETURN(Pattern repeated, Repeat(std::move(atom)));
      parts.push_back(std::move(repeated));
    }
    return parts;
  }

  absl::StatusOr<Pattern> Atom(int nested) {
    if (Take('^')) return Bad("'^' inside the pattern");
    if (Take('(')) return Group(nested);
    if (Take('[')) return Class();
    if (Peek() == '*' || Peek() == '+' || Peek() == '?') return Bad("nothing to repeat");
    Pattern out;
    out.kind = Pattern::kSet;
    if (Take('.')) {
      // Not a line end, whatever an engine takes for one.
      out.set = Complement({{'\n', '\r'}, {0x85, 0x85}, {0x2028, 0x2029}});
    } else if (Take('\\')) {
      ASSIGN_OR_RETURN(out.set, Escape(false));
    } else {
      ASSIGN_OR_RETURN(const uint32_t point, Point());
      out.set = {{point, point}};
    }
    return out;
  }

  absl::StatusOr<Pattern> Group(int nested) {
    if (TakeWord("?:")) {
    } else if (text_.substr(at_).starts_with("?<") && at_ + 2 < text_.size() &&
               text_[at_ + 2] != '=' && text_[at_ + 2] != '!') {
      const size_t close = text_.find('>', at_);
      if (close == std::string_view::npos) return Bad("a group's name without '>'");
      at_ = close + 1;
    } else if (!Done() && Peek() == '?') {
      return Bad(StrCat("'(", Rest().substr(0, 3), "' (look-around and flags)"));
    }
    Pattern out;
    do {
      ASSIGN_OR_RETURN(auto parts, Sequence(nested + 1));
      if (!Done() && Peek() == '$') return Bad("'$' inside the pattern");
      out.choices.push_back(std::move(parts));
    } while (Take('|'));
    if (!Take(')')) return Bad("'(' without ')'");
    return out;
  }

  std::optional<int32_t> Number() {
    std::optional<int32_t> number;
    while (!Done() && Peek() >= '0' && Peek() <= '9') {
      number = std::min(number.value_or(0) * 10 + (Peek() - '0'), kMostRepeats + 1);
      ++at_;
    }
    return number;
  }

  absl::StatusOr<Pattern> Repeat(Pattern atom) {
    Pattern out;
    out.kind = Pattern::kRepeat;
    if (Take('*')) {
      out.least = 0;
      out.most = kUnbounded;
    } else if (Take('+')) {
      out.most = kUnbounded;
    } else if (Take('?')) {
      out.least = 0;
    } else if (!Done() && Peek() == '{') {
      const size_t begin = at_++;
      const auto least = Number();
      auto most = least;
      if (Take(',')) most = Number();
      const bool open = at_ > begin && text_[at_ - 1] == ',';
      if (!least || !Take('}')) return Bad("'{' that is no repetition (write \\{)");
      out.least = *least;
      out.most = open ? kUnbounded : most.value_or(*least);
      if (out.least > kMostRepeats || (!open && out.most > kMostRepeats))
        return Bad(StrCat("more than ", kMostRepeats, " repetitions"));
      if (out.most < out.least) return Bad("a repetition whose bounds are the wrong way round");
    } else {
      return atom;
    }
    Take('?');  // whether it is greedy makes no difference to what matches
    if (!Done() && (Peek() == '+' || Peek() == '*' || Peek() == '{'))
      return Bad("a repetition of a repetition");
    out.parts.push_back(std::move(atom));
    return out;
  }

  absl::StatusOr<CodePoints> Escape(bool in_class) {
    if (Done()) return Bad("'\\' at the end");
    const char c = text_[at_++];
    switch (c) {
      case 'd':
        return kDigit;
      case 'D':
        return kNotDigit;
      case 'w':
        return kWord;
      case 'W':
        return kNotWord;
      case 's':
        return kSpace;
      case 'S':
        return kNotSpace;
      case 'n':
        return CodePoints{{'\n', '\n'}};
      case 'r':
        return CodePoints{{'\r', '\r'}};
      case 't':
        return CodePoints{{'\t', '\t'}};
      case 'f':
        return CodePoints{{'\f', '\f'}};
      case 'v':
        return CodePoints{{'\v', '\v'}};
      case 'x':
        return Hex(2);
      case 'u':
        return Hex(4);
      default:
        break;
    }
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c < ' ')
      return Bad(StrCat("'\\", std::string(1, c), "'", in_class ? " in a class" : ""));
    if (static_cast<unsigned char>(c) >= 0x80) return Bad("'\\' before a character beyond ASCII");
    return CodePoints{{static_cast<uint32_t>(c), static_cast<uint32_t>(c)}};
  }

  absl::StatusOr<CodePoints> Hex(int digits) {
    uint32_t point = 0;
    for (int i = 0; i < digits; ++i) {
      const char c = Done() ? '\0' : text_[at_];
      if (std::isxdigit(static_cast<unsigned char>(c)) == 0)
        return Bad("'\\u' or '\\x' without its digits");
      point = point * 16 + static_cast<uint32_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
      ++at_;
    }
    if (point >= 0xD800 && point <= 0xDFFF) return Bad("half of a surrogate pair");
    return CodePoints{{point, point}};
  }

  /// One character of the pattern itself. JSON strings are valid UTF-8 when they come here.
  absl::StatusOr<uint32_t> Point() {
    const auto lead = static_cast<unsigned char>(text_[at_]);
    const int bytes = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (at_ + static_cast<size_t>(bytes) > text_.size()) return Bad("invalid UTF-8");
    uint32_t point = bytes == 1 ? lead : lead & (0x7FU >> bytes);
    for (int i = 1; i < bytes; ++i)
      point = (point << 6) | (static_cast<unsigned char>(text_[at_ + i]) & 0x3FU);
    at_ += static_cast<size_t>(bytes);
    if (point > kLastPoint) return Bad("invalid UTF-8");
    return point;
  }

  absl::StatusOr<Pattern> Class() {
    Pattern out;
    out.kind = Pattern::kSet;
    const bool negated = Take('^');
    CodePoints set;
    while (!Take(']')) {
      if (Done()) return Bad("'[' without ']'");
      ASSIGN_OR_RETURN(const CodePoints low, ClassItem());
      const bool single = low.size() == 1 && low[0].first == low[0].second;
      if (single && at_ + 1 < text_.size() && Peek() == '-' && text_[at_ + 1] != ']') {
        ++at_;
        ASSIGN_OR_RETURN(const CodePoints high, ClassItem());
        if (high.size() != 1 || high[0].first != high[0].second || high[0].first < low[0].first)
          return Bad("a range in a class that is no range");
        set.push_back({low[0].first, high[0].first});
      } else {
        set.insert(set.end(), low.begin(), low.end());
      }
    }
    out.set = Normalize(std::move(set));
    if (negated) out.set = Complement(out.set);
    return out;
  }

  absl::StatusOr<CodePoints> ClassItem() {
    if (Done()) return Bad("'[' without ']'");
    if (Take('\\')) return Escape(true);
    if (text_.substr(at_).starts_with("[:")) return Bad("'[:' (POSIX classes)");
    ASSIGN_OR_RETURN(const uint32_t point, Point());
    return CodePoints{{point, point}};
  }

  const std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<Branch>> ParsePattern(std::string_view pattern) {
  return Parser(pattern).Run();
}

}  // namespace deepseek::agent::grammar
