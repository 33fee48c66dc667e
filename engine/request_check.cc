#include "engine/request_check.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/status.h"
#include "base/strings.h"

namespace deepseek::engine {
namespace {

constexpr int32_t kMaxTopLogprobs = 20;
constexpr size_t kMaxLogitBias = 1024;
constexpr size_t kMaxStopIds = 1024;

template <typename T>
absl::Status Bad(std::string_view name, const T& value, std::string_view expected) {
  return absl::InvalidArgumentError(StrCat(name, ": ", value, ": must be ", expected));
}

// Also refuses NaN, which compares false with everything.
absl::Status InRange(std::string_view name, float value, float low, float high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return Bad(name, value, StrCat("between ", low, " and ", high));
}

absl::Status CheckSampling(const SamplingParams& p, int32_t vocab) {
  RETURN_IF_ERROR(InRange("temperature", p.temperature, 0, 100));
  RETURN_IF_ERROR(InRange("top_p", p.top_p, 0, 1));
  if (p.top_k < 0) return Bad("top_k", p.top_k, "0 (off) or more");
  if (!(p.min_p >= 0 && p.min_p < 1)) return Bad("min_p", p.min_p, "at least 0 and below 1");
  RETURN_IF_ERROR(InRange("presence_penalty", p.presence_penalty, -2, 2));
  RETURN_IF_ERROR(InRange("frequency_penalty", p.frequency_penalty, -2, 2));
  if (!(p.repetition_penalty > 0 && std::isfinite(p.repetition_penalty))) {
    return Bad("repetition_penalty", p.repetition_penalty, "above 0");
  }
  if (p.logit_bias.size() > kMaxLogitBias) {
    return Bad("logit_bias", p.logit_bias.size(), StrCat("at most ", kMaxLogitBias, " entries"));
  }
  for (const auto& [id, bias] : p.logit_bias) {
    if (id < 0 || id >= vocab)
      return Bad("logit_bias", id, StrCat("a token id from 0 to ", vocab - 1));
    RETURN_IF_ERROR(InRange("logit_bias", bias, -100, 100));
  }
  return absl::OkStatus();
}

absl::Status CheckTokens(std::string_view name, const std::vector<int32_t>& tokens, int32_t vocab) {
  if (tokens.empty())
    return absl::InvalidArgumentError(StrCat(name, ": empty: must hold at least one token"));
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] < 0 || tokens[i] >= vocab) {
      return Bad(StrCat(name, "[", i, "]"), tokens[i], StrCat("a token id from 0 to ", vocab - 1));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckRequest(const Request& request, const RequestLimits& limits) {
  RETURN_IF_ERROR(CheckTokens("prompt", request.prompt, limits.vocab));
  if (request.max_tokens < 0)
    return Bad("max_tokens", request.max_tokens, "0 (up to the context limit) or more");
  const auto prompt = static_cast<int64_t>(request.prompt.size());
  if (request.prompt_only && request.max_tokens > 0)
    return Bad("max_tokens", request.max_tokens, "0 beside prompt_only");
  const int64_t least = prompt + (request.prompt_only ? 0 : std::max(request.max_tokens, 1));
  if (least > limits.max_context) {
    return absl::InvalidArgumentError(StrCat("prompt: ", prompt, " tokens and max_tokens ",
                                             request.max_tokens, " are ", least,
                                             ": more than the context of ", limits.max_context,
                                             " tokens (shorten the prompt or lower max_tokens)"));
  }
  // The last token of an answer is never computed, so it needs no place in the cache.
  const int64_t most = prompt + AnswerLimit(request, limits) - 1;
  if (most > limits.cache_tokens) {
    return absl::InvalidArgumentError(
        StrCat("prompt: ", prompt, " tokens and an answer of ", AnswerLimit(request, limits),
               " need ", most, " places: the KV cache has ", limits.cache_tokens,
               " (lower max_tokens, or start with more --kv-memory)"));
  }
  RETURN_IF_ERROR(CheckSampling(request.sampling, limits.vocab));
  if (request.stop_ids.size() > kMaxStopIds) {
    return Bad("stop_ids", request.stop_ids.size(), StrCat("at most ", kMaxStopIds, " ids"));
  }
  for (const auto& [name, n] : {std::pair{"top_logprobs", request.top_logprobs},
                                {"prompt_logprobs", request.prompt_logprobs}}) {
    if (n < -1 || n > kMaxTopLogprobs)
      return Bad(name, n, StrCat("between -1 (off) and ", kMaxTopLogprobs));
  }
  if (request.constraint != nullptr && request.constraint->vocab() != limits.vocab) {
    return Bad("constraint", request.constraint->vocab(),
               StrCat("made for a vocabulary of ", limits.vocab, " tokens"));
  }
  return absl::OkStatus();
}

int32_t AnswerLimit(const Request& request, const RequestLimits& limits) {
  if (request.prompt_only) return 1;
  return request.max_tokens > 0 ? request.max_tokens
                                : limits.max_context - static_cast<int32_t>(request.prompt.size());
}

absl::Status CheckEvaluate(const EvaluateRequest& request, const RequestLimits& limits) {
  RETURN_IF_ERROR(CheckTokens("tokens", request.tokens, limits.vocab));
  const auto count = static_cast<int64_t>(request.tokens.size());
  if (count > limits.max_context || count > limits.cache_tokens) {
    return absl::InvalidArgumentError(StrCat("tokens: ", count, ": more than the context of ",
                                             limits.max_context, " tokens or the KV cache of ",
                                             limits.cache_tokens));
  }
  if (request.chunk < 0) return Bad("chunk", request.chunk, "0 (as many rows as fit) or more");
  for (const int32_t p : request.positions) {
    if (p < 0 || p >= count) return Bad("positions", p, StrCat("from 0 to ", count - 1));
  }
  return absl::OkStatus();
}

}  // namespace deepseek::engine
