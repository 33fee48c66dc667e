#include "engine/schedule/cost_model.h"

#include <gtest/gtest.h>

namespace deepseek::engine {
namespace {

constexpr absl::Duration kTarget = absl::Milliseconds(200);

TEST(CostModel, BeforeTheFirstStepAFixedChunkIsTried) {
  EXPECT_EQ(PromptRowBudget({}, 0, kTarget), kFirstPromptRows);
  EXPECT_EQ(PromptRowBudget({}, 31, kTarget), kFirstPromptRows);
}

TEST(CostModel, PromptRowsFillTheTarget) {
  const CostModel m = Observe({}, 64, 0, absl::Milliseconds(64));
  EXPECT_NEAR(absl::ToDoubleMilliseconds(StepTime(m, 64, 0)), 64, 1e-3);
  EXPECT_NEAR(
      absl::FDivDuration(StepTime(m, PromptRowBudget(m, 0, kTarget), 0), kUnwatched * kTarget), 1,
      0.01);
}

TEST(CostModel, WhereNobodyWaitsForATokenAStepMayBeLonger) {
  CostModel m;
  m.step = absl::Milliseconds(50);
  m.per_generated_row = m.per_prompt_row = absl::Milliseconds(1);
  EXPECT_EQ(PromptRowBudget(m, 1, kTarget), 149);
  EXPECT_EQ(PromptRowBudget(m, 0, kTarget), 950);
}

TEST(CostModel, GeneratedRowsTakeTheirShareOfTheTarget) {
  CostModel m = Observe({}, 0, 4, absl::Milliseconds(40));
  EXPECT_NEAR(absl::ToDoubleMilliseconds(StepTime(m, 0, 4)), 40, 1e-3);
  EXPECT_LT(StepTime(m, 0, 8), absl::Milliseconds(80)) << "most of it is reading the weights";
  m = Observe(m, 50, 4, absl::Milliseconds(90));  // 50 ms are left for 50 prompt rows
  EXPECT_NEAR(PromptRowBudget(m, 4, kTarget), 160, 2);
}

TEST(CostModel, StreamsCannotStarvePrompts) {
  CostModel m;
  m.step = absl::Milliseconds(100);
  m.per_generated_row = absl::Milliseconds(10);
  m.per_prompt_row = absl::Milliseconds(1);
  EXPECT_EQ(PromptRowBudget(m, 1, kTarget), 220) << "twice the rest";
  EXPECT_EQ(PromptRowBudget(m, 50, kTarget), 1200);
  m.step = absl::Milliseconds(40);
  EXPECT_EQ(PromptRowBudget(m, 2, kTarget), 140) << "the target leaves more";
}

// On a crowded machine the fixed part alone takes more than the target: chunks must not shrink to
// nothing, for each pays it again.
TEST(CostModel, AnExpensiveStepTakesMoreRows) {
  const auto truth = [](int32_t rows) {
    return absl::Milliseconds(600) + absl::Milliseconds(3) * rows;
  };
  CostModel m;
  for (int i = 0; i < 100; ++i) {
    const int32_t rows = PromptRowBudget(m, 0, kTarget);
    m = Observe(m, rows, 0, truth(rows));
  }
  EXPECT_GE(PromptRowBudget(m, 0, kTarget), 50);
}

// Learnt from one stream, used with thirty and prompts in every step.
TEST(CostModel, PricesOfOtherCompanyHeal) {
  const auto truth = [](int32_t prompt, int32_t generated) {
    return absl::Milliseconds(30) + absl::Milliseconds(4) * generated +
           absl::Microseconds(2500) * prompt;
  };
  CostModel m;
  for (int i = 0; i < 20; ++i) m = Observe(m, 0, 1, truth(0, 1));
  for (int i = 0; i < 100; ++i) {
    const int32_t generated = 20 + i % 13;
    const int32_t rows = PromptRowBudget(m, generated, kTarget);
    m = Observe(m, rows, generated, truth(rows, generated));
  }
  const int32_t rows = PromptRowBudget(m, 24, kTarget);
  EXPECT_NEAR(absl::FDivDuration(truth(rows, 24), (1 + kLeastShare) * truth(0, 24)), 1, 0.2);
}

TEST(CostModel, PromptsMoveHoweverSlowTheMachine) {
  const CostModel m = Observe(Observe({}, 0, 1, absl::Milliseconds(3)), 64, 0, absl::Seconds(60));
  EXPECT_EQ(PromptRowBudget(m, 8, kTarget), kLeastPromptRows);
}

TEST(CostModel, FollowsAMachineThatSlowsDown) {
  CostModel m = Observe({}, 100, 0, absl::Milliseconds(100));
  for (int i = 0; i < 60; ++i) {
    const int32_t rows = PromptRowBudget(m, 0, kTarget);
    m = Observe(m, rows, 0, absl::Milliseconds(4) * rows);
  }
  EXPECT_NEAR(PromptRowBudget(m, 0, kTarget), 50 * kUnwatched, 5 * kUnwatched);
}

TEST(CostModel, StepsThatTellNothingChangeNothing) {
  const CostModel m = Observe({}, 64, 0, absl::Milliseconds(64));
  for (const auto& [prompt, generated, elapsed] : {std::tuple{1, 0, absl::Milliseconds(50)},
                                                   {7, 3, absl::Milliseconds(50)},
                                                   {0, 0, absl::Milliseconds(50)},
                                                   {64, 0, absl::ZeroDuration()},
                                                   {64, 0, -absl::Seconds(1)}}) {
    const CostModel n = Observe(m, prompt, generated, elapsed);
    EXPECT_EQ(n.per_prompt_row, m.per_prompt_row);
    EXPECT_EQ(n.per_generated_row, m.per_generated_row);
  }
}

TEST(CostModel, NoTargetMeansNoLimit) {
  const CostModel m = Observe({}, 64, 0, absl::Seconds(1));
  EXPECT_GT(PromptRowBudget(m, 0, absl::InfiniteDuration()), 1'000'000);
}

TEST(CostModel, ANoisyStepCannotMakePromptRowsFree) {
  CostModel m = Observe({}, 0, 1, absl::Milliseconds(100));
  m = Observe(m, 10, 5, absl::Milliseconds(50));  // faster than its generated rows alone should be
  EXPECT_GT(m.per_prompt_row, absl::ZeroDuration());
}

// 64 experts of which a row chooses six, and as large a rest as five of them.
CostModel Experts() {
  CostModel m;
  m.experts = 64;
  m.experts_per_row = 6;
  m.expert_share = 64.0 / 69;
  return m;
}

TEST(CostModel, AStepReadsTheExpertsThatItsRowsChoose) {
  EXPECT_EQ(WeightsRead({}, 0), 1) << "no experts: always all";
  EXPECT_NEAR(WeightsRead(Experts(), 0), 5.0 / 69, 1e-9);
  EXPECT_NEAR(WeightsRead(Experts(), 1), 11.0 / 69, 1e-9);
  EXPECT_NEAR(WeightsRead(Experts(), 2), (11 + 6 * 58.0 / 64) / 69, 1e-9) << "some in common";
  EXPECT_NEAR(WeightsRead(Experts(), 512), 1, 1e-9);
}

// Reading the weights must not be taken for the price of rows, of which a large step has more.
TEST(CostModel, ExpertsAreNotThePriceOfRows) {
  const auto truth = [](int32_t prompt, int32_t generated) {
    return absl::Milliseconds(80) * WeightsRead(Experts(), prompt + generated) +
           absl::Milliseconds(2) * generated + absl::Milliseconds(4) * prompt;
  };
  CostModel m = Experts();
  for (int i = 0; i < 50; ++i) m = Observe(m, 0, 1 + i % 8, truth(0, 1 + i % 8));
  EXPECT_NEAR(absl::FDivDuration(StepTime(m, 0, 32), truth(0, 32)), 1, 0.1);
  for (int i = 0; i < 50; ++i) {
    const int32_t rows = PromptRowBudget(m, 1 + i % 8, kTarget);
    m = Observe(m, rows, 1 + i % 8, truth(rows, 1 + i % 8));
  }
  EXPECT_NEAR(absl::FDivDuration(m.step, absl::Milliseconds(80)), 1, 0.1);
  EXPECT_NEAR(absl::FDivDuration(m.per_prompt_row, absl::Milliseconds(4)), 1, 0.1);
  // A stream alone reads 13 ms of them, the prompt beside it all.
  const int32_t rows = PromptRowBudget(m, 1, kTarget);
  EXPECT_NEAR(absl::FDivDuration(truth(rows, 1), 82 * (1 + kLeastShare) * absl::Milliseconds(1)), 1,
              0.1);
}

// Attention as that of V2-Lite on two cores without AVX-512.
CostModel Mla() {
  CostModel m;
  m.pairs_per_key = 410;
  m.pairs_per_row = 20000;
  m.absorbed_pair = 3.4;
  return m;
}

TEST(CostModel, PairsOfAChunk) {
  EXPECT_EQ(ChunkPairs({}, 3, 10), 11 + 12 + 13) << "a row sees itself";
  EXPECT_EQ(ChunkPairs(Mla(), 3, 10), 36 + 410 * 13);
  EXPECT_EQ(ChunkPairs(Mla(), 0, 10), 4100);
}

TEST(CostModel, AbsorbedRowsMakeNoKeysReady) {
  EXPECT_DOUBLE_EQ(ChunkPairs(Mla(), 3, 64, 64), 3.4 * (65 + 66 + 67));
  EXPECT_EQ(ChunkPairs(Mla(), 0, 64, 64), 0);
  // Both in one chunk: the first three make 67 keys ready, the other two see them and themselves.
  EXPECT_DOUBLE_EQ(ChunkPairs(Mla(), 5, 64, 67), 65 + 66 + 67 + 410 * 67 + 3.4 * (68 + 69));
  CostModel m = Mla();
  m.step = m.per_generated_row = absl::Milliseconds(20);
  m.per_prompt_row = absl::Milliseconds(6);
  m.per_kilopair = absl::Microseconds(550);
  for (const int64_t first : {int64_t{16000}, int64_t{kNoneAbsorbed}}) {
    const absl::Duration time = PromptTime(m, 1, 16000, kTarget, first);
    const int32_t rows = RowsWithin(m, time, 16000, first);
    EXPECT_LE(ChunkTime(m, rows, 16000, first), time);
    EXPECT_GT(ChunkTime(m, rows + 1, 16000, first), time);
  }
}

TEST(CostModel, TheFirstPriceOfAttentionIsItsShareOfTheOperations) {
  const double pairs = ChunkPairs(Mla(), 100, 0);
  const CostModel m = Observe(Mla(), 100, 0, absl::Milliseconds(100), pairs);
  EXPECT_NEAR(absl::FDivDuration(m.per_prompt_row, m.per_kilopair), 20, 1e-3);
  EXPECT_NEAR(absl::ToDoubleMilliseconds(StepTime(m, 100, 0, pairs)), 100, 1e-3);
}

// A prompt beside a stream, learning as it goes: the context is told from the rows.
TEST(CostModel, LearnsWhatAContextCosts) {
  const auto truth = [](int32_t rows, double pairs) {
    return absl::Milliseconds(40) + absl::Milliseconds(6) * rows +
           absl::Microseconds(550) * (pairs / 1000);
  };
  CostModel m = Observe(Mla(), 0, 1, absl::Milliseconds(40));
  int32_t context = 0;
  for (; context < 16000;) {
    const int32_t rows = PromptRowBudget(m, 1, kTarget, context);
    const double pairs = ChunkPairs(m, rows, context);
    if (context > 2000) {
      EXPECT_NEAR(absl::FDivDuration(StepTime(m, rows, 1, pairs), truth(rows, pairs)), 1, 0.1)
          << context;
    }
    m = Observe(m, rows, 1, truth(rows, pairs), pairs);
    context += rows;
  }
  EXPECT_NEAR(absl::FDivDuration(m.per_kilopair, absl::Microseconds(550)), 1, 0.2);
}

TEST(CostModel, ALongContextTakesMoreRows) {
  CostModel m = Mla();
  m.step = absl::Milliseconds(20);
  m.per_generated_row = absl::Milliseconds(20);
  m.per_prompt_row = absl::Milliseconds(6);
  m.per_kilopair = absl::Microseconds(550);
  // 40 ms and the context's keys, 0.2255 ms each; twice that for the rows.
  for (const int32_t context : {4000, 16000}) {
    const int32_t rows = PromptRowBudget(m, 1, kTarget, context);
    const absl::Duration others = StepTime(m, 0, 1) + ChunkTime(m, 0, context);
    EXPECT_NEAR(absl::FDivDuration(ChunkTime(m, rows, context) - ChunkTime(m, 0, context), others),
                kLeastShare, 0.02)
        << context;
  }
  // And a short one fills the target.
  const int32_t rows = PromptRowBudget(m, 1, kTarget, 50);
  EXPECT_NEAR(absl::FDivDuration(StepTime(m, rows, 1, ChunkPairs(m, rows, 50)), kTarget), 1, 0.05);
}

}  // namespace
}  // namespace deepseek::engine
