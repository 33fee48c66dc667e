#include <cstdio>

#include "base/status.h"
#include "base/strings.h"
#include "engine/tokenizer/pattern.h"
#include "engine/tokenizer/unicode16.h"

namespace deepseek::engine {
namespace {

// The property White_Space. PCRE2's own \s also has U+180E.
constexpr char kSpace[] =
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{"
    "205f}\\x{3000}";

// Inside of a class: the property itself first (a table look-up, so the usual case stays fast),
// then what is new.
std::string Category(std::string_view name) {
  std::string set = StrCat("\\p{", name, "}");
  for (const CategoryRange& range : NewInUnicode16()) {
    if (std::string_view(range.category).substr(0, name.size()) != name) continue;
    char text[32];
    std::snprintf(text, sizeof(text), "\\x{%x}-\\x{%x}", range.first, range.last);
    set += text;
  }
  return set;
}

class Translator {
 public:
  explicit Translator(std::string_view in) : in_(in) {}

  absl::StatusOr<std::string> Run() {
    // As it stands this is quadratic in a long run of white space before something else. A match
    // takes the last line end within its run of white space, so only the run's first character can
    // begin one.
    if (in_ == "\\s+$")
      out_ =
          "(?<![\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}"
          "\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}])";
    while (at_ < in_.size()) RETURN_IF_ERROR(Step());
    if (in_class_) return Unsupported("an unclosed [");
    return out_;
  }

 private:
  absl::Status Unsupported(std::string_view what) const {
    return absl::UnimplementedError(
        StrCat("pre-tokenizer pattern: byte ", at_, ": ", what, " is not supported"));
  }

  absl::Status Step() {
    const char c = in_[at_];
    if (c == '\\') return Escape();
    if (in_class_) {
      if (c == '[') return Unsupported("a class inside a class");
      if (in_.substr(at_, 2) == "&&") return Unsupported("an intersection of classes");
      if (c == ']') in_class_ = false;
    } else if (c == '[') {
      in_class_ = true;
      if (in_.substr(at_ + 1, 1) == "^") {
        out_ += "[^";
        at_ += 2;
        return absl::OkStatus();
      }
    } else if (in_.substr(at_, 2) == "(?") {
      return Group();
    } else if (in_.substr(at_, 2) == "{,") {
      return Unsupported("{,n}");
    }
    out_ += c;
    ++at_;
    return absl::OkStatus();
  }

  // Groups that mean the same in both syntaxes. (?m), for example, does not.
  absl::Status Group() {
    for (const std::string_view group : {"(?:", "(?i:", "(?=", "(?!", "(?<=", "(?<!", "(?>"}) {
      if (in_.substr(at_, group.size()) != group) continue;
      out_ += group;
      at_ += group.size();
      return absl::OkStatus();
    }
    return Unsupported(StrCat("the group ", in_.substr(at_, 4)));
  }

  absl::Status Set(std::string_view set, bool negated) {
    if (!in_class_) {
      StrAppend(&out_, negated ? "[^" : "[", set, "]");
    } else if (!negated) {
      StrAppend(&out_, set);
    } else {
      return Unsupported("a negated property inside a class");
    }
    return absl::OkStatus();
  }

  absl::Status Escape() {
    if (at_ + 1 == in_.size()) return Unsupported("a backslash at the end");
    const char c = in_[at_ + 1];
    if (c == 'p' || c == 'P') return Property(c == 'P');
    const size_t start = at_;
    at_ += 2;
    switch (c) {
      case 's':
      case 'S':
        return Set(kSpace, c == 'S');
      case 'd':
      case 'D':
        return Set(Category("Nd"), c == 'D');
      case 'w':
      case 'W':
        return Set(Category("L") + Category("M") + Category("Nd") + Category("Pc"), c == 'W');
      case 'v':
        out_ += "\\x{b}";
        return absl::OkStatus();
      case 'x':
      case 'b':
      case 'B':
      case 'A':
      case 'z':
      case 'Z':
      case 'r':
      case 'n':
      case 't':
      case 'f':
        out_ += in_.substr(start, 2);
        return absl::OkStatus();
      case 'u': {
        const std::string_view hex = in_.substr(at_, 4);
        if (hex.size() != 4) return Unsupported("\\u without four digits");
        StrAppend(&out_, "\\x{", hex, "}");
        at_ += 4;
        return absl::OkStatus();
      }
      default: {
        const auto byte = static_cast<unsigned char>(c);
        const bool letter_or_digit = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                                     (byte >= 'a' && byte <= 'z');
        if (letter_or_digit) {
          at_ = start;
          return Unsupported(StrCat("\\", std::string(1, c)));
        }
        if (byte < 0x80) out_ += '\\';
        out_ += c;
        return absl::OkStatus();
      }
    }
  }

  absl::Status Property(bool negated) {
    const size_t close = in_.find('}', at_);
    if (in_.substr(at_ + 2, 1) != "{" || close == std::string_view::npos)
      return Unsupported("\\p without {name}");
    std::string_view name = in_.substr(at_ + 3, close - at_ - 3);
    if (!name.empty() && name[0] == '^') {
      negated = !negated;
      name.remove_prefix(1);
    }
    if (name.empty() || name.find_first_of("{\\") != std::string_view::npos)
      return Unsupported("\\p with an odd name");
    at_ = close + 1;
    return Set(Category(name), negated);
  }

  std::string_view in_;
  size_t at_ = 0;
  bool in_class_ = false;
  std::string out_;
};

}  // namespace

absl::StatusOr<std::string> TranslatePattern(std::string_view oniguruma) {
  return Translator(oniguruma).Run();
}

}  // namespace deepseek::engine
