// Log-probs of the prompt's tokens: all of them, each once, whatever the chunks, the cache and the
// company, and of the bits that an evaluation gives.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/engine/engine/serving_fixture.h"

namespace deepseek::engine {
namespace {

Request Of(std::vector<int32_t> prompt, int32_t max_tokens, int32_t logprobs = 2) {
  Request r;
  r.prompt = std::move(prompt);
  r.max_tokens = max_tokens;
  r.prompt_only = max_tokens == 0;
  r.prompt_logprobs = logprobs;
  return r;
}

std::vector<float> Scores(const RecordingSink& sink) {
  std::vector<float> out;
  for (const TokenEvent& t : sink.prompt()) out.push_back(t.logprob);
  return out;
}

class PromptLogprobs : public ServingFixture {
 protected:
  void Check(const Request& r, RecordingSink& sink) {
    EXPECT_EQ(sink.Wait(), FinishReason::kLength);
    EXPECT_EQ(Scores(sink), fake_->ExpectedScores(r.prompt));
    std::vector<int32_t> ids = {r.prompt.front()};
    for (const TokenEvent& t : sink.prompt()) {
      ids.push_back(t.id);
      EXPECT_EQ(t.top.size(), static_cast<size_t>(r.prompt_logprobs));
    }
    EXPECT_EQ(ids, r.prompt);
    EXPECT_EQ(sink.ids(), fake_->Expected(r.prompt, r.max_tokens));
  }
};

TEST_F(PromptLogprobs, OfEveryTokenButTheFirstInChunks) {
  Start();
  for (const int32_t length : {1, 2, 16, 17, 64, 128, 129, 500}) {
    for (const int32_t max_tokens : {0, 1, 3}) {
      const Request r = Of(Prompt(length, length), max_tokens);
      const auto sink = Submit(r);
      Check(r, *sink);
      EXPECT_EQ(sink->usage().generated_tokens, max_tokens);
      if (length == 500) {
        EXPECT_GE(sink->prompt_pieces(), 500 / 16) << "no more rows of logits than a step has";
      }
    }
  }
  EXPECT_LE(fake_->max_rows_seen, 128);
  engine_->Drain(absl::InfiniteFuture());
  EXPECT_EQ(engine_->stats().kv_blocks_used, 0);
}

TEST_F(PromptLogprobs, CachedRowsAreComputedForThemAndKeptForOthers) {
  Start();
  const Request plain = Of(Prompt(300), 1, -1);
  Submit(plain)->Wait();
  const Request scored = Of(Prompt(300), 0);
  int64_t before = fake_->rows_computed;
  const auto sink = Submit(scored);
  Check(scored, *sink);
  EXPECT_EQ(fake_->rows_computed - before, 300);
  EXPECT_EQ(sink->usage().cached_tokens, 0);
  EXPECT_EQ(engine_->stats().prefix_queries, 300) << "of the plain one alone";
  before = fake_->rows_computed;
  Submit(plain)->Wait();
  EXPECT_EQ(fake_->rows_computed - before, 300 - 256);
  const Request other = Of(Prompt(300, 5), 0);
  const auto fresh = Submit(other);
  Check(other, *fresh);
  before = fake_->rows_computed;
  Submit(Of(Prompt(300, 5), 1, -1))->Wait();
  EXPECT_EQ(fake_->rows_computed - before, 300 - 256) << "a scored prompt is kept like any";
}

TEST_F(PromptLogprobs, EqualPromptsThatComeTogetherDoNotWaitForEachOther) {
  Start();
  fake_->Hold();
  const Request r = Of(Prompt(100), 0);
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  sinks.reserve(3);
  for (int i = 0; i < 3; ++i) sinks.push_back(Submit(r));
  const Request plain = Of(Prompt(100), 4, -1);
  const auto neighbour = Submit(plain);
  fake_->Release();
  for (const auto& sink : sinks) Check(r, *sink);
  EXPECT_EQ(neighbour->Wait(), FinishReason::kLength);
  EXPECT_EQ(neighbour->ids(), fake_->Expected(plain.prompt, 4));
  EXPECT_TRUE(neighbour->prompt().empty());
}

TEST_F(PromptLogprobs, APreemptedPromptIsToldOnce) {
  for (const bool cache : {false, true}) {
    FakeModel::Options model;
    model.kv_blocks = 12;
    EngineOptions options;
    options.prefix_cache = cache;
    Start(model, options);
    fake_->HoldAt(4);
    const Request r = Of(Prompt(600), 2);
    const auto low = Submit(r);
    fake_->WaitUntilHeld();
    Request urgent = Of(Prompt(200, 2), 2, -1);
    urgent.priority = 1;
    const auto high = Submit(urgent);
    fake_->Release();
    EXPECT_EQ(high->Wait(), FinishReason::kLength);
    Check(r, *low);
    engine_->Drain(absl::InfiniteFuture());
    EXPECT_EQ(engine_->stats().preemptions, 1);
    EXPECT_EQ(engine_->stats().kv_blocks_used, 0);
  }
}

TEST_F(PromptLogprobs, ARowThatIsNoNumberEndsItsRequestAlone) {
  Start();
  fake_->poison_token = 96;
  auto bad = Prompt(40);
  std::replace(bad.begin(), bad.end(), 96, 95);
  auto good = bad;
  bad[20] = 96;
  const Request r = Of(good, 2);
  fake_->Hold();
  const auto other = Submit(r);
  for (const int32_t max_tokens : {0, 2}) {
    const auto sink = Submit(Of(bad, max_tokens));
    fake_->Release();
    EXPECT_EQ(sink->Wait(), FinishReason::kError);
    EXPECT_TRUE(sink->ids().empty());
    EXPECT_EQ(sink->prompt().size(), 20U) << "tokens 1 to 20";
  }
  Check(r, *other);
  engine_->Drain(absl::InfiniteFuture());
  EXPECT_EQ(engine_->stats().nonfinite_rows, 2);
}

TEST_F(PromptLogprobs, APromptMayFillTheContextWhenNothingFollows) {
  FakeModel::Options model;
  model.max_positions = 100;
  Start(model);
  const Request r = Of(Prompt(100), 0);
  const auto sink = Submit(r);
  Check(r, *sink);
  EXPECT_FALSE(engine_->Submit(Of(Prompt(101), 0), sink).ok());
  EXPECT_FALSE(engine_->Submit(Of(Prompt(100), 1), sink).ok());
}

struct Case {
  const char* model;
  Compute compute;
  KvType kv;
};

class PromptLogprobsOfModels : public ::testing::TestWithParam<Case> {};

TEST_P(PromptLogprobsOfModels, AreThoseOfAnEvaluationWhateverTheChunksAndTheCompany) {
  std::vector<int32_t> prompt;
  prompt.reserve(150);
  for (int32_t i = 0; i < 150; ++i) prompt.push_back((17 + i * 29 + i * i / 7) % 512);
  Request neighbour;
  neighbour.prompt.assign(prompt.begin(), prompt.begin() + 90);
  neighbour.max_tokens = 12;
  neighbour.top_logprobs = 2;
  neighbour.sampling.temperature = 1;
  std::vector<float> first_scores, first_neighbour;
  for (const absl::Duration target : {absl::Hours(1), absl::Nanoseconds(1)}) {
    EngineOptions options;
    options.model.model_dir = std::string(TEST_SOURCE_DIR "/") + GetParam().model;
    options.model.compute = GetParam().compute;
    options.model.kv = GetParam().kv;
    options.model.threads = 2;
    options.model.max_context = 512;
    options.step_target = target;
    auto engine = LoadModel(options);
    ASSERT_TRUE(engine.ok()) << engine.status();
    const auto serve = [&](const Request& r) {
      auto sink = std::make_shared<RecordingSink>();
      EXPECT_TRUE((*engine)->Submit(r, sink).ok());
      return sink;
    };
    // The neighbour alone, then beside one that is scored.
    const auto alone = serve(neighbour);
    alone->Wait();
    Request r = Of(prompt, 5);
    r.top_logprobs = 2;
    r.sampling.temperature = 0;
    const auto scored = serve(r);
    const auto beside = serve(neighbour);
    EXPECT_EQ(scored->Wait(), FinishReason::kLength);
    beside->Wait();
    const auto bits = [](const RecordingSink& sink) {
      std::vector<float> out;
      for (const TokenEvent& t : sink.tokens()) {
        out.push_back(static_cast<float>(t.id));
        out.push_back(t.logprob);
      }
      return out;
    };
    EXPECT_EQ(bits(*beside), bits(*alone));
    if (first_scores.empty()) {
      first_scores = Scores(*scored);
      first_neighbour = bits(*alone);
    }
    EXPECT_EQ(Scores(*scored), first_scores);
    EXPECT_EQ(bits(*alone), first_neighbour);
    EvaluateRequest evaluate;
    evaluate.tokens = prompt;
    const auto logits = (*engine)->Evaluate(evaluate);
    ASSERT_TRUE(logits.ok()) << logits.status();
    const auto vocab = static_cast<size_t>((*engine)->spec().vocab);
    const std::vector<TokenEvent> all = scored->prompt();
    ASSERT_EQ(all.size(), 149U);
    for (size_t i = 0; i < 149; ++i) {
      const float* row = logits->logits.data() + i * vocab;
      const float best = *std::max_element(row, row + vocab);
      double sum = 0;
      for (size_t v = 0; v < vocab; ++v) sum += std::exp(static_cast<double>(row[v]) - best);
      const TokenEvent& told = all[i];
      EXPECT_EQ(told.logprob, static_cast<float>(row[prompt[i + 1]] -
                                                 (static_cast<double>(best) + std::log(sum))))
          << i;
      EXPECT_EQ(row[told.top[0].id], best) << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Models, PromptLogprobsOfModels,
    testing::Values(Case{"tests/golden/deepseek_v3_fp8", Compute::kBf16, KvType::kInt8},
                    Case{"tests/golden/deepseek_v2_lite", Compute::kFp32, KvType::kFp32},
                    Case{"tests/golden/llama", Compute::kBf16, KvType::kBf16},
                    Case{"models/demo-v3", Compute::kBf16, KvType::kBf16}));

}  // namespace
}  // namespace deepseek::engine
