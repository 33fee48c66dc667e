// The operator dies after every single write, in every kind of change: a new one reaches the same
// end state, and no pod is restarted that the undisturbed run did not restart.

#include <gtest/gtest.h>

#include "base/strings.h"
#include "tests/operator/reconcile/harness.h"

namespace deepseek::reconcile {
namespace {

struct Change {
  const char* name;
  Json before;  ///< null: nothing exists before
  Json after;   ///< null: deleted
};

void Do(Harness* h, const Change& change) {
  if (!change.before.is_null()) {
    h->Apply("demo", change.before);
    h->Converge("demo");
  }
  if (change.after.is_null()) {
    h->Delete("demo");
  } else {
    h->Apply("demo", change.after);
  }
}

std::vector<Change> Changes() {
  return {
      {"create", Json(), Spec({{"replicas", 2}})},
      {"image", Spec({{"replicas", 2}}),
       Spec({{"replicas", 2}, {"engine", {{"image", "agent:x"}}}})},
      {"scale up", Spec({{"replicas", 1}}), Spec({{"replicas", 3}})},
      {"scale down", Spec({{"replicas", 3}}), Spec({{"replicas", 1}})},
      {"recreate", Spec({{"replicas", 2}}),
       Spec({{"replicas", 2},
             {"engine", {{"maxBatch", 2}}},
             {"rollout", {{"strategy", "Recreate"}}}})},
      {"service", Spec(), Spec({{"traffic", {{"service", {{"type", "NodePort"}}}}}})},
      {"retry", Spec(), Spec({{"rollout", {{"retryToken", "a"}}}})},
      {"delete", Spec({{"replicas", 2}}), Json()},
  };
}

class CrashTest : public ::testing::TestWithParam<Change> {};

TEST_P(CrashTest, AfterEveryWriteTheEndIsTheSame) {
  Harness calm;
  Do(&calm, GetParam());
  const int before = calm.Writes();
  calm.Converge("demo");
  const std::string expected = calm.EndState();
  const std::vector<std::string> pods = calm.Pods();
  const int writes = calm.Writes() - before;

  for (int n = 1; n <= writes; ++n) {
    SCOPED_TRACE(StrCat("crash after write ", n, " of ", writes));
    Harness h;
    Do(&h, GetParam());
    h.server->CrashAfterWrite(h.Writes() + n);
    h.Converge("demo");
    EXPECT_TRUE(h.server->crashed());
    h.server->Restart();
    h.Upgrade("agent:1", "0.1.0");
    h.Converge("demo");
    ASSERT_EQ(h.EndState(), expected);
    ASSERT_EQ(h.Pods(), pods) << "a pod more or less was made than in the undisturbed run";
  }
}

INSTANTIATE_TEST_SUITE_P(Changes, CrashTest, ::testing::ValuesIn(Changes()), [](const auto& info) {
  std::string name = info.param.name;
  for (char& c : name) c = c == ' ' ? '_' : c;
  return name;
});

// A revert in mid-rollout, with the crash anywhere on the way there and back.
TEST(CrashTest, RevertingInMidRollout) {
  const Json first = Spec({{"replicas", 3}}),
             second = Spec({{"replicas", 3}, {"engine", {{"maxBatch", 3}}}});
  const auto begin = [&](Harness* h) {
    h->Apply("demo", first);
    h->Converge("demo");
    h->Apply("demo", second);
    for (int i = 0; i < 3; ++i) {
      h->Reconcile("demo");
      h->workloads.Step();
    }
    h->Apply("demo", first);
  };
  Harness calm;
  begin(&calm);
  const int before = calm.Writes();
  calm.Converge("demo", [&] { EXPECT_GE(calm.ReadyPods(), 3); });
  const std::string expected = calm.EndState();
  const int writes = calm.Writes() - before;
  ASSERT_GT(writes, 3);
  for (int n = 1; n <= writes; ++n) {
    SCOPED_TRACE(StrCat("crash after write ", n));
    Harness h;
    begin(&h);
    h.server->CrashAfterWrite(h.Writes() + n);
    h.Converge("demo", [&] { EXPECT_GE(h.ReadyPods(), 3); });
    h.server->Restart();
    h.Converge("demo", [&] { EXPECT_GE(h.ReadyPods(), 3); });
    ASSERT_EQ(h.EndState(), expected);
  }
}

}  // namespace
}  // namespace deepseek::reconcile
