#pragma once
// Byte-level BPE from a Hugging Face tokenizer.json.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace deepseek::engine {

/// A piece of text to encode. Added tokens ("<｜User｜>") are recognised only where parse_added is
/// true: template text, never user input. BPE runs across span borders.
struct TextSpan {
  std::string_view text;
  bool parse_added = true;
};

/// Which added tokens are recognised in a plain string.
enum class AddedTokens { kAll, kNonSpecial, kNone };

/// Immutable and thread-safe after loading.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  virtual std::vector<int32_t> Encode(std::string_view text,
                                      AddedTokens added = AddedTokens::kAll) const = 0;
  virtual std::vector<int32_t> EncodeSpans(absl::Span<const TextSpan> spans) const = 0;
  /// Joins the bytes of all tokens, then repairs UTF-8 (U+FFFD per maximal invalid prefix). Unknown
  /// ids decode to nothing.
  virtual std::string Decode(absl::Span<const int32_t> ids, bool skip_special = false) const = 0;
  /// Raw bytes of one token (may be a part of a UTF-8 character); empty for unknown ids.
  virtual std::string_view TokenBytes(int32_t id) const = 0;
  virtual bool IsSpecial(int32_t id) const = 0;
  /// An added token, special or not: one that text alone never becomes.
  virtual bool IsAdded(int32_t id) const = 0;
  /// Id of an added or ordinary token by its content; -1 if there is none.
  virtual int32_t TokenId(std::string_view content) const = 0;
  /// Ids that the file's own post-processor puts before a plain prompt (Llama 3: BOS); empty for
  /// DeepSeek's files, whose BOS is asked for by `add_bos_token` in tokenizer_config.json. No
  /// Encode function adds them.
  virtual absl::Span<const int32_t> PrefixIds() const = 0;
  /// `bytes` of text become at least so many tokens, whatever it says; 0: nothing is known.
  virtual int64_t LeastTokens(size_t /*bytes*/) const { return 0; }
  /// Highest id + 1. May be smaller than the model's vocab (padding rows).
  virtual int32_t size() const = 0;
};

/// `json`: contents of tokenizer.json. kUnimplemented names a feature that we do not serve;
/// kDataLoss: malformed. `added_tokens_decoder`: that object of tokenizer_config.json, "" if it has
/// none: its tokens are added where tokenizer.json does not list them, as transformers does.
absl::StatusOr<std::unique_ptr<Tokenizer>> ParseTokenizer(
    std::string_view json, std::string_view added_tokens_decoder = {});

/// Streaming decoder: emits text as soon as a character is complete or certain to be invalid. Never
/// splits UTF-8.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = false);
  /// Text that may be sent after this token; may be empty.
  std::string Push(int32_t id);
  /// What is left at the end (an incomplete tail becomes U+FFFD).
  std::string Flush();

 private:
  const Tokenizer& tokenizer_;
  bool skip_special_;
  std::string held_;
};

}  // namespace deepseek::engine
