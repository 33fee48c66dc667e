#pragma once
// The tokenizer itself: added tokens, normalisation, pre-tokenisation, byte pairs, and the way
// back.

#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "engine/tokenizer/added_tokens.h"
#include "engine/tokenizer/byte_pairs.h"
#include "engine/tokenizer/normalize.h"
#include "engine/tokenizer/pattern.h"
#include "engine/tokenizer/tokenizer.h"

namespace deepseek::engine {

struct AddedToken {
  std::string content;
  int32_t id = 0;
  bool special = false;
  bool normalized = false;
};

/// What a tokenizer.json says, checked. `tokens` are the raw bytes of every token by id; added
/// tokens stand there as their own UTF-8, also those few of DeepSeek LLM 7B ("ø") that the Python
/// library decodes to a single broken byte.
struct TokenizerParts {
  BytePairs pairs;
  std::vector<Pattern> steps;
  std::vector<AddedToken> added;
  std::vector<std::string> tokens;
  std::vector<int32_t> prefix;
  bool nfc = false;
};

class ByteLevelTokenizer final : public Tokenizer {
 public:
  explicit ByteLevelTokenizer(TokenizerParts parts);

  std::vector<int32_t> Encode(std::string_view text, AddedTokens added) const override;
  std::vector<int32_t> EncodeSpans(absl::Span<const TextSpan> spans) const override;
  std::string Decode(absl::Span<const int32_t> ids, bool skip_special) const override;
  std::string_view TokenBytes(int32_t id) const override;
  bool IsSpecial(int32_t id) const override;
  bool IsAdded(int32_t id) const override;
  int32_t TokenId(std::string_view content) const override;
  absl::Span<const int32_t> PrefixIds() const override { return parts_.prefix; }
  int64_t LeastTokens(size_t bytes) const override;
  int32_t size() const override { return static_cast<int32_t>(parts_.tokens.size()); }

 private:
  // One pass over `text`: finds the tokens of `set` in the regions that may hold them, hands the
  // text between them to `rest` with its own regions. keep_special: a special token that is found
  // counts as text.
  template <typename Rest>
  void CutAdded(const AddedTokenSet& set, bool keep_special, std::string_view text,
                const std::vector<Region>& regions, std::vector<int32_t>* out, Rest rest) const;
  std::vector<int32_t> EncodeRegions(std::string_view text, const std::vector<Region>& regions,
                                     bool keep_special) const;
  void EncodePlain(std::string_view text, std::vector<int32_t>* out) const;

  TokenizerParts parts_;
  AddedTokenSet raw_, normalized_;  // tokens with normalized: false, true
  std::vector<bool> special_;       // by id
  std::vector<bool> is_added_;      // by id
  absl::flat_hash_map<std::string, int32_t> added_ids_;
  size_t longest_ = 0;  // bytes of text that one token can stand for; 0: without a limit
};

}  // namespace deepseek::engine
