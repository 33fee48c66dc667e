#pragma once
// The safe part of ECMA-262 regular expressions, as JSON Schema's `pattern` has them: literals,
// classes, groups, alternatives, bounded and unbounded repetition, anchors at the ends. Whatever a
// grammar makes of a pattern also matches under Python's and PCRE's reading of it.

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/grammar/grammar.h"

namespace deepseek::agent::grammar {

/// A parsed expression.
struct Pattern {
  enum Kind { kSet, kSequence, kRepeat } kind = kSequence;
  CodePoints set;
  std::vector<Pattern> parts;                 ///< of a sequence; of a repetition: the one
  int32_t least = 1, most = 1;                ///< of a repetition; most may be kUnbounded
  std::vector<std::vector<Pattern>> choices;  ///< of a sequence: instead of parts

  int32_t min_chars() const;
  int32_t max_chars() const;  ///< kUnbounded: no limit
};

/// One alternative at the top, and whether it has to begin or end where the string does.
struct Branch {
  Pattern body;
  bool at_start = false, at_end = false;
};

/// kInvalidArgument names what is not supported: look-around, back references, \b, \p.
absl::StatusOr<std::vector<Branch>> ParsePattern(std::string_view pattern);

/// Edges from behind a string's opening quote to behind its closing one. kInvalidArgument: too
/// large.
absl::Status AddPattern(Builder* out, int32_t from, const std::vector<Branch>& branches,
                        int32_t to);

/// One character of `set` as it stands in a JSON string.
void AddChar(Builder* out, int32_t from, const CodePoints& set, int32_t to);
/// Sorted, joined; the complement within all code points.
CodePoints Normalize(CodePoints set);
CodePoints Complement(const CodePoints& set);

}  // namespace deepseek::agent::grammar
