#include "agent/openai/stop_matcher.h"

#include <gtest/gtest.h>

#include <random>

namespace deepseek::agent {
namespace {

std::string Matched(const std::vector<std::string>& pieces, std::vector<std::string> stops,
                    bool* stopped = nullptr) {
  StopMatcher matcher(std::move(stops));
  std::string out;
  for (const std::string& piece : pieces) out += matcher.Push(piece);
  if (stopped) *stopped = matcher.stopped();
  return out + matcher.Flush();
}

TEST(StopMatcher, CutsBeforeTheStopString) {
  bool stopped = false;
  EXPECT_EQ(Matched({"hello STOP world"}, {"STOP"}, &stopped), "hello ");
  EXPECT_TRUE(stopped);
  EXPECT_EQ(Matched({"hello world"}, {"STOP"}, &stopped), "hello world");
  EXPECT_FALSE(stopped);
}

TEST(StopMatcher, FindsItAcrossPieces) {
  EXPECT_EQ(Matched({"a\n", "\n", "b"}, {"\n\n"}), "a");
  EXPECT_EQ(Matched({"S", "T", "O", "P"}, {"STOP"}), "");
  EXPECT_EQ(Matched({"aaab"}, {"aab"}), "a");
  EXPECT_EQ(Matched({"a", "a", "a", "b"}, {"aab"}), "a");
}

TEST(StopMatcher, HoldsBackOnlyWhatMayBecomeOne) {
  StopMatcher matcher({"STOP"});
  EXPECT_EQ(matcher.Push("abcST"), "abc");
  EXPECT_EQ(matcher.Push("x"), "STx");
  EXPECT_EQ(matcher.Push("S"), "");
  EXPECT_EQ(matcher.Flush(), "S");
}

TEST(StopMatcher, TheFirstOfSeveralWinsAndTheLongerOfTwoAtOnePlace) {
  StopMatcher matcher({"world", "wor", "lo"});
  EXPECT_EQ(matcher.Push("hello world"), "hel");
  EXPECT_EQ(matcher.found(), "lo");
  StopMatcher longer({"wor", "world"});
  EXPECT_EQ(longer.Push("a world"), "a ");
  EXPECT_EQ(longer.found(), "world");
}

TEST(StopMatcher, NothingComesAfterTheEnd) {
  StopMatcher matcher({"X"});
  EXPECT_EQ(matcher.Push("aXb"), "a");
  EXPECT_EQ(matcher.Push("c"), "");
  EXPECT_EQ(matcher.Flush(), "");
}

TEST(StopMatcher, EmptyStopsStopNothing) {
  EXPECT_EQ(Matched({"abc"}, {"", ""}), "abc");
}

TEST(StopMatcher, WorksOnBytesOfAnyScript) {
  EXPECT_EQ(Matched({"你好", "。再", "见"}, {"。"}), "你好");
}

// Few letters make overlaps and near misses frequent.
TEST(StopMatcher, NeverEmitsAStopStringHoweverTheTextIsCut) {
  std::mt19937 random(5);
  const auto word = [&](size_t max) {
    std::string s;
    for (size_t n = random() % max + 1; n > 0; --n) s += static_cast<char>('a' + random() % 2);
    return s;
  };
  for (int round = 0; round < 20000; ++round) {
    const std::string text = word(30);
    const std::string stop = word(5);
    std::vector<std::string> pieces;
    for (size_t at = 0; at < text.size();) {
      const size_t n = std::min<size_t>(random() % 4, text.size() - at);
      pieces.push_back(text.substr(at, n));
      at += n;
    }
    const size_t cut = text.find(stop);
    bool stopped = false;
    EXPECT_EQ(Matched(pieces, {stop}, &stopped), text.substr(0, cut)) << text << " / " << stop;
    EXPECT_EQ(stopped, cut != std::string::npos);
  }
}

TEST(PartialSuffix, IsTheLongestBeginningAtTheEnd) {
  EXPECT_EQ(PartialSuffix("abcab", "abd"), 2U);
  EXPECT_EQ(PartialSuffix("aaa", "aaaa"), 3U);
  EXPECT_EQ(PartialSuffix("abd", "abd"), 0U);
  EXPECT_EQ(PartialSuffix("", "abd"), 0U);
  EXPECT_EQ(PartialSuffix("abc", ""), 0U);
}

}  // namespace
}  // namespace deepseek::agent
