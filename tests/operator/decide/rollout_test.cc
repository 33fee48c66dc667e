#include "operator/decide/rollout.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <numeric>

namespace deepseek::decide {
namespace {

Share S(int want, int ready) {
  return {.exists = true, .want = want, .ready = ready, .pods = want, .settled = true};
}
// Has served at full count once.
Share P(int want, int ready) {
  Share share = S(want, ready);
  share.proven = true;
  return share;
}
Share Absent() {
  return {};
}

struct Case {
  const char* name;
  int replicas, surge, unavailable;
  bool recreate, paused;
  Share current;
  std::vector<Share> old;
  bool create;
  int next;
  std::vector<int> next_old;
};

class RolloutTest : public ::testing::TestWithParam<Case> {};

TEST_P(RolloutTest, NextReplicas) {
  const Case& c = GetParam();
  api::Rollout rollout;
  rollout.strategy = c.recreate ? api::Strategy::kRecreate : api::Strategy::kRolling;
  rollout.max_surge = c.surge;
  rollout.max_unavailable = c.unavailable;
  const Replicas next = NextReplicas(c.replicas, rollout, c.paused, c.current, c.old);
  EXPECT_EQ(next.create_current, c.create);
  EXPECT_EQ(next.current, c.next);
  EXPECT_EQ(next.old, c.next_old);
}

constexpr bool kRoll = false, kRecreate = true, kGo = false, kPaused = true;

INSTANTIATE_TEST_SUITE_P(
    Table, RolloutTest,
    ::testing::Values(
        // The first revision, and scaling.
        Case{"first", 3, 1, 0, kRoll, kGo, Absent(), {}, true, 3, {}},
        Case{"zero", 0, 1, 0, kRoll, kGo, Absent(), {}, true, 0, {}},
        Case{"scale_up", 5, 1, 0, kRoll, kGo, S(3, 3), {}, true, 5, {}},
        Case{"scale_down", 1, 1, 0, kRoll, kGo, S(3, 3), {}, true, 1, {}},
        Case{"scale_to_zero", 0, 1, 0, kRoll, kGo, S(3, 3), {}, true, 0, {}},
        // Rolling, one at a time, no gap.
        Case{"surge_first", 3, 1, 0, kRoll, kGo, Absent(), {S(3, 3)}, true, 1, {3}},
        Case{"wait_for_ready", 3, 1, 0, kRoll, kGo, S(1, 0), {S(3, 3)}, true, 1, {3}},
        Case{"ready_takes_one_old", 3, 1, 0, kRoll, kGo, S(1, 1), {S(3, 3)}, true, 1, {2}},
        Case{"room_for_the_next", 3, 1, 0, kRoll, kGo, S(1, 1), {S(2, 2)}, true, 2, {2}},
        Case{"last_old_one", 3, 1, 0, kRoll, kGo, S(3, 3), {S(1, 1)}, true, 3, {0}},
        Case{"done", 3, 1, 0, kRoll, kGo, S(3, 3), {S(0, 0)}, true, 3, {0}},
        Case{"surge_three", 3, 3, 0, kRoll, kGo, Absent(), {S(3, 3)}, true, 3, {3}},
        Case{"one_replica", 1, 1, 0, kRoll, kGo, S(1, 0), {S(1, 1)}, true, 1, {1}},
        Case{"one_replica_ready", 1, 1, 0, kRoll, kGo, S(1, 1), {S(1, 1)}, true, 1, {0}},
        // maxUnavailable: old ones may go before new ones come.
        Case{"unavailable_first", 3, 0, 1, kRoll, kGo, Absent(), {S(3, 3)}, true, 0, {2}},
        Case{"unavailable_second", 3, 0, 1, kRoll, kGo, S(0, 0), {S(2, 2)}, true, 1, {2}},
        Case{"unavailable_all", 2, 0, 2, kRoll, kGo, Absent(), {S(2, 2)}, true, 0, {0}},
        // Pods of a proven revision may be ready again in a moment: the minimum counts them.
        Case{"proven_blip", 3, 1, 0, kRoll, kGo, S(1, 0), {P(3, 0)}, true, 1, {3}},
        Case{"proven_blip_of_one", 1, 1, 0, kRoll, kGo, S(1, 0), {P(1, 0)}, true, 1, {1}},
        Case{"proven_partly_ready", 3, 1, 0, kRoll, kGo, Absent(), {P(3, 2)}, true, 1, {3}},
        Case{"proven_unready_goes_first", 3, 1, 0, kRoll, kGo, S(1, 1), {P(3, 2)}, true, 1, {2}},
        Case{"proven_gone_for_good", 1, 1, 0, kRoll, kGo, S(1, 1), {P(1, 0)}, true, 1, {0}},
        Case{"proven_beyond_the_minimum", 3, 1, 1, kRoll, kGo, S(1, 0), {P(3, 0)}, true, 1, {2}},
        Case{"proven_makes_room_without_surge",
             2,
             0,
             1,
             kRoll,
             kGo,
             S(0, 0),
             {P(2, 0)},
             true,
             0,
             {1}},
        Case{"proven_surplus", 1, 1, 0, kRoll, kGo, S(1, 0), {P(3, 0)}, true, 1, {1}},
        Case{"unproven_beside_proven",
             3,
             1,
             0,
             kRoll,
             kGo,
             S(1, 0),
             {S(1, 0), P(3, 0)},
             true,
             1,
             {0, 3}},
        // Unready old pods of one that never served hold GPUs for nothing.
        Case{"old_failed", 1, 1, 0, kRoll, kGo, Absent(), {S(1, 0)}, true, 1, {0}},
        Case{"old_partly_ready", 3, 1, 0, kRoll, kGo, Absent(), {S(3, 2)}, true, 1, {2}},
        Case{"two_olds", 3, 1, 0, kRoll, kGo, Absent(), {S(1, 0), S(3, 3)}, true, 0, {0, 3}},
        Case{"two_olds_ready_front_first",
             3,
             1,
             0,
             kRoll,
             kGo,
             S(1, 1),
             {S(1, 1), S(2, 2)},
             true,
             1,
             {0, 2}},
        Case{"unsettled_old_waits",
             2,
             1,
             0,
             kRoll,
             kGo,
             Absent(),
             {Share{.exists = true, .want = 2, .ready = 0, .pods = 0, .settled = false}},
             true,
             1,
             {2}},
        // replicas changes in mid-rollout.
        Case{"more_in_mid_rollout", 5, 1, 0, kRoll, kGo, S(1, 1), {S(2, 2)}, true, 4, {2}},
        Case{"fewer_in_mid_rollout", 1, 1, 0, kRoll, kGo, S(1, 1), {S(3, 3)}, true, 1, {0}},
        Case{"zero_in_mid_rollout", 0, 1, 0, kRoll, kGo, S(1, 0), {S(3, 3)}, true, 0, {0}},
        // Paused.
        Case{"paused_before_the_first", 2, 1, 0, kRoll, kPaused, Absent(), {}, false, 0, {}},
        Case{"paused_before_a_change", 2, 1, 0, kRoll, kPaused, Absent(), {S(2, 2)}, false, 0, {2}},
        Case{"paused_midway", 3, 1, 0, kRoll, kPaused, S(1, 1), {S(3, 3)}, true, 1, {3}},
        Case{"paused_and_scaled_up", 5, 1, 0, kRoll, kPaused, S(1, 1), {S(3, 3)}, true, 1, {4}},
        Case{"paused_grow_one_empty",
             5,
             1,
             0,
             kRoll,
             kPaused,
             S(1, 1),
             {S(3, 3), S(0, 0)},
             true,
             1,
             {4, 0}},
        Case{"paused_and_scaled_down", 1, 1, 0, kRoll, kPaused, S(1, 1), {S(3, 3)}, true, 1, {1}},
        Case{"paused_keeps_unready_old", 3, 1, 0, kRoll, kPaused, S(1, 0), {S(3, 1)}, true, 1, {3}},
        Case{"paused_unready_old_go_first",
             2,
             1,
             0,
             kRoll,
             kPaused,
             Absent(),
             {S(4, 1)},
             false,
             0,
             {2}},
        Case{"paused_a_failed_old_shrinks",
             1,
             1,
             0,
             kRoll,
             kPaused,
             Absent(),
             {S(4, 0)},
             false,
             0,
             {1}},
        Case{"paused_beside_a_surge", 2, 1, 0, kRoll, kPaused, S(1, 1), {S(4, 1)}, true, 1, {2}},
        Case{"paused_unready_of_any_old_before_ready_ones",
             2,
             1,
             0,
             kRoll,
             kPaused,
             Absent(),
             {S(2, 2), S(2, 1)},
             false,
             0,
             {2, 1}},
        Case{"paused_alone_ready_ones_to_the_number",
             2,
             1,
             0,
             kRoll,
             kPaused,
             Absent(),
             {S(4, 4)},
             false,
             0,
             {2}},
        Case{"paused_unsettled_is_not_judged",
             2,
             1,
             0,
             kRoll,
             kPaused,
             Absent(),
             {Share{.exists = true, .want = 4, .ready = 1, .pods = 1, .settled = false}},
             false,
             0,
             {4}},
        // Recreate.
        Case{"recreate_stops_all", 3, 1, 0, kRecreate, kGo, Absent(), {S(3, 3)}, false, 0, {0}},
        Case{"recreate_waits_for_the_last_pod",
             3,
             1,
             0,
             kRecreate,
             kGo,
             Absent(),
             {Share{.exists = true, .want = 0, .ready = 0, .pods = 1, .settled = true}},
             false,
             0,
             {0}},
        Case{"recreate_starts", 3, 1, 0, kRecreate, kGo, Absent(), {S(0, 0)}, true, 3, {0}},
        Case{"recreate_first", 2, 1, 0, kRecreate, kGo, Absent(), {}, true, 2, {}},
        Case{"recreate_scales", 1, 1, 0, kRecreate, kGo, S(2, 2), {}, true, 1, {}},
        Case{"recreate_paused_before_the_first",
             2,
             1,
             0,
             kRecreate,
             kPaused,
             Absent(),
             {},
             false,
             0,
             {}},
        Case{"recreate_paused_and_scaled", 4, 1, 0, kRecreate, kPaused, S(2, 2), {}, true, 4, {}},
        Case{"recreate_in_mid_rolling", 3, 1, 0, kRecreate, kGo, S(1, 1), {S(2, 2)}, true, 1, {0}},
        Case{"paused_and_alone_is_scaled",
             4,
             1,
             0,
             kRoll,
             kPaused,
             S(2, 2),
             {S(0, 0)},
             true,
             4,
             {0}},
        Case{"paused_the_last_carries_more",
             6,
             1,
             0,
             kRoll,
             kPaused,
             S(1, 1),
             {S(1, 1), S(2, 2)},
             true,
             1,
             {1, 4}},
        Case{"unready_surge_is_no_reason_to_take",
             3,
             1,
             0,
             kRoll,
             kGo,
             S(3, 2),
             {S(1, 1)},
             true,
             3,
             {1}},
        Case{"paused_at_zero",
             2,
             1,
             0,
             kRoll,
             kPaused,
             Absent(),
             {S(0, 0), S(0, 0)},
             false,
             0,
             {0, 2}},
        Case{"recreate_paused_at_zero",
             2,
             1,
             0,
             kRecreate,
             kPaused,
             Absent(),
             {S(0, 0)},
             false,
             0,
             {0}},
        Case{"recreate_paused", 3, 1, 0, kRecreate, kPaused, Absent(), {S(3, 3)}, false, 0, {3}},
        Case{"recreate_paused_fewer",
             1,
             1,
             0,
             kRecreate,
             kPaused,
             Absent(),
             {S(3, 1)},
             false,
             0,
             {1}},
        Case{"recreate_paused_more",
             5,
             1,
             0,
             kRecreate,
             kPaused,
             Absent(),
             {S(3, 3)},
             false,
             0,
             {5}}),
    [](const auto& info) { return std::string(info.param.name); });

Share AnyShare() {
  const int want = *rc::gen::inRange(0, 8);
  return {.exists = true,
          .want = want,
          .ready = *rc::gen::inRange(0, want + 2),
          .pods = *rc::gen::inRange(0, want + 3),
          .settled = *rc::gen::arbitrary<bool>(),
          .proven = *rc::gen::arbitrary<bool>()};
}

// Whatever the state: a step never grows the total beyond the surge and never takes ready pods
// below the minimum.
TEST(RolloutProperty, EveryStepIsSafe) {
  EXPECT_TRUE(rc::check("every step is safe", [] {
    const int replicas = *rc::gen::inRange(0, 8);
    api::Rollout rollout;
    rollout.max_surge = *rc::gen::inRange(0, 4);
    rollout.max_unavailable = *rc::gen::inRange(rollout.max_surge == 0 ? 1 : 0, 4);
    const bool paused = *rc::gen::arbitrary<bool>();
    const Share current = *rc::gen::arbitrary<bool>() ? AnyShare() : Absent();
    std::vector<Share> old;
    for (int i = *rc::gen::inRange(1, 4); i > 0; --i) old.push_back(AnyShare());
    const Replicas next = NextReplicas(replicas, rollout, paused, current, old);

    RC_ASSERT(next.old.size() == old.size());
    const int before =
        current.want + std::accumulate(old.begin(), old.end(), 0,
                                       [](int sum, const Share& s) { return sum + s.want; });
    const int after = next.current + std::accumulate(next.old.begin(), next.old.end(), 0);
    RC_ASSERT(after <= std::max(before, replicas + rollout.max_surge));

    int ready_before = std::min(current.ready, current.want),
        ready_after = std::min(current.ready, next.current);
    for (size_t i = 0; i < old.size(); ++i) {
      RC_ASSERT(next.old[i] >= 0);
      ready_before += std::min(old[i].ready, old[i].want);
      ready_after += std::min(old[i].ready, next.old[i]);
    }
    RC_ASSERT(ready_after >= std::min(ready_before, replicas - rollout.max_unavailable));
    // Nor does it give up what may serve again before others serve in its place.
    int hope_before = std::min(current.ready, current.want),
        hope_after = std::min(current.ready, next.current);
    for (size_t i = 0; i < old.size(); ++i) {
      hope_before += old[i].proven ? old[i].want : std::min(old[i].ready, old[i].want);
      hope_after += old[i].proven ? next.old[i] : std::min(old[i].ready, next.old[i]);
    }
    if (!paused) RC_ASSERT(hope_after >= std::min(hope_before, replicas - rollout.max_unavailable));
    // Paused, a step never takes what the next one would have to add.
    if (paused) RC_ASSERT(after >= std::min(before, replicas));
  }));
}

}  // namespace
}  // namespace deepseek::decide
