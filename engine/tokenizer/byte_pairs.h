#pragma once
// Byte-pair encoding over the byte-level alphabet of GPT-2: vocabulary and merges of a
// tokenizer.json, in raw bytes.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"

namespace deepseek::engine {

/// The bytes that a token's spelling stands for: each character of the byte alphabet is one byte.
/// False if a character is outside the alphabet; such a token cannot come out of a merge.
bool FromByteAlphabet(std::string_view spelling, std::string* bytes);

class BytePairs {
 public:
  /// Registers an ordinary token by its raw bytes. Ids are unique and in [0, 2^22).
  absl::Status AddToken(std::string_view bytes, int32_t id);
  /// Merge of two tokens, in the order of priority. All three must be in the vocabulary.
  absl::Status AddMerge(std::string_view left, std::string_view right);
  /// To be called once, after the last merge. ignore_merges: a piece that is itself a token is that
  /// one token. `added` ids are never taken as whole pieces, so that no text can spell a control
  /// token.
  void Finish(bool ignore_merges, const std::vector<int32_t>& added);

  /// Appends the ids of one piece: lowest rank first, leftmost on ties. O(n log n). Bytes without a
  /// token vanish.
  void Encode(std::string_view piece, std::vector<int32_t>* out) const;

  int32_t Find(std::string_view bytes) const;  ///< -1 if it is no token

 private:
  struct Merge {
    int32_t rank, id;
  };
  static constexpr uint64_t Key(int32_t left, int32_t right) {
    return (uint64_t{static_cast<uint32_t>(left)} << 32) | static_cast<uint32_t>(right);
  }
  const Merge* FindMerge(int32_t left, int32_t right) const;
  void MergeShort(std::vector<int32_t>& symbols, size_t first) const;
  void MergeLong(std::vector<int32_t>& symbols, size_t first) const;
  void MergeAll(std::string_view piece, std::vector<int32_t>* out) const;

  absl::flat_hash_map<std::string, int32_t> ids_;
  absl::flat_hash_map<uint64_t, Merge> merges_;
  // Tokens that their own bytes encode to: most words of a text need one look-up and no merging.
  absl::flat_hash_map<std::string, int32_t> whole_;
  size_t longest_whole_ = 0;
  int32_t byte_ids_[256];
};

}  // namespace deepseek::engine
