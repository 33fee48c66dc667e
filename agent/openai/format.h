#pragma once
// How answers look on the wire: one Format for each generating endpoint. Pure.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/openai/reasoning_splitter.h"
#include "agent/openai/tool_parser.h"
#include "engine/engine.h"
#include "engine/tokenizer/tokenizer.h"

namespace deepseek::agent {

struct AnswerMeta {
  std::string id;  ///< "chatcmpl-...", "cmpl-..."
  std::string model;
  std::string
      fingerprint;  ///< changes when the same seed may give other tokens: version, model, compute
  int64_t created = 0;         ///< Unix seconds
  bool usage_follows = false;  ///< of a stream whose last chunk has it: the others have null
};

/// A token and where its text begins.
struct TokenLog {
  engine::TokenEvent token;
  size_t text_offset = 0;  ///< bytes of the answer
  size_t char_offset = 0;  ///< characters of all the text that the client gets
  bool first = false;      ///< of the prompt: it has no log-prob
};

struct ChoiceText {
  int32_t index = 0;
  AnswerPiece piece;
  std::vector<ToolDelta> calls;
  std::vector<TokenLog> logs;
  bool with_logs = false;          ///< log-probs were asked for
  std::string_view finish_reason;  ///< empty: not finished

  bool empty() const { return piece.empty() && calls.empty(); }
  /// Takes over what `more` adds to it.
  void Append(ChoiceText more);
};

/// Sums over the choices of one request; prompts count once.
struct AnswerUsage {
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;
  int64_t completion_tokens = 0;
};

class Format {
 public:
  virtual ~Format() = default;
  /// Stream: what goes out before any token of a choice; may be empty.
  virtual std::string Opening(const AnswerMeta& meta, int32_t index) const = 0;
  /// Stream: one more piece of a choice, or its end.
  virtual std::string Chunk(const AnswerMeta& meta, const ChoiceText& choice) const = 0;
  /// Stream: the last chunk, if usage was asked for.
  virtual std::string UsageChunk(const AnswerMeta& meta, const AnswerUsage& usage) const = 0;
  /// The whole answer at once.
  virtual std::string Whole(const AnswerMeta& meta, const std::vector<ChoiceText>& choices,
                            const AnswerUsage& usage) const = 0;
  virtual bool splits_reasoning() const { return false; }
};

/// `tokenizer` turns logged ids into text and must outlive the format.
std::unique_ptr<Format> ChatFormat(const engine::Tokenizer& tokenizer);
std::unique_ptr<Format> CompletionFormat(const engine::Tokenizer& tokenizer);
/// /generate and /predict: {"text", "finish_reason", "usage"}; streamed: {"text": piece}.
std::unique_ptr<Format> GenerateFormat();

}  // namespace deepseek::agent
