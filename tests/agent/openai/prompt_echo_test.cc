#include "agent/openai/prompt_echo.h"

#include <gtest/gtest.h>

#include "tests/support/agent/list_tokenizer.h"

namespace deepseek::agent {
namespace {

std::vector<engine::TokenEvent> Events(const std::vector<int32_t>& ids, size_t from) {
  std::vector<engine::TokenEvent> events;
  for (size_t i = from; i < ids.size(); ++i) events.push_back({ids[i], -1, {}});
  return events;
}

std::vector<size_t> Offsets(const ChoiceText& text) {
  std::vector<size_t> out;
  for (const TokenLog& log : text.logs) out.push_back(log.char_offset);
  return out;
}

TEST(PromptEcho, PiecesAreWholeCharacters) {
  const auto tokenizer = testing::ListTokenizer({"ab"});
  const std::string text = "ab\u4f60x";  // 你 is three tokens
  const auto ids = tokenizer->Encode(text, engine::AddedTokens::kNone);
  ASSERT_EQ(ids.size(), 5U);
  PromptEcho echo(*tokenizer, ids, {text, 0}, true);
  EXPECT_EQ(echo.characters(), 4U);
  std::string told = echo.Begin().piece.content;
  EXPECT_EQ(told, "ab");
  for (const engine::TokenEvent& event : Events(ids, 1)) {
    EXPECT_FALSE(echo.complete());
    const ChoiceText piece = echo.Push({&event, 1});
    EXPECT_TRUE(piece.piece.content.empty() || piece.piece.content == "\u4f60" ||
                piece.piece.content == "x");
    told += piece.piece.content;
  }
  EXPECT_TRUE(echo.complete());
  EXPECT_EQ(told, text);
}

TEST(PromptEcho, TokensThatTheServerAddedHaveNoText) {
  const auto tokenizer = testing::ListTokenizer({}, {"<bos>"});
  const std::vector<int32_t> ids = {tokenizer->TokenId("<bos>"), 'h', 'i'};
  PromptEcho echo(*tokenizer, ids, {"hi", 1}, true);
  const ChoiceText first = echo.Begin();
  EXPECT_TRUE(first.logs.front().first);
  EXPECT_EQ(first.piece.content, "");
  const ChoiceText rest = echo.Push(Events(ids, 1));
  EXPECT_EQ(rest.piece.content, "hi");
  EXPECT_EQ(Offsets(rest), (std::vector<size_t>{0, 1}));
  EXPECT_FALSE(rest.logs.front().first);
}

TEST(PromptEcho, ATextThatTheTokensDoNotSpellIsStillWhole) {
  const auto tokenizer = testing::ListTokenizer({});
  for (const std::vector<int32_t>& ids :
       {std::vector<int32_t>{'a'}, {'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'}}) {
    PromptEcho echo(*tokenizer, ids, {"\u00e9\u00e9\u00e9", 0}, true);
    std::string told = echo.Begin().piece.content;
    for (const engine::TokenEvent& event : Events(ids, 1))
      told += echo.Push({&event, 1}).piece.content;
    EXPECT_EQ(told, "\u00e9\u00e9\u00e9");
    EXPECT_TRUE(echo.complete());
  }
}

TEST(PromptEcho, WithoutLogprobsItIsThereAtOnce) {
  const auto tokenizer = testing::ListTokenizer({});
  PromptEcho echo(*tokenizer, {'h', 'i'}, {"hi", 0}, false);
  EXPECT_TRUE(echo.complete());
  const ChoiceText all = echo.Begin();
  EXPECT_EQ(all.piece.content, "hi");
  EXPECT_TRUE(all.logs.empty());
}

}  // namespace
}  // namespace deepseek::agent
