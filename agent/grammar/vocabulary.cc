#include "agent/grammar/vocabulary.h"

#include <algorithm>

namespace deepseek::agent::grammar {

ByteTree::ByteTree(std::vector<Entry> entries) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.bytes != b.bytes ? a.bytes < b.bytes : a.number < b.number;
  });
  std::vector<int32_t> path;  // node by depth - 1 of the string in hand
  std::string_view last;
  const auto close = [&](size_t depth) {
    while (path.size() > depth) {
      nodes_[static_cast<size_t>(path.back())].after = static_cast<int32_t>(nodes_.size());
      path.pop_back();
    }
  };
  for (const Entry& entry : entries) {
    const size_t longest = std::min(last.size(), entry.bytes.size());
    const auto common = static_cast<size_t>(
        std::mismatch(last.begin(), last.begin() + static_cast<ptrdiff_t>(longest),
                      entry.bytes.begin())
            .first -
        last.begin());
    close(common);
    for (size_t i = common; i < entry.bytes.size(); ++i) {
      path.push_back(static_cast<int32_t>(nodes_.size()));
      nodes_.push_back({static_cast<uint8_t>(entry.bytes[i]), static_cast<uint16_t>(i + 1), 0,
                        static_cast<int32_t>(numbers_.size())});
    }
    max_depth_ = std::max(max_depth_, static_cast<int>(entry.bytes.size()));
    numbers_.push_back(entry.number);
    last = entry.bytes;
  }
  close(0);
  nodes_.push_back(
      {0, 0, static_cast<int32_t>(nodes_.size()) + 1, static_cast<int32_t>(numbers_.size())});
}

Vocabulary::Vocabulary(const engine::Tokenizer& tokenizer, int32_t size)
    : size_(size), bytes_(static_cast<size_t>(size)) {
  std::vector<ByteTree::Entry> entries;
  for (int32_t id = 0; id < std::min(size, tokenizer.size()); ++id) {
    if (tokenizer.IsAdded(id) || tokenizer.IsSpecial(id)) continue;
    std::string& bytes = bytes_[static_cast<size_t>(id)];
    bytes = tokenizer.TokenBytes(id);
    if (!bytes.empty() && bytes.size() <= UINT16_MAX) entries.push_back({bytes, id});
  }
  tree_ = ByteTree(std::move(entries));
  for (int s = 0; s < kStringStates; ++s)
    cuts_[static_cast<size_t>(s)] = Cut(static_cast<StringState>(s));
}

StringCut Vocabulary::Cut(StringState begin) const {
  StringCut cut;
  for (TokenMask& mask : cut.inside) mask.resize(words());
  std::vector<ByteTree::Entry> rests;
  for (int32_t id = 0; id < size_; ++id) {
    const std::string_view text = bytes(id);
    if (text.empty()) continue;
    StringState state = begin;
    int32_t chars = 0;
    StringMove move{StringMove::kInside, begin, false};
    size_t i = 0;
    for (; i < text.size() && move.kind == StringMove::kInside; ++i) {
      move = StringStep(state, static_cast<uint8_t>(text[i]));
      state = move.next;
      chars += move.begins_char ? 1 : 0;
    }
    if (move.kind == StringMove::kInside) {
      for (int32_t n = std::min(chars, StringCut::kFewChars + 1); n <= StringCut::kFewChars + 1;
           ++n)
        Allow(cut.inside[static_cast<size_t>(n)].data(), id);
      if (chars > StringCut::kFewChars) cut.longer.push_back({id, chars});
    } else if (move.kind == StringMove::kClosed) {
      rests.push_back({text.substr(i), static_cast<int32_t>(cut.closing.size())});
      cut.closing.push_back({id, chars});
    }
  }
  cut.rests = ByteTree(std::move(rests));
  return cut;
}

}  // namespace deepseek::agent::grammar
