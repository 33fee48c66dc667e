// Masks against the plain question, token by token, and the way to an end within a budget.
#include <gtest/gtest.h>

#include <random>

#include "agent/grammar/matcher.h"
#include "agent/grammar/tool_grammar.h"
#include "base/json_full.h"
#include "tests/support/agent/list_tokenizer.h"

namespace deepseek::agent::grammar {
namespace {

std::shared_ptr<Matcher> MatcherOf(std::string_view schema,
                                   std::shared_ptr<const Vocabulary> vocabulary) {
  const OrderedJson json = OrderedJson::parse(schema);
  AnswerShape shape;
  shape.schema = &json;
  return std::make_shared<Matcher>(std::make_shared<const Grammar>(*CompileAnswer(shape)),
                                   std::move(vocabulary));
}

class Masks : public ::testing::Test {
 protected:
  Masks() {
    auto words = testing::WordsLikeBpe(3000, 7);
    tokenizer_ = testing::ListTokenizer(std::move(words), {"<added>"});
    vocabulary_ = std::make_shared<const Vocabulary>(*tokenizer_, tokenizer_->size() + 70);
  }
  TokenMask Mask(Matcher& matcher, Matcher::Position at, int32_t left = 100'000) {
    TokenMask mask(vocabulary_->words());
    matcher.Allowed(at, left, mask.data());
    return mask;
  }
  static bool Has(const TokenMask& mask, int32_t id) {
    return (mask[id / 64] >> (id % 64) & 1) != 0;
  }

  std::unique_ptr<engine::Tokenizer> tokenizer_;
  std::shared_ptr<const Vocabulary> vocabulary_;
};

TEST_F(Masks, AllowWhatFitsAndNothingElse) {
  const char* schemas[] = {
      R"({"type":"object","properties":{"name":{"type":"string"},"n":{"type":"integer"},
          "tags":{"type":"array","items":{"type":"string","minLength":2,"maxLength":20}}},
          "required":["name","tags"]})",
      R"({"type":"object","additionalProperties":{"type":"string","maxLength":40}})",
      R"({"type":"array","items":{"type":"string","pattern":"^[a-z ]{1,30}$"}})", "{}"};
  std::mt19937_64 random(5);
  for (const char* schema : schemas) {
    const auto matcher = MatcherOf(schema, vocabulary_);
    Matcher::Position at = matcher->Start();
    for (int step = 0; step < 60 && !matcher->MustEnd(at); ++step) {
      const TokenMask mask = Mask(*matcher, at);
      std::vector<int32_t> fits;
      for (int32_t id = 0; id < vocabulary_->size(); ++id) {
        const bool fit = matcher->Advance(at, id) != Matcher::kNowhere;
        ASSERT_EQ(Has(mask, id), fit)
            << schema << " step " << step << " token '" << tokenizer_->TokenBytes(id) << "'";
        if (fit) fits.push_back(id);
      }
      ASSERT_FALSE(fits.empty());
      EXPECT_EQ(Mask(*matcher, at), mask) << "the second time it comes from memory";
      at = matcher->Advance(at, fits[random() % fits.size()]);
    }
  }
}

TEST_F(Masks, AddedTokensAreNoText) {
  const auto matcher = MatcherOf(R"({"type":"string"})", vocabulary_);
  const auto at = matcher->AdvanceBytes(matcher->Start(), "\"");
  const int32_t added = tokenizer_->TokenId("<added>");
  EXPECT_FALSE(Has(Mask(*matcher, at), added));
  EXPECT_EQ(matcher->Advance(at, added), Matcher::kNowhere);
}

TEST_F(Masks, LeaveEnoughTokensToEnd) {
  const auto matcher = MatcherOf(
      R"({"type":"object","properties":{"list":{"type":"array","items":{"type":"object",
          "properties":{"long name":{"type":"string","minLength":4}},"required":["long name"]}}},
          "required":["list"]})",
      vocabulary_);
  // Whatever is chosen, at every budget from the least one: it ends within it.
  const int32_t least = matcher->Cost(matcher->Start());
  EXPECT_EQ(least, static_cast<int32_t>(std::string_view(R"({"list":[]})").size()));
  std::mt19937_64 random(11);
  for (int32_t budget = least; budget < least + 120; ++budget) {
    Matcher::Position at = matcher->Start();
    int32_t left = budget;
    for (; !matcher->MustEnd(at); --left) {
      ASSERT_GT(left, 0) << "budget " << budget;
      const TokenMask mask = Mask(*matcher, at, left);
      std::vector<int32_t> ids;
      for (int32_t id = 0; id < vocabulary_->size(); ++id) {
        if (Has(mask, id)) ids.push_back(id);
      }
      ASSERT_FALSE(ids.empty());
      at = matcher->Advance(at, ids[random() % ids.size()]);
      ASSERT_NE(at, Matcher::kNowhere);
    }
  }
}

TEST_F(Masks, ABudgetTooSmallIsNoReasonToStop) {
  const auto matcher = MatcherOf(R"({"const":"something long"})", vocabulary_);
  EXPECT_TRUE(Has(Mask(*matcher, matcher->Start(), 2), '"'));
}

}  // namespace
}  // namespace deepseek::agent::grammar
