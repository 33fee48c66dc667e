#include "engine/schedule/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deepseek::engine {

void PrintTo(const Work& w, std::ostream* os) {
  *os << "{id " << w.id << ", rows " << w.rows << ", blocks " << w.blocks << "}";
}

namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const absl::Time kNow = absl::FromUnixSeconds(1'000'000);

MATCHER_P3(IsWork, id, rows, blocks, "") {
  return arg.id == uint64_t(id) && arg.rows == rows && arg.blocks == blocks;
}

Sequence Waiting(uint64_t id, int32_t prompt, int32_t priority = 0) {
  Sequence s;
  s.id = s.ticket = id;
  s.priority = priority;
  s.arrival = kNow;
  s.known_tokens = s.prompt_tokens = prompt;
  s.answer_left = 1000;
  return s;
}

Sequence Running(uint64_t id, int32_t prompt, int32_t known, int32_t computed,
                 int32_t priority = 0) {
  Sequence s = Waiting(id, prompt, priority);
  s.known_tokens = known;
  s.computed = computed;
  s.blocks = BlocksFor(std::max(prompt, computed), 64);
  return s;
}

Sequence Decoding(uint64_t id, int32_t known, int32_t priority = 0) {
  return Running(id, 1, known, known - 1, priority);
}

Policy Rows(int32_t rows, int32_t batch = 32) {
  Policy p;
  p.max_batch = batch;
  p.max_rows = rows;
  p.step_target = absl::InfiniteDuration();
  return p;
}

constexpr Cache kRoomy{1000, 1000, 64};

TEST(Plan, NothingToDo) {
  const Step step = Plan({}, kRoomy, Rows(512), kNow);
  EXPECT_THAT(step.work, IsEmpty());
  EXPECT_EQ(step.wake, absl::InfiniteFuture());
}

TEST(Plan, AdmitsInOrderOfArrivalAndCutsTheLastPrompt) {
  const Step step =
      Plan({{Waiting(2, 100), Waiting(1, 450), Waiting(3, 5)}, {}}, kRoomy, Rows(512), kNow);
  EXPECT_THAT(step.admit, ElementsAre(1, 2));
  EXPECT_THAT(step.work, ElementsAre(IsWork(1, 450, 8), IsWork(2, 62, 2)));
}

TEST(Plan, GeneratedRowsGoBeforePromptRows) {
  const Step step = Plan({{Waiting(9, 600)}, {Running(1, 600, 600, 512), Decoding(2, 30)}}, kRoomy,
                         Rows(100), kNow);
  EXPECT_THAT(step.work, ElementsAre(IsWork(2, 1, 1), IsWork(1, 88, 10), IsWork(9, 11, 10)));
}

TEST(Plan, TheStepTargetCutsChunks) {
  Policy p = Rows(512);
  p.step_target = absl::Milliseconds(100);
  p.cost.per_generated_row = absl::Milliseconds(10);
  p.cost.per_prompt_row = absl::Milliseconds(1);
  const Step step = Plan({{Waiting(9, 600)}, {Decoding(1, 30), Decoding(2, 30)}}, kRoomy, p, kNow);
  EXPECT_THAT(step.work, ElementsAre(IsWork(1, 1, 1), IsWork(2, 1, 1), IsWork(9, 80, 10)));
}

TEST(Plan, ALongContextCutsChunksFurther) {
  Policy p = Rows(512);
  p.step_target = absl::Milliseconds(100);
  p.cost.per_generated_row = absl::Milliseconds(10);
  p.cost.per_prompt_row = absl::Milliseconds(1);
  p.cost.per_kilopair = absl::Milliseconds(1);
  // 90 ms: 17 rows of 1 ms and 4,000 keys, and 4 rows of the next prompt for what is left.
  const Step step =
      Plan({{Waiting(9, 600)}, {Running(2, 6000, 6000, 4000), Decoding(1, 30)}}, kRoomy, p, kNow);
  EXPECT_THAT(step.work, ElementsAre(IsWork(1, 1, 1), IsWork(2, 17, 94), IsWork(9, 4, 10)));
  // Where each key has to be made first, no row of a second chunk fits beside its context.
  p.cost.pairs_per_key = 5;
  EXPECT_THAT(
      Plan({{}, {Running(2, 6000, 6000, 4000), Running(3, 6000, 6000, 4000), Decoding(1, 30)}},
           kRoomy, p, kNow)
          .work,
      ElementsAre(IsWork(1, 1, 1), IsWork(2, 16, 94)));
}

TEST(Plan, AGeneratedRowTakesABlockAtTheBorder) {
  EXPECT_THAT(Plan({{}, {Decoding(1, 64)}}, kRoomy, Rows(512), kNow).work,
              ElementsAre(IsWork(1, 1, 1)));
  EXPECT_THAT(Plan({{}, {Decoding(1, 65)}}, kRoomy, Rows(512), kNow).work,
              ElementsAre(IsWork(1, 1, 2)));
}

TEST(Plan, HigherPriorityIsAdmittedFirst) {
  const Step step =
      Plan({{Waiting(1, 10), Waiting(2, 10, 5), Waiting(3, 10, -1)}, {}}, kRoomy, Rows(512), kNow);
  EXPECT_THAT(step.admit, ElementsAre(2, 1, 3));
}

TEST(Plan, MaxBatchHoldsTheRestBack) {
  const Step step =
      Plan({{Waiting(2, 10), Waiting(3, 10)}, {Decoding(1, 20)}}, kRoomy, Rows(512, 2), kNow);
  EXPECT_THAT(step.admit, ElementsAre(2));
}

TEST(Plan, NobodyOvertakesAWaitingSeniorThatDoesNotFit) {
  const Step step =
      Plan({{Waiting(2, 640), Waiting(3, 10)}, {Decoding(1, 20)}}, {10, 9, 64}, Rows(1024), kNow);
  EXPECT_THAT(step.admit, IsEmpty());
  EXPECT_THAT(step.work, ElementsAre(IsWork(1, 1, 1)));
}

TEST(Plan, AdmissionLeavesABlockForEachRunningSequence) {
  const Queues queues{{Waiting(3, 64 * 3)}, {Decoding(1, 20), Decoding(2, 20)}};
  EXPECT_THAT(Plan(queues, {7, 4, 64}, Rows(512), kNow).admit, IsEmpty());
  EXPECT_THAT(Plan(queues, {7, 5, 64}, Rows(512), kNow).admit, ElementsAre(3));
}

TEST(Plan, NoBlockIsKeptForASequenceThatHasAllItMayNeed) {
  Sequence first = Decoding(1, 60);  // of 64 in its block, and the last token is never computed
  first.answer_left = 5;
  EXPECT_THAT(Plan({{Waiting(2, 60)}, {first}}, {2, 1, 64}, Rows(512), kNow).admit, ElementsAre(2));
  first.answer_left = 6;
  EXPECT_THAT(Plan({{Waiting(2, 60)}, {first}}, {2, 1, 64}, Rows(512), kNow).admit, IsEmpty());
}

TEST(Plan, NoBlockIsKeptForThoseLetInInTheSameStepThatHaveAllTheyMayNeed) {
  Sequence first = Waiting(1, 60);
  first.answer_left = 5;
  EXPECT_THAT(Plan({{first, Waiting(2, 60)}, {}}, {2, 2, 64}, Rows(512), kNow).admit,
              ElementsAre(1, 2));
  first.answer_left = 6;
  EXPECT_THAT(Plan({{first, Waiting(2, 60)}, {}}, {2, 2, 64}, Rows(512), kNow).admit,
              ElementsAre(1));
}

TEST(Plan, ASequenceThatFillsTheCacheRunsAlone) {
  EXPECT_THAT(Plan({{Waiting(1, 640)}, {}}, {10, 10, 64}, Rows(1024), kNow).admit, ElementsAre(1));
}

TEST(Plan, TheYoungestIsPreemptedWhenAnOlderOneGrows) {
  const Step step =
      Plan({{}, {Decoding(3, 70), Decoding(1, 65), Decoding(2, 30)}}, {5, 0, 64}, Rows(512), kNow);
  EXPECT_THAT(step.preempt, ElementsAre(3));
  EXPECT_THAT(step.work, ElementsAre(IsWork(1, 1, 2), IsWork(2, 1, 1)));
}

TEST(Plan, TheYoungestGivesWayToItselfWhenItGrows) {
  const Step step = Plan({{}, {Decoding(1, 64), Decoding(2, 65)}}, {2, 0, 64}, Rows(512), kNow);
  EXPECT_THAT(step.preempt, ElementsAre(2));
  EXPECT_THAT(step.work, ElementsAre(IsWork(1, 1, 1)));
}

TEST(Plan, LowPriorityIsPreemptedBeforeYoung) {
  const Step step = Plan({{}, {Decoding(1, 30, -1), Decoding(2, 65)}}, {2, 0, 64}, Rows(512), kNow);
  EXPECT_THAT(step.preempt, ElementsAre(1));
  EXPECT_THAT(step.work, ElementsAre(IsWork(2, 1, 2)));
}

TEST(Plan, HighPriorityTakesThePlaceOfLow) {
  const Step step =
      Plan({{Waiting(9, 60, 1)}, {Decoding(1, 30), Decoding(2, 30)}}, {2, 0, 64}, Rows(512), kNow);
  EXPECT_THAT(step.preempt, ElementsAre(2, 1))
      << "one block for the newcomer, one of room for the other";
  EXPECT_THAT(step.admit, ElementsAre(9));
  EXPECT_THAT(step.work, ElementsAre(IsWork(9, 60, 1)));
}

TEST(Plan, HighPriorityTakesASlotWhenTheBatchIsFull) {
  const Step step =
      Plan({{Waiting(9, 60, 1)}, {Decoding(1, 30), Decoding(2, 30)}}, kRoomy, Rows(512, 2), kNow);
  EXPECT_THAT(step.preempt, ElementsAre(2));
  EXPECT_THAT(step.work, ElementsAre(IsWork(1, 1, 1), IsWork(9, 60, 1)));
}

TEST(Plan, NobodyIsPreemptedForARequestThatWouldStillNotFit) {
  const Step step = Plan({{Waiting(9, 600, 1)}, {Decoding(1, 30, 1), Decoding(2, 30)}}, {10, 8, 64},
                         Rows(1024), kNow);
  EXPECT_THAT(step.preempt, IsEmpty());
  EXPECT_THAT(step.admit, IsEmpty());
}

TEST(Plan, PromptsOfHighPriorityGoFirstEvenWhenOthersAreUnderWay) {
  const Step step =
      Plan({{Waiting(9, 100, 1)}, {Running(1, 600, 600, 64)}}, kRoomy, Rows(100), kNow);
  EXPECT_THAT(step.work, ElementsAre(IsWork(9, 100, 2)));
}

TEST(Plan, DeadlinesEndRunningAndWaitingAndFreeTheirBlocks) {
  Sequence late = Decoding(1, 130);
  late.deadline = kNow;
  Sequence late_waiting = Waiting(2, 10);
  late_waiting.deadline = kNow - absl::Seconds(1);
  const Step step = Plan({{late_waiting, Waiting(3, 130)}, {late}}, {3, 0, 64}, Rows(512), kNow);
  EXPECT_THAT(step.expire, ::testing::UnorderedElementsAre(1, 2));
  EXPECT_THAT(step.admit, ElementsAre(3));
}

TEST(Plan, AnIdleEngineWaitsForCompany) {
  Policy p = Rows(512);
  p.max_batch_delay = absl::Milliseconds(50);
  Queues q{{Waiting(1, 10)}, {}};
  const Step step = Plan(q, kRoomy, p, kNow + absl::Milliseconds(20));
  EXPECT_THAT(step.work, IsEmpty());
  EXPECT_EQ(step.wake, kNow + absl::Milliseconds(50));
  EXPECT_THAT(Plan(q, kRoomy, p, kNow + absl::Milliseconds(50)).admit, ElementsAre(1));
}

TEST(Plan, ADeadlineCutsTheWaitForCompany) {
  Policy p = Rows(512);
  p.max_batch_delay = absl::Milliseconds(50);
  Queues q{{Waiting(1, 10)}, {}};
  q.waiting[0].deadline = kNow + absl::Milliseconds(10);
  EXPECT_EQ(Plan(q, kRoomy, p, kNow).wake, kNow + absl::Milliseconds(10));
}

TEST(Plan, AFullBatchOrARunningOneDoesNotWait) {
  Policy p = Rows(512, 2);
  p.max_batch_delay = absl::Hours(1);
  EXPECT_THAT(Plan({{Waiting(1, 10), Waiting(2, 10)}, {}}, kRoomy, p, kNow).admit,
              ElementsAre(1, 2));
  EXPECT_THAT(Plan({{Waiting(2, 10)}, {Decoding(1, 9)}}, kRoomy, p, kNow).admit, ElementsAre(2));
}

TEST(Plan, RowsToComputeAgainAreCutLikePrompts) {
  Sequence again = Waiting(1, 100);
  again.known_tokens = 300;  // 200 were generated before it was preempted
  const Step step = Plan({{again}, {}}, kRoomy, Rows(128), kNow);
  EXPECT_THAT(step.work, ElementsAre(IsWork(1, 128, 5)));
}

// Holders of blocks 0, 1, 2, ..: what the tests below share.
Sequence Sharing(Sequence s, absl::Span<const int32_t> kept) {
  s.kept = kept;
  if (s.blocks == 0) s.computed = static_cast<int32_t>(kept.size()) * 64;
  return s;
}

TEST(Plan, WhatThePrefixCacheHasIsNotComputed) {
  const std::vector<int32_t> kept = {0, 1}, holders = {0, 0, 0};
  const Step step =
      Plan({{Sharing(Waiting(1, 150), kept)}, {}}, {3, 3, 64, holders}, Rows(512), kNow);
  EXPECT_THAT(step.work, ElementsAre(IsWork(1, 22, 3)));
}

TEST(Plan, BlocksThatOthersHoldTakeNoRoom) {
  const std::vector<int32_t> kept = {0, 1};
  const Sequence running = Sharing(Running(1, 150, 151, 150), kept);  // three blocks
  const Queues queues{{Sharing(Waiting(2, 150), kept)}, {running}};
  EXPECT_THAT(Plan(queues, {5, 2, 64, std::vector<int32_t>{1, 1, 1, 0, 0}}, Rows(512), kNow).admit,
              ElementsAre(2));
  // Idle ones do: with nobody else to hold them they are among the free ones.
  const Queues alone{{Sharing(Waiting(2, 150), kept)}, {Decoding(1, 30)}};
  EXPECT_THAT(Plan(alone, {4, 3, 64, std::vector<int32_t>{0, 0, 0, 1}}, Rows(512), kNow).admit,
              IsEmpty());
  EXPECT_THAT(Plan(alone, {5, 4, 64, std::vector<int32_t>{0, 0, 0, 1, 0}}, Rows(512), kNow).admit,
              ElementsAre(2));
}

TEST(Plan, APreemptedSequenceGivesBackOnlyWhatNobodyElseHolds) {
  const std::vector<int32_t> kept = {0}, holders = {2, 1, 1, 1};
  const Sequence senior = Sharing(Running(1, 64, 129, 128), kept);  // needs a third block
  const Sequence junior = Sharing(Running(3, 64, 100, 99), kept);   // holds two, one alone
  const Sequence middle = Decoding(2, 30);
  const Step step = Plan({{}, {junior, middle, senior}}, {4, 0, 64, holders}, Rows(512), kNow);
  EXPECT_THAT(step.preempt, ElementsAre(3)) << "its own block is enough";
  EXPECT_THAT(step.work, ElementsAre(IsWork(1, 1, 3), IsWork(2, 1, 1)));
}

TEST(Plan, BlocksThatOnlyVictimsHoldAreFreeOnceAllOfThemAreGone) {
  const std::vector<int32_t> kept = {0, 1}, holders = {2, 2, 1, 1};
  Sequence a = Sharing(Running(1, 129, 130, 129), kept);
  Sequence b = Sharing(Running(2, 129, 130, 129), kept);
  const Step step = Plan({{Waiting(9, 200, 1)}, {a, b}}, {4, 0, 64, holders}, Rows(512), kNow);
  EXPECT_THAT(step.preempt, ElementsAre(2, 1));
  EXPECT_THAT(step.admit, ElementsAre(9));
}

TEST(Plan, WhoFollowsASeniorWaitsForItsRows) {
  Sequence follower = Waiting(2, 200);
  follower.follows = true;
  const Step step =
      Plan({{follower, Waiting(3, 10)}, {Running(1, 200, 200, 64)}}, kRoomy, Rows(512), kNow);
  EXPECT_THAT(step.admit, IsEmpty()) << "nor is it overtaken";
  EXPECT_THAT(step.work, ElementsAre(IsWork(1, 136, 4)));
}

TEST(Plan, DoesNotDependOnTheOrderOfTheQueues) {
  Queues q{{Waiting(5, 70), Waiting(4, 70, 2), Waiting(6, 70)},
           {Decoding(3, 65), Decoding(1, 129), Decoding(2, 64)}};
  const Step a = Plan(q, {8, 2, 64}, Rows(512), kNow);
  std::reverse(q.waiting.begin(), q.waiting.end());
  std::reverse(q.running.begin(), q.running.end());
  const Step b = Plan(q, {8, 2, 64}, Rows(512), kNow);
  EXPECT_EQ(a.admit, b.admit);
  EXPECT_EQ(a.preempt, b.preempt);
  ASSERT_EQ(a.work.size(), b.work.size());
  for (size_t i = 0; i < a.work.size(); ++i) {
    EXPECT_THAT(b.work[i], IsWork(a.work[i].id, a.work[i].rows, a.work[i].blocks));
  }
}

}  // namespace
}  // namespace deepseek::engine
