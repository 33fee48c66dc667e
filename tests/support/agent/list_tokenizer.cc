#include "tests/support/agent/list_tokenizer.h"

#include <algorithm>
#include <random>
#include <set>

namespace deepseek::testing {
namespace {

class Tokens final : public engine::Tokenizer {
 public:
  Tokens(std::vector<std::string> words, std::vector<std::string> added) {
    for (int i = 0; i < 256; ++i) tokens_.emplace_back(1, static_cast<char>(i));
    tokens_.insert(tokens_.end(), words.begin(), words.end());
    first_added_ = static_cast<int32_t>(tokens_.size());
    tokens_.insert(tokens_.end(), added.begin(), added.end());
  }
  std::vector<int32_t> Encode(std::string_view text, engine::AddedTokens) const override {
    std::vector<int32_t> ids;
    while (!text.empty()) {
      int32_t best = static_cast<unsigned char>(text[0]);
      for (int32_t id = 256; id < size(); ++id) {
        const std::string& token = tokens_[static_cast<size_t>(id)];
        if (text.starts_with(token) && token.size() > tokens_[static_cast<size_t>(best)].size())
          best = id;
      }
      ids.push_back(best);
      text.remove_prefix(tokens_[static_cast<size_t>(best)].size());
    }
    return ids;
  }
  std::vector<int32_t> EncodeSpans(absl::Span<const engine::TextSpan> spans) const override {
    std::vector<int32_t> ids;
    for (const engine::TextSpan& span : spans) {
      for (const int32_t id : Encode(span.text, engine::AddedTokens::kAll)) ids.push_back(id);
    }
    return ids;
  }
  std::string Decode(absl::Span<const int32_t> ids, bool) const override {
    std::string text;
    for (const int32_t id : ids) text += TokenBytes(id);
    return text;
  }
  std::string_view TokenBytes(int32_t id) const override {
    return id < 0 || id >= size() ? std::string_view() : tokens_[static_cast<size_t>(id)];
  }
  bool IsSpecial(int32_t) const override { return false; }
  bool IsAdded(int32_t id) const override { return id >= first_added_ && id < size(); }
  int32_t TokenId(std::string_view content) const override {
    const auto it = std::find(tokens_.begin(), tokens_.end(), content);
    return it == tokens_.end() ? -1 : static_cast<int32_t>(it - tokens_.begin());
  }
  absl::Span<const int32_t> PrefixIds() const override { return {}; }
  int32_t size() const override { return static_cast<int32_t>(tokens_.size()); }

 private:
  std::vector<std::string> tokens_;
  int32_t first_added_ = 0;
};

}  // namespace

std::unique_ptr<engine::Tokenizer> ListTokenizer(std::vector<std::string> words,
                                                 std::vector<std::string> added) {
  return std::make_unique<Tokens>(std::move(words), std::move(added));
}

std::vector<std::string> WordsLikeBpe(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto pick = [&](const auto& list) { return list[random() % std::size(list)]; };
  constexpr const char* kPunctuation[] = {
      "\"", "\":", "\",",    "\", \"", "\"}", "\"]", "{\"",  "[{\"", "[\"", "],", "},",
      "}]", "}}",  "\": \"", "\\\"",   "\\n", "\\",  "\\u",  " \"",  ": ",  ", ", ",",
      ":",  "://", "-",      ".",      ".\"", "\n",  "\n\n", "  ",   "();", "[]", "{}"};
  constexpr const char* kSyllables[] = {"an", "be", "co", "de",  "er", "fi", "ing", "ka",   "lo",
                                        "me", "no", "or", "pre", "qu", "ra", "st",  "tion", "un",
                                        "ve", "wi", "xi", "yo",  "za", "A",  "The", "In"};
  constexpr const char* kOther[] = {"你",   "好",       "天气", "é",        "ü",  "я", "ни",
                                    "🙂", "\xE4\xBD", "\xA0", "\xF0\x9F", "の", "ا"};
  std::set<std::string> words;
  while (words.size() + 256 < size) {
    std::string word;
    switch (random() % 8) {
      case 0:
        word = std::string(pick(kPunctuation)) + (random() % 2 ? pick(kPunctuation) : "");
        break;
      case 1:
        word = std::to_string(random() % 1000);
        break;
      case 2:
        for (size_t n = 1 + random() % 3; n > 0; --n) word += pick(kOther);
        break;
      case 3:
        word = pick(kPunctuation);
        for (size_t n = 1 + random() % 2; n > 0; --n) word += pick(kSyllables);
        break;
      default:
        word = random() % 2 ? " " : "";
        for (size_t n = 1 + random() % 5; n > 0; --n) word += pick(kSyllables);
    }
    if (word.size() > 1) words.insert(std::move(word));
  }
  return {words.begin(), words.end()};
}

}  // namespace deepseek::testing
