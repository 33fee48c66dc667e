#include "engine/tokenizer/byte_pairs.h"

#include <algorithm>
#include <map>
#include <random>

#include "engine/tokenizer/added_tokens.h"
#include "gtest/gtest.h"

namespace deepseek::engine {
namespace {

// A random vocabulary over few letters, with the textbook algorithm beside it.
class RandomPairs {
 public:
  explicit RandomPairs(uint32_t seed, bool ignore_merges = false) {
    std::mt19937 random(seed);
    for (const char c : std::string("abcd")) Add(std::string(1, c));
    for (int i = 0; i < 60; ++i) {
      const std::string left = tokens_[random() % tokens_.size()],
                        right = tokens_[random() % tokens_.size()];
      if (left.size() + right.size() > 12 || ranks_.contains({left, right})) continue;
      if (!ids_.contains(left + right)) Add(left + right);
      EXPECT_TRUE(pairs_.AddMerge(left, right).ok());
      ranks_.emplace(std::pair(left, right), static_cast<int>(ranks_.size()));
    }
    pairs_.Finish(ignore_merges, {});
  }

  std::vector<int32_t> Slow(const std::string& piece) const {
    std::vector<std::string> parts;
    for (const char c : piece) {
      if (ids_.contains(std::string(1, c))) parts.emplace_back(1, c);
    }
    while (true) {
      size_t best = parts.size();
      int rank = INT32_MAX;
      for (size_t i = 0; i + 1 < parts.size(); ++i) {
        const auto it = ranks_.find({parts[i], parts[i + 1]});
        if (it != ranks_.end() && it->second < rank) {
          rank = it->second;
          best = i;
        }
      }
      if (best == parts.size()) break;
      parts[best] += parts[best + 1];
      parts.erase(parts.begin() + static_cast<ptrdiff_t>(best) + 1);
    }
    std::vector<int32_t> out;
    for (const std::string& part : parts) out.push_back(ids_.at(part));
    return out;
  }

  std::vector<int32_t> Fast(const std::string& piece) const {
    std::vector<int32_t> out;
    pairs_.Encode(piece, &out);
    return out;
  }
  const std::vector<std::string>& tokens() const { return tokens_; }
  int32_t id(const std::string& token) const { return ids_.at(token); }

 private:
  void Add(const std::string& token) {
    ids_[token] = static_cast<int32_t>(tokens_.size());
    EXPECT_TRUE(pairs_.AddToken(token, ids_[token]).ok());
    tokens_.push_back(token);
  }
  BytePairs pairs_;
  std::vector<std::string> tokens_;
  std::map<std::string, int32_t> ids_;
  std::map<std::pair<std::string, std::string>, int> ranks_;
};

TEST(BytePairs, MergeAsTheTextbookDoes) {
  for (uint32_t seed = 0; seed < 60; ++seed) {
    const RandomPairs pairs(seed);
    std::mt19937 random(seed + 1000);
    for (int round = 0; round < 60; ++round) {
      std::string piece;  // both sides of the border between the two algorithms
      for (auto i = random() % 120; i > 0; --i)
        piece += "abcde"[random() % (round % 3 == 0 ? 2 : 5)];
      ASSERT_EQ(pairs.Fast(piece), pairs.Slow(piece)) << seed << " " << piece;
    }
    for (const std::string& token : pairs.tokens()) ASSERT_EQ(pairs.Fast(token), pairs.Slow(token));
  }
}

TEST(BytePairs, IgnoreMergesTakesWholeTokens) {
  const RandomPairs pairs(5, true);
  for (const std::string& token : pairs.tokens())
    EXPECT_EQ(pairs.Fast(token), std::vector{pairs.id(token)});
}

TEST(BytePairs, AreNotQuadratic) {
  const RandomPairs pairs(2);
  EXPECT_FALSE(pairs.Fast(std::string(1000000, 'a')).empty());
}

TEST(BytePairs, BytesWithoutATokenVanish) {
  const RandomPairs pairs(1);
  EXPECT_EQ(pairs.Fast("z"), std::vector<int32_t>{});
  EXPECT_EQ(pairs.Fast("zaz"), std::vector{pairs.id("a")});
}

TEST(BytePairs, ControlTokensAreNeverWholePieces) {
  BytePairs pairs;
  ASSERT_TRUE(pairs.AddToken("<", 0).ok());
  ASSERT_TRUE(pairs.AddToken(">", 1).ok());
  ASSERT_TRUE(pairs.AddToken("<>", 2).ok());
  pairs.Finish(true, {2});
  std::vector<int32_t> out;
  pairs.Encode("<>", &out);
  EXPECT_EQ(out, (std::vector<int32_t>{0, 1}));
}

TEST(BytePairs, RefuseWhatDoesNotFit) {
  BytePairs pairs;
  EXPECT_FALSE(pairs.AddToken("a", -1).ok());
  EXPECT_FALSE(pairs.AddToken("a", 1 << 22).ok());
  EXPECT_TRUE(pairs.AddToken("a", 0).ok());
  EXPECT_EQ(pairs.AddMerge("a", "a").code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(pairs.AddMerge("a", "b").code(), absl::StatusCode::kDataLoss);
}

TEST(ByteAlphabet, CoversEveryByteOnce) {
  std::string bytes;
  EXPECT_TRUE(FromByteAlphabet("Ġthe", &bytes));
  EXPECT_EQ(bytes, " the");
  EXPECT_TRUE(FromByteAlphabet("Ċä½ł", &bytes));
  EXPECT_EQ(bytes, "\n你");
  EXPECT_TRUE(FromByteAlphabet("Ń", &bytes));
  EXPECT_EQ(bytes, "\xAD");
  for (const char* other : {" ", "\n", "｜", "ń", "\xC2\xAD"})
    EXPECT_FALSE(FromByteAlphabet(other, &bytes)) << other;
}

TEST(AddedTokens, LongestWins) {
  AddedTokenSet set;
  EXPECT_TRUE(set.empty());
  set.Add("<a", 1);
  set.Add("<a><b", 2);
  set.Add("x", 3);
  EXPECT_EQ(set.Longest("<a><b>").id, 2);
  EXPECT_EQ(set.Longest("<a><b>").length, 5u);
  EXPECT_EQ(set.Longest("<a><c").id, 1);
  EXPECT_EQ(set.Longest("<").id, -1);
  EXPECT_EQ(set.Longest("").id, -1);
  EXPECT_EQ(set.Longest("xx").length, 1u);
}

}  // namespace
}  // namespace deepseek::engine
