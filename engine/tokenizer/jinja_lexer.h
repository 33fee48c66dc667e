#pragma once
// Splits a template into text, tags and the tokens inside of tags, in the environment that chat
// templates are written for: trim_blocks and lstrip_blocks on, one trailing newline dropped.

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace deepseek::engine::jinja {

enum class TokenKind {
  kData,
  kVariableBegin,
  kVariableEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd
};

struct Token {
  TokenKind kind;
  std::string text;  ///< a string literal's value, everything else as written
  int line;
};

/// kInvalidArgument, naming the line, if a tag or string is not closed or a character does not
/// belong.
absl::StatusOr<std::vector<Token>> Tokenize(std::string_view source);

}  // namespace deepseek::engine::jinja
