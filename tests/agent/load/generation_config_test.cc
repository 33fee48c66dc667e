#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/load/loaded_model.h"

namespace deepseek::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

engine::ModelSpec Spec() {
  engine::ModelSpec spec;
  spec.vocab = 100;
  spec.bos_id = 0;
  spec.eos_ids = {1};
  return spec;
}

TEST(GenerationConfig, WithoutTheFileConfigJsonCounts) {
  const auto d = ParseGenerationConfig("", Spec());
  ASSERT_TRUE(d.ok());
  EXPECT_THAT(d->eos_ids, ElementsAre(1));
  EXPECT_EQ(d->bos_id, 0);
  EXPECT_EQ(d->temperature, 1.0F);
  EXPECT_EQ(d->top_p, 1.0F);
}

TEST(GenerationConfig, ItsValuesWin) {
  const auto d = ParseGenerationConfig(
      R"({"do_sample":true,"temperature":0.6,"top_p":0.95,"top_k":40,"min_p":0.1,"repetition_penalty":1.1,
          "bos_token_id":3,"eos_token_id":[9,5,9]})",
      Spec());
  ASSERT_TRUE(d.ok()) << d.status();
  EXPECT_EQ(d->temperature, 0.6F);
  EXPECT_EQ(d->top_p, 0.95F);
  EXPECT_EQ(d->top_k, 40);
  EXPECT_EQ(d->min_p, 0.1F);
  EXPECT_EQ(d->repetition_penalty, 1.1F);
  EXPECT_EQ(d->bos_id, 3);
  EXPECT_THAT(d->eos_ids, ElementsAre(5, 9));
}

TEST(GenerationConfig, DoSampleFalseIsGreedyAndNullIsAbsent) {
  EXPECT_EQ(ParseGenerationConfig(R"({"do_sample":false,"temperature":0.6})", Spec())->temperature,
            0.0F);
  EXPECT_THAT(ParseGenerationConfig(R"({"eos_token_id":null,"temperature":null})", Spec())->eos_ids,
              ElementsAre(1));
}

TEST(GenerationConfig, OddSpellingsOfOneMeaningAreRead) {
  const auto d = ParseGenerationConfig(
      R"({"temperature":"0.6","top_k":"40","top_p":null,"eos_token_id":[null,9,-1],
          "bos_token_id":-1})",
      Spec());
  ASSERT_TRUE(d.ok()) << d.status();
  EXPECT_EQ(d->temperature, 0.6F);
  EXPECT_EQ(d->top_k, 40);
  EXPECT_THAT(d->eos_ids, ElementsAre(9));
  EXPECT_EQ(d->bos_id, 0);
  // vLLM's "all tokens", and lists that name none: as without the field.
  EXPECT_EQ(ParseGenerationConfig(R"({"top_k":-1})", Spec())->top_k, 0);
  for (const char* none : {"[]", "[null]", "-1"}) {
    const auto ids = ParseGenerationConfig(std::string(R"({"eos_token_id":)") + none + "}", Spec());
    ASSERT_TRUE(ids.ok()) << none << ids.status();
    EXPECT_THAT(ids->eos_ids, ElementsAre(1)) << none;
  }
}

TEST(GenerationConfig, BadValuesAreNamed) {
  for (const auto& [text, key] : std::vector<std::pair<const char*, const char*>>{
           {R"({"temperature":-1})", "temperature"},
           {R"({"temperature":"hot"})", "temperature"},
           {R"({"top_p":-0.1})", "top_p"},
           {R"({"top_p":1.5})", "top_p"},
           {R"({"top_k":-2})", "top_k"},
           {R"({"top_k":40.5})", "top_k"},
           {R"({"top_k":"40 "})", "top_k"},
           {R"({"min_p":1})", "min_p"},
           {R"({"repetition_penalty":0})", "repetition_penalty"},
           {R"({"eos_token_id":100})", "eos_token_id"},
           {R"({"eos_token_id":[1,-2]})", "eos_token_id"},
           {R"({"eos_token_id":"x"})", "eos_token_id"},
           {R"({"bos_token_id":1.5})", "bos_token_id"},
           {"[]", "object"},
           {"{", "generation_config.json"}}) {
    const auto d = ParseGenerationConfig(text, Spec());
    EXPECT_EQ(d.status().code(), absl::StatusCode::kDataLoss) << text;
    EXPECT_THAT(std::string(d.status().message()), HasSubstr(key)) << text;
  }
}

}  // namespace
}  // namespace deepseek::agent
