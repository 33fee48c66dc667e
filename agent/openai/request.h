#pragma once
// Requests of the HTTP API, parsed and checked. Pure: what depends on the model (context,
// vocabulary, its name) is checked in generation.h.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "base/json.h"

namespace deepseek::agent {

struct RequestLimits {
  size_t max_body_bytes = size_t{8} << 20;
  int max_choices = 128;             ///< n, and prompts x n
  int64_t most_at_once = INT32_MAX;  ///< answers that run and wait, --max-batch and --max-queue
  int max_stops = 16;
  size_t max_stop_bytes = 1024;
  size_t max_salt_bytes = 256;
  int64_t max_echoed_logprobs = 500'000;  ///< of all prompts of a request with their best tokens
  int max_messages = 8192;
  int max_answers_per_key = 0;  ///< in progress, of one client (client_limits.h); 0: no limit
};

/// What `response_format` asks for.
struct ResponseFormat {
  enum Kind { kText, kJsonObject, kJsonSchema } kind = kText;
  std::shared_ptr<const OrderedJson> schema;  ///< of kJsonSchema
};

/// `tools`, `tool_choice` and `parallel_tool_calls`.
struct ToolRequest {
  struct Function {
    std::string name;
    std::shared_ptr<const OrderedJson> parameters;  ///< where none are given, of an empty object
    bool strict = false;
  };
  enum Mode {
    kNone,      ///< the model is told of no tools, calls are not looked for
    kAuto,      ///< it may call
    kRequired,  ///< it must call
  } mode = kNone;
  std::vector<Function> functions;           ///< those that it may call
  std::shared_ptr<const OrderedJson> tools;  ///< as they came, for the chat template
  bool parallel = true;
};

/// What all generating endpoints share. Values that the request does not give are the model's own
/// defaults.
struct GenerationParams {
  std::string model;                        ///< empty: not given
  std::optional<float> temperature;         ///< [0, 2]
  std::optional<float> top_p;               ///< [0, 1]; 0: the most likely token
  std::optional<int32_t> top_k;             ///< 0: off
  std::optional<float> min_p;               ///< [0, 1)
  std::optional<float> repetition_penalty;  ///< (0, 10]
  float presence_penalty = 0;               ///< [-2, 2]
  float frequency_penalty = 0;              ///< [-2, 2]
  std::optional<uint64_t> seed;
  std::vector<std::pair<int32_t, float>> logit_bias;  ///< [-100, 100]
  std::vector<std::string> stop;
  std::vector<int32_t> stop_token_ids;
  bool ignore_eos = false;
  bool skip_special_tokens = true;    ///< special tokens of the answer are left out of its text
  std::optional<int32_t> max_tokens;  ///< >= 1; 0 where the prompt is echoed: nothing behind it
  int32_t n = 1;
  bool stream = false;
  bool include_usage = false;     ///< stream_options.include_usage
  bool include_reasoning = true;  ///< of chats: false leaves it out of the answer
  int32_t top_logprobs = -1;      ///< -1: no log-probs; else [0, 20]
  int32_t priority = 0;           ///< lower is served first, as vLLM's
  std::string cache_salt;         ///< prompts share cached blocks only under the same one
  ResponseFormat response_format;
};

struct ChatRequest {
  GenerationParams params;
  ToolRequest tools;
  /// What the chat template gets: messages with plain string contents, chat_template_kwargs,
  /// add_generation_prompt, tools, continue_final_message.
  std::shared_ptr<const OrderedJson> variables;
  bool continues = false;  ///< the answer goes on with the last message (ContinuingField)
};

/// The field that asks for the last message to be gone on with: its "prefix" or
/// continue_final_message.
std::string ContinuingField(const OrderedJson& messages);

/// Text, or token ids that are taken as they are.
using Prompt = std::variant<std::string, std::vector<int32_t>>;

struct CompletionRequest {
  GenerationParams params;
  std::vector<Prompt> prompts;
  bool add_special_tokens =
      true;  ///< put the beginning-of-sequence token in front if the model wants one
  bool parse_special = true;  ///< added tokens in the text count as such
  bool echo = false;          ///< the prompt stands in front of the answer
};

struct TokenizeRequest {
  std::string model;
  std::string text;
  std::shared_ptr<const OrderedJson>
      variables;                             ///< instead of text: messages for the chat template
  std::shared_ptr<const OrderedJson> tools;  ///< with messages; null: none
  bool add_special_tokens = true;
  bool parse_special = true;
};

struct DetokenizeRequest {
  std::string model;
  std::vector<int32_t> tokens;
  std::string field;  ///< "tokens" or "ids": the name they came under
};

/// All errors are 400 in OpenAI's shape (error.h) and name the field. Unknown fields are tolerated;
/// known ones that are not served are refused by name.
absl::StatusOr<ChatRequest> ParseChatRequest(std::string_view body, const RequestLimits& limits);
/// POST /v1/completions. max_tokens defaults to 16, as OpenAI's.
absl::StatusOr<CompletionRequest> ParseCompletionRequest(std::string_view body,
                                                         const RequestLimits& limits);
/// POST /generate ("prompt") and /predict ("text"): one prompt, one answer. max_tokens defaults to
/// 256.
absl::StatusOr<CompletionRequest> ParseGenerateRequest(std::string_view body,
                                                       std::string_view prompt_field,
                                                       const RequestLimits& limits);
absl::StatusOr<TokenizeRequest> ParseTokenizeRequest(std::string_view body,
                                                     const RequestLimits& limits);
absl::StatusOr<DetokenizeRequest> ParseDetokenizeRequest(std::string_view body,
                                                         const RequestLimits& limits);

}  // namespace deepseek::agent
