#pragma once
// A model's tokens as a grammar needs them: a tree of their bytes, and, worked out once, which of
// them may stand inside a JSON string.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/grammar/string_body.h"
#include "engine/tokenizer/tokenizer.h"

namespace deepseek::agent::grammar {

using TokenMask = std::vector<uint64_t>;  ///< bit i % 64 of word i / 64

inline void Allow(uint64_t* mask, int32_t id) {
  mask[id / 64] |= uint64_t{1} << (id % 64);
}

/// Byte strings with a number each, as a tree in preorder: a walk is one pass over an array that
/// jumps over what does not fit.
class ByteTree {
 public:
  struct Node {
    uint8_t byte = 0;
    uint16_t depth = 0;  ///< length of the string that ends here
    int32_t after = 0;   ///< the next node that is not below this one
    int32_t first = 0;   ///< its numbers are [first, first of the next node)
  };
  struct Entry {
    std::string_view bytes;  ///< at most 65535
    int32_t number = 0;
  };
  ByteTree() = default;
  explicit ByteTree(std::vector<Entry> entries);

  const std::vector<Node>& nodes() const { return nodes_; }  ///< the last is a guard
  int32_t number(int32_t i) const { return numbers_[static_cast<size_t>(i)]; }
  /// Numbers of empty strings.
  int32_t empties() const { return nodes_.empty() ? 0 : nodes_.front().first; }
  int max_depth() const { return max_depth_; }

 private:
  std::vector<Node> nodes_;
  std::vector<int32_t> numbers_;
  int max_depth_ = 0;
};

/// What tokens do to a string that is in some state.
struct StringCut {
  static constexpr int32_t kFewChars = 16;
  /// [n]: tokens that stay inside and begin at most n characters; the last one: any number.
  std::array<TokenMask, kFewChars + 2> inside;
  struct Long {
    int32_t id, chars;
  };
  std::vector<Long> longer;  ///< of those inside: the ones with more than kFewChars characters
  struct Closing {
    int32_t id, chars;  ///< characters begun before the closing quote
  };
  std::vector<Closing> closing;  ///< tokens with the quote in them
  ByteTree rests;                ///< what follows the quote; numbers are indices of `closing`
};

/// Immutable, hence thread-safe.
class Vocabulary {
 public:
  /// `size`: how many ids the model has. Added tokens have no text here.
  Vocabulary(const engine::Tokenizer& tokenizer, int32_t size);

  int32_t size() const { return size_; }
  size_t words() const { return (static_cast<size_t>(size_) + 63) / 64; }
  const ByteTree& tree() const { return tree_; }
  const StringCut& cut(StringState state) const { return cuts_[static_cast<size_t>(state)]; }
  /// Empty: it has no text (an added token, or an id without a token).
  std::string_view bytes(int32_t id) const { return bytes_[static_cast<size_t>(id)]; }

 private:
  StringCut Cut(StringState state) const;

  int32_t size_;
  std::vector<std::string> bytes_;
  ByteTree tree_;
  std::array<StringCut, kStringStates> cuts_;
};

}  // namespace deepseek::agent::grammar
