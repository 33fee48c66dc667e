#pragma once
// Calls as DeepSeek-V3.2 and V4 write them: elements whose names begin with the token ｜DSML｜, a
// call an `invoke`, each argument a `parameter`, texts without quotes or escapes.

#include "absl/status/status.h"
#include "agent/grammar/tool_grammar.h"

namespace deepseek::agent::grammar {

/// From behind the token of the block's opening to behind its closing. A text's pattern, format and
/// lengths are not enforced: for strict tools they are errors ("tools[0]...: why").
absl::Status DsmlCalls(Builder* out, const AnswerShape& shape, int32_t from, int32_t to);

/// Whether a schema compiles, in a builder that is thrown away.
absl::Status TryParameters(const OrderedJson& parameters);

}  // namespace deepseek::agent::grammar
