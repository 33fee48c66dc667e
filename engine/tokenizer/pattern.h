#pragma once
// A pre-tokenizer's regular expression: Oniguruma syntax with Unicode 16 properties, run by PCRE2
// (JIT where it can).

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace deepseek::engine {

/// A piece of a text, in bytes.
struct Piece {
  size_t begin = 0, end = 0;
};

/// The same expression for PCRE2 (options UTF, UCP, MULTILINE): \s, \d, \w and \p{..} get the
/// ranges that Unicode 16 has and PCRE2's own tables may lack. kUnimplemented names what the two
/// syntaxes do not share.
absl::StatusOr<std::string> TranslatePattern(std::string_view oniguruma);

/// Immutable; Split may be called from several threads.
class Pattern {
 public:
  static absl::StatusOr<Pattern> Compile(std::string_view oniguruma);
  /// Matches of exactly this text.
  static absl::StatusOr<Pattern> Literal(std::string_view text);
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;
  ~Pattern();

  /// Cuts each piece of `text` at the borders of its matches ("Isolated"): the matches and what
  /// lies between them become pieces. A piece is a text of its own: lookahead and anchors do not
  /// see its neighbours. `text` is valid UTF-8.
  void Split(std::string_view text, const std::vector<Piece>& pieces,
             std::vector<Piece>* out) const;

 private:
  struct Code;
  explicit Pattern(std::unique_ptr<Code> code);
  static absl::StatusOr<Pattern> CompileTranslated(const std::string& pcre, std::string_view shown);
  std::unique_ptr<Code> code_;
};

}  // namespace deepseek::engine
