#include "engine/tokenizer/added_tokens.h"

#include <algorithm>

namespace deepseek::engine {
namespace {

bool ByByte(const std::pair<uint8_t, int32_t>& edge, uint8_t byte) {
  return edge.first < byte;
}

}  // namespace

int32_t AddedTokenSet::Child(int32_t node, uint8_t byte) const {
  const auto& next = nodes_[static_cast<size_t>(node)].next;
  const auto it = std::lower_bound(next.begin(), next.end(), byte, ByByte);
  return it != next.end() && it->first == byte ? it->second : -1;
}

void AddedTokenSet::Add(std::string_view content, int32_t id) {
  if (content.empty()) return;
  first_[static_cast<uint8_t>(content[0])] = true;
  int32_t node = 0;
  for (const char c : content) {
    const auto byte = static_cast<uint8_t>(c);
    int32_t child = Child(node, byte);
    if (child < 0) {
      child = static_cast<int32_t>(nodes_.size());
      auto& next = nodes_[static_cast<size_t>(node)].next;
      next.insert(std::lower_bound(next.begin(), next.end(), byte, ByByte), {byte, child});
      nodes_.emplace_back();
    }
    node = child;
  }
  nodes_[static_cast<size_t>(node)].id = id;
}

AddedTokenSet::Match AddedTokenSet::Longest(std::string_view text) const {
  Match best;
  if (text.empty() || !first_[static_cast<uint8_t>(text[0])]) return best;
  int32_t node = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    node = Child(node, static_cast<uint8_t>(text[i]));
    if (node < 0) break;
    if (const int32_t id = nodes_[static_cast<size_t>(node)].id; id >= 0) best = {id, i + 1};
  }
  return best;
}

}  // namespace deepseek::engine
