#include "engine/schedule/estimate.h"

#include <gtest/gtest.h>

namespace deepseek::engine {
namespace {

constexpr Cache kRoomy{1000, 1000, 64};

Policy Costs(int32_t max_batch) {
  Policy p;
  p.max_batch = max_batch;
  p.cost.per_generated_row = absl::Milliseconds(10);
  p.cost.per_prompt_row = absl::Milliseconds(1);
  p.cost.answer_tokens = 100;
  return p;
}

Sequence Waiting(uint64_t id, int32_t prompt, int32_t answer, int32_t priority = 0) {
  Sequence s;
  s.id = s.ticket = id;
  s.priority = priority;
  s.known_tokens = s.prompt_tokens = prompt;
  s.answer_left = answer;
  return s;
}

Sequence Decoding(uint64_t id, int32_t answer_left) {
  Sequence s = Waiting(id, 10, answer_left);
  s.computed = 10;
  s.known_tokens = 11;
  s.blocks = 1;
  return s;
}

TEST(EstimateWait, NobodyWaitsWhereThereIsAPlace) {
  const WaitEstimate e = EstimateWait({{}, {Decoding(1, 500)}}, kRoomy, Costs(3));
  EXPECT_EQ(e.free_places, 2);
  EXPECT_EQ(WaitOf(e, 0, 0, 0), absl::ZeroDuration());
  EXPECT_EQ(WaitOf(e, 0, 0, 1), absl::ZeroDuration());
  EXPECT_GT(WaitOf(e, 0, 0, 2), absl::ZeroDuration());
}

TEST(EstimateWait, TheFirstAnswerToEndGivesItsPlace) {
  const WaitEstimate e = EstimateWait({{}, {Decoding(1, 30), Decoding(2, 20)}}, kRoomy, Costs(2));
  EXPECT_EQ(e.free_places, 0);
  EXPECT_EQ(WaitOf(e, 0, 0, 0), 20 * 2 * absl::Milliseconds(10));
}

TEST(EstimateWait, AnswersWithoutALimitAreAsLongAsOthersWere) {
  const WaitEstimate e = EstimateWait({{}, {Decoding(1, 100000)}}, kRoomy, Costs(1));
  EXPECT_EQ(WaitOf(e, 0, 0, 0), absl::Seconds(1));
}

TEST(EstimateWait, QueueAndPromptsAdd) {
  const WaitEstimate e = EstimateWait({{Waiting(2, 500, 40)}, {Decoding(1, 30)}}, kRoomy, Costs(1));
  EXPECT_EQ(WaitOf(e, 0, 0, 0), 70 * absl::Milliseconds(10) + absl::Milliseconds(500));
  EXPECT_EQ(WaitOf(e, 0, 0, 1), WaitOf(e, 0, 0, 0) + absl::Milliseconds(900))
      << "as the one that waits";
}

TEST(EstimateWait, RowsOfALongPromptCostMore) {
  Policy p = Costs(1);
  p.cost.per_kilopair = absl::Milliseconds(1);
  // 500 rows that see 250 keys each.
  const Queues queues{{Waiting(2, 500, 40)}, {Decoding(1, 30)}};
  EXPECT_EQ(WaitOf(EstimateWait(queues, kRoomy, p), 0, 0, 0),
            70 * absl::Milliseconds(10) + absl::Milliseconds(500 + 125));
  // And whose chunks make the keys of their context anew.
  p.cost.pairs_per_key = 100;
  EXPECT_GT(WaitOf(EstimateWait(queues, kRoomy, p), 0, 0, 0),
            70 * absl::Milliseconds(10) + absl::Milliseconds(500 + 125 + 50));
}

TEST(EstimateWait, CachedRowsCostNothing) {
  Sequence s = Waiting(2, 500, 40);
  s.computed = 448;
  const WaitEstimate e = EstimateWait({{s}, {Decoding(1, 30)}}, kRoomy, Costs(1));
  EXPECT_EQ(WaitOf(e, 0, 0, 0), 70 * absl::Milliseconds(10) + absl::Milliseconds(52));
}

TEST(EstimateWait, ANewcomerWaitsForItsTurnOnly) {
  Sequence second = Waiting(3, 1, 40), third = Waiting(4, 1, 40);
  second.turn = 1;
  third.turn = 2;
  const WaitEstimate e =
      EstimateWait({{third, Waiting(2, 1, 40), second}, {Decoding(1, 30)}}, kRoomy, Costs(1));
  const absl::Duration token = absl::Milliseconds(10), row = absl::Milliseconds(1);
  EXPECT_EQ(WaitOf(e, 1, 5, 0), 30 * token) << "a higher priority waits for nobody";
  EXPECT_EQ(WaitOf(e, 0, 0, 0), 70 * token + row);
  EXPECT_EQ(WaitOf(e, 0, 1, 0), 110 * token + 2 * row);
  EXPECT_EQ(WaitOf(e, 0, 7, 0), 150 * token + 3 * row);
}

TEST(EstimateWait, PriorityPassesThoseBelow) {
  const WaitEstimate e = EstimateWait(
      {{Waiting(2, 1, 40), Waiting(3, 1, 40, 5), Waiting(4, 1, 40, -5)}, {Decoding(1, 30)}}, kRoomy,
      Costs(1));
  const absl::Duration token = absl::Milliseconds(10), row = absl::Milliseconds(1);
  EXPECT_EQ(WaitOf(e, 6, 0, 0), 30 * token);
  EXPECT_EQ(WaitOf(e, 5, 0, 0), 70 * token + row);
  EXPECT_EQ(WaitOf(e, 1, 0, 0), 70 * token + row);
  EXPECT_EQ(WaitOf(e, 0, 0, 0), 110 * token + 2 * row);
  EXPECT_EQ(WaitOf(e, -9, 0, 0), 150 * token + 3 * row);
}

TEST(EstimateWait, MemoryCanBeFewerPlacesThanTheBatch) {
  Sequence large = Decoding(1, 100);
  large.prompt_tokens = 540;
  large.computed = 540;
  large.known_tokens = 541;
  large.blocks = 9;
  const WaitEstimate e = EstimateWait({{}, {large}}, {12, 3, 64}, Costs(8));
  EXPECT_EQ(e.free_places, 0);
  EXPECT_EQ(WaitOf(e, 0, 0, 0), absl::Seconds(1));
}

// A prompt of which all but the absorbed rows are known makes no keys of its context ready.
TEST(EstimateWait, AbsorbedRowsMakeNoKeysReady) {
  Policy p = Costs(1);
  p.cost.per_kilopair = absl::Milliseconds(1);
  p.cost.pairs_per_key = 410;
  p.cost.absorbed_pair = 3.4;
  Sequence known = Waiting(2, 2112, 40);
  known.computed = 2048;
  known.first_absorbed = 2048;
  const absl::Duration wait =
      WaitOf(EstimateWait({{known}, {Decoding(1, 30)}}, kRoomy, p), 0, 0, 0);
  // 64 rows see 2,080 keys in the mean: 3.4 times as dear, and no key at 410.
  const double pairs = 64 * 2080.0;
  EXPECT_NEAR(absl::ToDoubleMilliseconds(wait), 700 + 64 + 3.4 * pairs / 1000, 1);
}

TEST(EstimateWait, NothingMeasuredNothingRefused) {
  Policy p = Costs(1);
  p.cost = {};
  EXPECT_EQ(WaitOf(EstimateWait({{Waiting(2, 500, 40)}, {Decoding(1, 30)}}, kRoomy, p), 0, 0, 5),
            absl::ZeroDuration());
}

}  // namespace
}  // namespace deepseek::engine
