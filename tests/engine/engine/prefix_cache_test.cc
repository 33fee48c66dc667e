// The step loop with a prefix cache, over a model whose tokens tell which rows they rest on: what
// is computed again and what is not, and that no answer changes.
#include <gtest/gtest.h>

#include "tests/engine/engine/serving_fixture.h"

namespace deepseek::engine {
namespace {

Request Of(std::vector<int32_t> prompt, int32_t max_tokens, std::string salt = "") {
  Request r;
  r.prompt = std::move(prompt);
  r.max_tokens = max_tokens;
  r.cache_salt = std::move(salt);
  return r;
}

class PrefixCacheTest : public ServingFixture {
 protected:
  // Serves it alone, checks the answer, and says how many rows that took.
  int64_t Rows(const Request& r, int32_t* cached = nullptr) {
    const int64_t before = fake_->rows_computed;
    const auto sink = Submit(r);
    EXPECT_EQ(sink->Wait(), FinishReason::kLength);
    EXPECT_EQ(sink->ids(), fake_->Expected(r.prompt, r.max_tokens));
    if (cached != nullptr) *cached = sink->usage().cached_tokens;
    return fake_->rows_computed - before;
  }
};

TEST_F(PrefixCacheTest, TheSecondOfTwoEqualPromptsComputesItsLastBlock) {
  Start();
  int32_t cached = -1;
  EXPECT_EQ(Rows(Of(Prompt(300), 1), &cached), 300);
  EXPECT_EQ(cached, 0);
  EXPECT_EQ(Rows(Of(Prompt(300), 1), &cached), 300 - 256);
  EXPECT_EQ(cached, 256);
  EXPECT_EQ(Rows(Of(Prompt(256), 1), &cached), 64) << "the last token is always computed";
  EXPECT_EQ(cached, 192);
  EXPECT_EQ(Rows(Of(Prompt(257), 1), &cached), 1);
  const Stats stats = engine_->stats();
  EXPECT_EQ(stats.prefix_queries, 300 + 300 + 256 + 257);
  EXPECT_EQ(stats.prefix_hits, 256 + 192 + 256);
}

// Behind a known prefix no keys are expanded, with MLA: such rows are absorbed, known or not.
TEST_F(PrefixCacheTest, TheRowsBehindTheLastBorderAreAbsorbed) {
  Start();
  Rows(Of(Prompt(300), 1));
  EXPECT_EQ(fake_->rows_materialised, 256);
  EXPECT_EQ(Rows(Of(Prompt(300), 1)), 300 - 256);
  EXPECT_EQ(fake_->rows_materialised, 256);
  // Of a multiple of 64 tokens the last block is absorbed, and is that of equal prompts only.
  EXPECT_EQ(Rows(Of(Prompt(320), 1)), 320 - 256);
  EXPECT_EQ(fake_->rows_materialised, 256);
  EXPECT_EQ(Rows(Of(Prompt(330), 1)), 330 - 256);
  EXPECT_EQ(fake_->rows_materialised, 256 + 64);
  FakeModel::Options gqa;
  gqa.one_path = true;
  Start(gqa);
  Rows(Of(Prompt(300), 1));
  EXPECT_EQ(fake_->rows_materialised, 300) << "one form, one segment";
  EXPECT_EQ(fake_->max_segments_seen, 1);
}

TEST_F(PrefixCacheTest, ACommonBeginningIsShared) {
  Start();
  auto longer = Prompt(200);
  const auto tail = Prompt(50, 3);
  longer.insert(longer.end(), tail.begin(), tail.end());
  Rows(Of(Prompt(200), 1));
  EXPECT_EQ(Rows(Of(longer, 1)), 250 - 192);
  longer[10] ^= 1;
  EXPECT_EQ(Rows(Of(longer, 1)), 250);
}

TEST_F(PrefixCacheTest, SaltsShareNothing) {
  Start();
  Rows(Of(Prompt(200), 1, "tenant-1"));
  EXPECT_EQ(Rows(Of(Prompt(200), 1, "tenant-2")), 200);
  EXPECT_EQ(Rows(Of(Prompt(200), 1)), 200);
  EXPECT_EQ(Rows(Of(Prompt(200), 1, "tenant-1")), 200 - 192);
}

TEST_F(PrefixCacheTest, OffMeansOff) {
  EngineOptions options;
  options.prefix_cache = false;
  Start({}, options);
  Rows(Of(Prompt(200), 1));
  int32_t cached = -1;
  EXPECT_EQ(Rows(Of(Prompt(200), 1), &cached), 200);
  EXPECT_EQ(cached, 0);
  EXPECT_EQ(engine_->stats().prefix_queries, 0);
}

// A next turn: the answer has become part of the prompt.
TEST_F(PrefixCacheTest, GeneratedRowsStandForPromptRowsOnlyWhereTheyAreEqual) {
  for (const bool one_path : {false, true}) {
    FakeModel::Options model;
    model.one_path = one_path;
    Start(model);
    const auto first = Submit(Of(Prompt(100), 150));
    first->Wait();
    auto next = Prompt(100);
    const auto answer = first->ids();
    next.insert(next.end(), answer.begin(), answer.end());
    next.push_back(5);
    const Request turn = Of(next, 4);
    // 249 rows were computed: three full blocks, of which one holds prompt rows alone.
    const auto sink = Submit(turn);
    sink->Wait();
    EXPECT_EQ(sink->usage().cached_tokens, one_path ? 192 : 64);
    EXPECT_EQ(sink->ids(), fake_->Expected(turn.prompt, 4));
    EXPECT_EQ(Rows(turn), 251 - 192 + 3) << "all are prompt rows now";
  }
}

TEST_F(PrefixCacheTest, EqualPromptsThatComeTogetherAreComputedOnce) {
  Start();
  fake_->Hold();
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  const Request r = Of(Prompt(500), 3);  // takes four steps
  sinks.reserve(6);
  for (int i = 0; i < 6; ++i) sinks.push_back(Submit(r));
  const auto other = Submit(Of(Prompt(40, 9), 3));
  fake_->Release();
  for (const auto& sink : sinks) {
    EXPECT_EQ(sink->Wait(), FinishReason::kLength);
    EXPECT_EQ(sink->ids(), fake_->Expected(r.prompt, 3));
  }
  EXPECT_EQ(other->Wait(), FinishReason::kLength);
  EXPECT_EQ(fake_->rows_computed, 500 + 5 * (500 - 448) + 40 + 7 * 2);
}

TEST_F(PrefixCacheTest, IdleBlocksGiveWayAndAreNotUsed) {
  FakeModel::Options model;
  model.kv_blocks = 8;
  Start(model);
  for (int32_t seed = 0; seed < 20; ++seed) EXPECT_EQ(Rows(Of(Prompt(450, seed), 1)), 450);
  EXPECT_EQ(engine_->Drain(absl::InfiniteFuture()), 0);
  EXPECT_EQ(engine_->stats().kv_blocks_used, 0);
}

TEST_F(PrefixCacheTest, APreemptedRequestFindsItsOwnBlocks) {
  int64_t rows[2];
  for (const bool on : {false, true}) {
    FakeModel::Options model;
    model.kv_blocks = 12;
    EngineOptions options;
    options.prefix_cache = on;
    Start(model, options);
    fake_->HoldAt(40);
    const auto low = Submit(Of(Prompt(190, 1), 100));
    fake_->WaitUntilHeld();
    Request urgent = Of(Prompt(560, 2), 2);  // 9 blocks: leaves three of the other's four
    urgent.priority = 1;
    const auto high = Submit(urgent);
    fake_->Release();
    EXPECT_EQ(high->Wait(), FinishReason::kLength);
    EXPECT_EQ(low->Wait(), FinishReason::kLength);
    EXPECT_EQ(low->ids(), fake_->Expected(Prompt(190, 1), 100));
    EXPECT_EQ(high->ids(), fake_->Expected(urgent.prompt, 2));
    EXPECT_EQ(low->usage().cached_tokens, 0) << "what it computed itself is no hit of the prompt";
    engine_->Drain(absl::InfiniteFuture());
    EXPECT_EQ(engine_->stats().preemptions, 1);
    EXPECT_EQ(engine_->stats().kv_blocks_used, 0);
    rows[on] = fake_->rows_computed;
  }
  EXPECT_EQ(rows[0] - rows[1], 192);
}

TEST_F(PrefixCacheTest, AFailedStepLeavesNothingBehind) {
  Start();
  fake_->fail_forwards = 1;
  EXPECT_EQ(Submit(Of(Prompt(100), 1))->Wait(), FinishReason::kError);
  EXPECT_EQ(Rows(Of(Prompt(100), 1)), 100);
}

TEST_F(PrefixCacheTest, RowsThatAreNoNumbersAreNotKept) {
  Start();
  auto prompt = Prompt(63);
  prompt.push_back(96);
  fake_->poison_token = 96;
  EXPECT_EQ(Submit(Of(prompt, 1))->Wait(), FinishReason::kError);
  fake_->poison_token = -1;
  prompt.push_back(1);
  EXPECT_EQ(Rows(Of(prompt, 1)), 65);
}

TEST_F(PrefixCacheTest, EvaluationsDoNotReadIt) {
  Start();
  Rows(Of(Prompt(200), 1));
  EvaluateRequest evaluate;
  evaluate.tokens = Prompt(200);
  const int64_t before = fake_->rows_computed;
  const auto result = engine_->Evaluate(evaluate);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(fake_->rows_computed - before, 200);
  EXPECT_EQ(Rows(Of(Prompt(200), 1)), 200 - 192) << "nor disturb it";
}

}  // namespace
}  // namespace deepseek::engine
