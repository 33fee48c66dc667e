#include "agent/openai/reasoning_splitter.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace deepseek::agent {
namespace {

using Parts = std::pair<std::string, std::string>;

Parts Split(std::string_view text, bool thinking, size_t step) {
  ReasoningSplitter splitter(thinking);
  Parts out;
  const auto add = [&](const AnswerPiece& piece) {
    out.first += piece.reasoning;
    out.second += piece.content;
  };
  for (size_t at = 0; at < text.size(); at += step) add(splitter.Push(text.substr(at, step)));
  add(splitter.Flush());
  return out;
}

struct Case {
  const char* text;
  bool thinking;
  Parts want;
};

TEST(ReasoningSplitter, SplitsAlikeHoweverTheTextIsCut) {
  const std::vector<Case> cases = {
      {"plain answer", false, {"", "plain answer"}},
      {"", false, {"", ""}},
      {"  plain", false, {"", "  plain"}},
      {"why\n</think>\n\nso", true, {"why", "so"}},
      {"\nwhy not\nthen\n</think>\nso it is\n", true, {"why not\nthen", "so it is\n"}},
      {"<think>\nwhy\n</think>so", false, {"why", "so"}},
      {" \n<think>why</think>so", false, {"why", "so"}},
      {"<thin ice", false, {"", "<thin ice"}},
      {"</think>so", true, {"", "so"}},
      {"\n</think>\n\nso", true, {"", "so"}},
      {"cut off", true, {"cut off", ""}},
      {"a </thin b", true, {"a </thin b", ""}},
      {"a</think>b</think>c", true, {"a", "b</think>c"}},
      {"a</think>b<think>c", true, {"a", "b<think>c"}},
      {"say <think> aloud", false, {"", "say <think> aloud"}},
      {"why</think>\n", true, {"why", ""}},
  };
  for (const Case& c : cases) {
    for (const size_t step : {1U, 2U, 3U, 7U, 100U}) {
      EXPECT_EQ(Split(c.text, c.thinking, step), c.want)
          << "'" << c.text << "' in steps of " << step;
    }
  }
}

TEST(ReasoningSplitter, StreamsWithoutDelay) {
  ReasoningSplitter splitter(true);
  EXPECT_EQ(splitter.Push("one").reasoning, "one");
  EXPECT_EQ(splitter.Push(" two").reasoning, " two");
  EXPECT_EQ(splitter.Push("</think>").reasoning, "");
  EXPECT_EQ(splitter.Push("three").content, "three");
}

TEST(EndsThinking, LooksAtTheVeryEnd) {
  EXPECT_TRUE(EndsThinking("<Assistant><think>\n"));
  EXPECT_TRUE(EndsThinking("<think>"));
  EXPECT_FALSE(EndsThinking("<think></think>"));
  EXPECT_FALSE(EndsThinking(""));
  EXPECT_FALSE(EndsThinking("\n"));
}

}  // namespace
}  // namespace deepseek::agent
