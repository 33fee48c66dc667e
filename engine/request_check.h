#pragma once
// Whether a request can run at all: every parameter is checked when it is submitted, so that the
// step loop meets none that is wrong.

#include <cstdint>

#include "absl/status/status.h"
#include "engine/engine.h"

namespace deepseek::engine {

/// What a request may ask for.
struct RequestLimits {
  int32_t vocab = 0;
  int32_t max_context = 0;   ///< tokens of prompt and answer together
  int64_t cache_tokens = 0;  ///< tokens that the whole KV cache holds
};

/// kInvalidArgument names the parameter, its value and what is permitted.
absl::Status CheckRequest(const Request& request, const RequestLimits& limits);

/// New tokens that a checked request may get: max_tokens, or what the context leaves when that is
/// 0. A prompt_only request counts as one with a single token, which needs no place in the cache.
int32_t AnswerLimit(const Request& request, const RequestLimits& limits);

/// As CheckRequest, for tools.
absl::Status CheckEvaluate(const EvaluateRequest& request, const RequestLimits& limits);

}  // namespace deepseek::engine
