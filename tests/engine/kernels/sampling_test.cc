#include "engine/kernels/reference/sampling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

namespace deepseek::engine {
namespace {

using testing::ElementsAre;
using testing::Pair;
using testing::UnorderedElementsAre;

SampleResult Row(const std::vector<float>& logits, const SampleSpec& spec) {
  SampleScratch scratch;
  return SampleRow(logits, spec, &scratch);
}

// Ids seen over many positions, with their frequencies.
std::map<int32_t, double> Draws(const std::vector<float>& logits, SampleSpec spec, int n = 20000) {
  std::map<int32_t, double> seen;
  SampleScratch scratch;
  for (int i = 0; i < n; ++i) {
    spec.position = static_cast<uint32_t>(i);
    seen[SampleRow(logits, spec, &scratch).id] += 1.0 / n;
  }
  return seen;
}
std::set<int32_t> Ids(const std::map<int32_t, double>& draws) {
  std::set<int32_t> ids;
  for (const auto& [id, f] : draws) ids.insert(id);
  return ids;
}

TEST(Sampling, GreedyTakesTheLowestIdOnATie) {
  SampleSpec spec;
  spec.temperature = 0;
  EXPECT_EQ(Row({1, 3, 3, 2}, spec).id, 1);
  spec.top_k = 1;
  spec.top_p = 0.1F;
  spec.min_p = 0.9F;
  EXPECT_EQ(Row({1, 3, 3, 2}, spec).id, 1);
}

TEST(Sampling, AGivenIdIsOnlyMeasured) {
  SampleSpec spec;
  spec.given = 2;
  spec.temperature = 0;
  spec.top_logprobs = 1;
  const std::vector<std::pair<int32_t, float>> bias = {{2, 5.0F}};
  spec.logit_bias = &bias;
  const SampleResult result = Row({0, 3, 1}, spec);
  EXPECT_EQ(result.id, 2);
  EXPECT_FLOAT_EQ(result.logprob, 1 - std::log(1 + std::exp(3.0F) + std::exp(1.0F)));
  ASSERT_EQ(result.top.size(), 1U);
  EXPECT_EQ(result.top[0].first, 1);
  EXPECT_FALSE(Row({0, std::nanf(""), 1}, spec).finite);
}

TEST(Sampling, OnlyAllowedIdsAreChosen) {
  std::vector<float> logits(130, 0);
  logits[1] = 9;
  logits[70] = -1e30F;
  const uint64_t allowed[] = {uint64_t{1} << 3, uint64_t{1} << 6, 2};  // 3, 70 and 129
  SampleSpec spec;
  spec.allowed = allowed;
  EXPECT_EQ(Ids(Draws(logits, spec, 2000)), (std::set<int32_t>{3, 129}));
  spec.temperature = 0;
  EXPECT_EQ(Row(logits, spec).id, 3);
  const uint64_t one[] = {0, uint64_t{1} << 6, 0};
  spec.allowed = one;
  EXPECT_EQ(Row(logits, spec).id, 70) << "however unlikely";
  spec.temperature = 1;
  spec.top_p = 0.1F;
  spec.min_p = 0.5F;
  EXPECT_EQ(Row(logits, spec).id, 70);
}

TEST(Sampling, FrequenciesFollowTheSoftmaxAtTheTemperature) {
  const std::vector<float> logits = {0, 1, 2, -1};
  for (const float t : {0.5F, 1.0F, 2.0F}) {
    SampleSpec spec;
    spec.temperature = t;
    spec.seed = 5;
    double total = 0;
    for (const float x : logits) total += std::exp(x / t);
    const auto draws = Draws(logits, spec);
    for (size_t i = 0; i < logits.size(); ++i) {
      EXPECT_NEAR(draws.at(static_cast<int32_t>(i)), std::exp(logits[i] / t) / total, 0.012) << t;
    }
  }
}

TEST(Sampling, NoiseIsAFunctionOfSeedChoiceAndPosition) {
  const std::vector<float> logits(100, 0.0F);
  SampleSpec spec;
  spec.seed = 1;
  const int32_t id = Row(logits, spec).id;
  EXPECT_EQ(Row(logits, spec).id, id);
  std::set<int32_t> others;
  for (uint32_t i = 1; i < 6; ++i) {
    spec.choice = i;
    others.insert(Row(logits, spec).id);
  }
  EXPECT_GT(others.size(), 2U);
}

TEST(Sampling, TopKKeepsExactlyK) {
  SampleSpec spec;
  spec.top_k = 2;
  EXPECT_THAT(Ids(Draws({1, 2, 2, 2, 0}, spec)), ElementsAre(1, 2));  // lowest ids of the tie
  spec.top_k = 100;
  EXPECT_EQ(Ids(Draws({1, 2, 2, 2, 0}, spec)).size(), 5U);
}

TEST(Sampling, TopPKeepsTheShortestPrefixThatReachesIt) {
  // Probabilities 0.4, 0.3, 0.2, 0.1.
  const std::vector<float> logits = {std::log(0.1F), std::log(0.4F), std::log(0.2F),
                                     std::log(0.3F)};
  SampleSpec spec;
  spec.top_p = 0.65F;
  EXPECT_THAT(Ids(Draws(logits, spec)), ElementsAre(1, 3));
  spec.top_p = 0.75F;
  EXPECT_THAT(Ids(Draws(logits, spec)), ElementsAre(1, 2, 3));
  spec.top_p = 1e-6F;
  EXPECT_THAT(Ids(Draws(logits, spec)), ElementsAre(1));
  spec.top_p = 0;  // as OpenAI: the first one stays
  EXPECT_THAT(Ids(Draws(logits, spec)), ElementsAre(1));
  std::vector<float> many(1000);
  for (size_t i = 0; i < many.size(); ++i) many[i] = std::sin(static_cast<float>(i));
  many[700] = 2;
  for (spec.top_k = 0; spec.top_k <= 500; spec.top_k += 500)
    EXPECT_THAT(Ids(Draws(many, spec, 200)), ElementsAre(700));
  // Over what top_k left, renormalised: 0.4 / 0.7 = 0.57 reaches 0.5.
  spec.top_k = 2;
  spec.top_p = 0.5F;
  EXPECT_THAT(Ids(Draws(logits, spec)), ElementsAre(1));
}

TEST(Sampling, TopPOverALargeFlatVocabulary) {
  const std::vector<float> logits(5000, 1.0F);
  SampleSpec spec;
  spec.top_p = 0.5F;
  for (const int32_t id : Ids(Draws(logits, spec, 3000))) EXPECT_LT(id, 2501);
}

TEST(Sampling, MinPIsRelativeToTheBest) {
  const std::vector<float> logits = {0, std::log(0.5F), std::log(0.2F), std::log(0.05F)};
  SampleSpec spec;
  spec.min_p = 0.1F;
  EXPECT_THAT(Ids(Draws(logits, spec)), ElementsAre(0, 1, 2));
  spec.min_p = 0.3F;
  EXPECT_THAT(Ids(Draws(logits, spec)), ElementsAre(0, 1));
}

TEST(Sampling, PenaltiesCountWhatTheySay) {
  SampleSpec spec;
  spec.temperature = 0;
  const std::vector<int32_t> prompt = {0};
  const std::vector<int32_t> generated = {1, 1, 2, 999, -1};
  spec.prompt = &prompt;
  spec.generated = &generated;
  // Presence: once per id, generated tokens only.
  spec.presence_penalty = 1.5F;
  EXPECT_EQ(Row({4.0F, 5.0F, 5.2F, 3.8F}, spec).id, 0);
  // Frequency: per occurrence.
  spec.presence_penalty = 0;
  spec.frequency_penalty = 1;
  EXPECT_EQ(Row({0, 5, 4.5F, 0}, spec).id, 2);
  EXPECT_EQ(Row({0, 6, 4.5F, 0}, spec).id, 1);
  // Repetition: prompt too, once; positive logits are divided, negative ones multiplied.
  spec.frequency_penalty = 0;
  spec.repetition_penalty = 2;
  EXPECT_EQ(Row({5, 5, 5, 2.6F}, spec).id, 3);
  EXPECT_EQ(Row({5, 5, 5, 2.4F}, spec).id, 0);
  EXPECT_EQ(Row({-1, -1, -1, -1.9F}, spec).id, 3);
}

TEST(Sampling, ScratchIsCleanBetweenRows) {
  SampleScratch scratch;
  SampleSpec spec;
  spec.temperature = 0;
  const std::vector<int32_t> generated = {1, 1, 1};
  spec.generated = &generated;
  spec.frequency_penalty = 2;
  spec.repetition_penalty = 1.1F;
  const std::vector<float> logits = {1, 5, 4};
  const int32_t first = SampleRow(logits, spec, &scratch).id;
  EXPECT_EQ(SampleRow(logits, spec, &scratch).id, first);
  spec.generated = nullptr;
  EXPECT_EQ(SampleRow(logits, spec, &scratch).id, 1);
}

TEST(Sampling, LogitBias) {
  SampleSpec spec;
  spec.temperature = 0;
  const std::vector<std::pair<int32_t, float>> bias = {{2, 100.0F}, {0, -100.0F}, {77, 5.0F}};
  spec.logit_bias = &bias;
  EXPECT_EQ(Row({9, 3, 1}, spec).id, 2);
}

TEST(Sampling, LogprobsAreOfTheRawLogits) {
  SampleSpec spec;
  spec.temperature = 0;
  spec.top_logprobs = 2;
  const std::vector<std::pair<int32_t, float>> bias = {{0, 100.0F}};
  spec.logit_bias = &bias;
  const SampleResult result = Row({std::log(0.1F), std::log(0.6F), std::log(0.3F)}, spec);
  EXPECT_EQ(result.id, 0);
  EXPECT_NEAR(result.logprob, std::log(0.1), 1e-6);
  ASSERT_EQ(result.top.size(), 2U);
  EXPECT_EQ(result.top[0].first, 1);
  EXPECT_NEAR(result.top[0].second, std::log(0.6), 1e-6);
  EXPECT_EQ(result.top[1].first, 2);
  spec.top_logprobs = 20;
  EXPECT_EQ(Row({1, 2, 3}, spec).top.size(), 3U);
  spec.top_logprobs = 0;
  EXPECT_TRUE(Row({1, 2, 3}, spec).top.empty());
}

TEST(Sampling, NonFiniteRowsAreFlagged) {
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    const SampleResult result = Row({1, bad, 2}, SampleSpec{});
    EXPECT_FALSE(result.finite);
    EXPECT_EQ(result.id, 0);
  }
  EXPECT_FALSE(Row({}, SampleSpec{}).finite);
}

TEST(Sampling, ExtremeValuesStayInTheVocabulary) {
  SampleSpec spec;
  spec.temperature = 1e-6F;
  EXPECT_EQ(Row({3e38F, -3e38F, 1}, spec).id, 0);
  spec.temperature = 1e6F;
  const int32_t id = Row({3e38F, -3e38F, 1}, spec).id;
  EXPECT_GE(id, 0);
  EXPECT_LT(id, 3);
}

}  // namespace
}  // namespace deepseek::engine
