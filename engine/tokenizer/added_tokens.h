#pragma once
// Finds added tokens ("<｜User｜>") in text: leftmost, longest.

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace deepseek::engine {

/// A trie over bytes. Immutable after the last Add.
class AddedTokenSet {
 public:
  AddedTokenSet() : nodes_(1) {}
  void Add(std::string_view content, int32_t id);
  bool empty() const { return nodes_.size() == 1; }

  struct Match {
    int32_t id = -1;  ///< -1: no token begins here
    size_t length = 0;
  };
  /// Longest token at the start of `text`.
  Match Longest(std::string_view text) const;

 private:
  struct Node {
    std::vector<std::pair<uint8_t, int32_t>> next;  // sorted by byte
    int32_t id = -1;
  };
  int32_t Child(int32_t node, uint8_t byte) const;
  std::vector<Node> nodes_;
  bool first_[256] = {};  // bytes that a token begins with
};

}  // namespace deepseek::engine
