// Objects that have our names and are not ours: what stops for them, what goes on without them, and
// that none of them is written.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/decide/reasons.h"
#include "tests/operator/decide/world.h"

namespace deepseek::decide {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

struct Name {
  const char* test;
  const char* kind;
  const char* name;  // "%" stands for the revision's hash
  bool blocks;       // pods may not run beside it
};

constexpr Name kNames[] = {
    {"ServiceAccount", "ServiceAccount", "demo-agent", true},
    {"NetworkPolicy", "NetworkPolicy", "demo", true},
    {"ControllerRevision", "ControllerRevision", "demo-%", true},
    {"Deployment", "Deployment", "demo-%", true},
    {"ConfigMap", "ConfigMap", "demo-%", true},
    {"Service", "Service", "demo", false},
    {"RevisionService", "Service", "demo-%", false},
    {"PodDisruptionBudget", "PodDisruptionBudget", "demo", false},
};

class InTheWayTest : public ::testing::TestWithParam<Name> {
 protected:
  std::string NameOf(const World& w) const {
    const std::string name = GetParam().name;
    return name.ends_with('%') ? StrCat(name.substr(0, name.size() - 1), w.last_hash8) : name;
  }
  std::string KeyOf(const World& w) const { return StrCat(GetParam().kind, " ", NameOf(w)); }
  Json ObjectOf(const World& w) const {
    return {{"kind", GetParam().kind},
            {"metadata", {{"name", NameOf(w)}, {"uid", "theirs"}}},
            {"spec", {{"replicas", 0}}}};
  }
  std::string Words(const World& w) const {
    return StrCat(
        KeyOf(w),
        " exists and is not controlled by this DeepSeekDeployment: rename one of the two");
  }
};

TEST_P(InTheWayTest, AForeignObjectIsToldAndLeftAsItIs) {
  World w;
  w.children[KeyOf(w)] = ObjectOf(w);
  const Plan plan = w.Reconcile();
  EXPECT_EQ(plan.manage, !GetParam().blocks);
  EXPECT_EQ(w.Condition("Ready"), "False/NameConflict");
  EXPECT_EQ(w.Condition("Stalled"), "True/NameConflict");
  EXPECT_EQ(w.Condition("Reconciling"), "False/None");
  EXPECT_EQ(w.Message("Ready"), Words(w));
  EXPECT_EQ(w.Message("Stalled"), Words(w));
  EXPECT_EQ(plan.requeue_after, absl::Seconds(5)) << "no watch tells that it is gone";
  ASSERT_EQ(plan.condition_events.size(), 1u);
  EXPECT_TRUE(plan.condition_events[0].warning);
  EXPECT_EQ(plan.condition_events[0].reason, reason::kNameConflict);
  w.Settle(20);
  EXPECT_EQ(w.children.at(KeyOf(w))["metadata"]["uid"], "theirs");
  EXPECT_FALSE(w.children.at(KeyOf(w))["metadata"].contains("resourceVersion"))
      << "nobody wrote it";
  EXPECT_EQ(w.Ready(), GetParam().blocks ? 0 : 1);
  if (GetParam().blocks) {
    EXPECT_EQ(w.children.size(), 1u) << "nothing else is made either";
    ASSERT_EQ(plan.decisions.size(), 1u);
    EXPECT_EQ(plan.decisions[0].action, "Block");
    EXPECT_EQ(plan.decisions[0].reason, reason::kNameConflict);
    EXPECT_EQ(plan.decisions[0].message, Words(w));
  } else {
    EXPECT_THAT(plan.left_out, ElementsAre(Pair(GetParam().kind, NameOf(w))));
    EXPECT_EQ(w.Condition("Available"), "True/AllReplicasReady") << "the pods do their work";
  }
  w.children.erase(KeyOf(w));
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.Condition("Ready"), "True/AllReplicasReady");
  EXPECT_TRUE(w.children.contains(KeyOf(w)) || GetParam().kind == std::string("ConfigMap"));
}

TEST_P(InTheWayTest, WhatADeletedNamesakeLeftIsWaitedFor) {
  World w;
  Json theirs = ObjectOf(w);
  theirs["metadata"]["ownerReferences"] = Json::array({{{"apiVersion", api::kApiVersion},
                                                        {"kind", api::kKind},
                                                        {"name", "demo"},
                                                        {"uid", "an-earlier-uid"},
                                                        {"controller", true}}});
  w.children[KeyOf(w)] = theirs;
  const Plan plan = w.Reconcile();
  EXPECT_FALSE(plan.manage);
  EXPECT_EQ(w.Condition("Ready"), "False/WaitingForPredecessor");
  EXPECT_EQ(w.Condition("Reconciling"), "True/WaitingForPredecessor");
  EXPECT_EQ(w.Condition("Stalled"), "False/None") << "it goes by itself";
  EXPECT_EQ(w.Message("Ready"),
            StrCat(KeyOf(w), " of a deleted DeepSeekDeployment is still being removed"));
  EXPECT_EQ(plan.requeue_after, absl::Seconds(2));
  EXPECT_TRUE(plan.events.empty()) << "nothing is wrong";
  EXPECT_EQ(w.children.size(), 1u);
  w.children.clear();
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.Condition("Ready"), "True/AllReplicasReady");
}

TEST_P(InTheWayTest, TheSameNameOfAnotherKindIsNotInTheWay) {
  World w;
  Json other = ObjectOf(w);
  other["kind"] = "Secret";
  w.children["Secret"] = other;
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.Condition("Ready"), "True/AllReplicasReady");
}

INSTANTIATE_TEST_SUITE_P(Children, InTheWayTest, ::testing::ValuesIn(kNames),
                         [](const auto& info) { return std::string(info.param.test); });

Json Foreign(const std::string& kind, const std::string& name) {
  return {{"kind", kind}, {"metadata", {{"name", name}, {"uid", "theirs"}}}};
}

TEST(ConflictTest, AConflictOutranksWaiting) {
  World w;
  w.children["NetworkPolicy demo"] = Foreign("NetworkPolicy", "demo");
  Json former = Foreign("Service", "demo");
  former["metadata"]["ownerReferences"] = Json::array({{{"apiVersion", api::kApiVersion},
                                                        {"kind", api::kKind},
                                                        {"name", "demo"},
                                                        {"uid", "an-earlier-uid"},
                                                        {"controller", true}}});
  w.children["Service demo"] = former;
  w.Reconcile();
  EXPECT_EQ(w.Condition("Ready"), "False/NameConflict") << "the one that needs a person";
}

TEST(ConflictTest, OneThatBlocksOutranksOneThatDoesNot) {
  World w;
  w.children["a"] = Foreign("Service", "demo");
  w.children["b"] = Foreign("ServiceAccount", "demo-agent");
  EXPECT_FALSE(w.Reconcile().manage);
  EXPECT_THAT(w.Message("Ready"), ::testing::StartsWith("ServiceAccount demo-agent exists"));
}

TEST(ConflictTest, AllThatIsForeignIsLeftOutAndTheFirstIsTold) {
  World w;
  w.children["a"] = Foreign("Service", "demo");
  w.children["b"] = Foreign("PodDisruptionBudget", "demo");
  const Plan plan = w.Reconcile();
  EXPECT_THAT(plan.left_out,
              UnorderedElementsAre(Pair("Service", "demo"), Pair("PodDisruptionBudget", "demo")));
  EXPECT_THAT(w.Message("Ready"), ::testing::StartsWith("Service demo exists"));
}

TEST(ConflictTest, ARefusedWriteOutranksAConflict) {
  World w;
  w.children["a"] = Foreign("Service", "demo");
  Observed observed = Read(w.Observe());
  observed.refusal_reason = reason::kQuotaExceeded;
  observed.refusal_message = "exceeded quota";
  const Plan plan = Decide(observed, w.defaults, w.now);
  w.status = *plan.status;
  EXPECT_EQ(w.Condition("Ready"), "False/QuotaExceeded");
  EXPECT_EQ(w.Message("Stalled"), "exceeded quota");
  EXPECT_EQ(plan.left_out.size(), 1u) << "left out all the same";
}

TEST(ConflictTest, ARevisionOfTheSameNameForOtherWishesIsNeverTaken) {
  World w;
  ASSERT_TRUE(w.Settle());
  const std::string name = StrCat("demo-", w.last_hash8);
  w.children["ControllerRevision " + name]["metadata"]["annotations"][api::kIntentHashAnnotation] =
      std::string(64, '0');
  const auto before = w.children;
  const Plan plan = w.Reconcile();
  EXPECT_FALSE(plan.manage);
  EXPECT_EQ(w.Condition("Stalled"), "True/NameConflict");
  EXPECT_EQ(w.Message("Ready"),
            StrCat("ControllerRevision ", name, " holds another intent: delete it"));
  EXPECT_EQ(plan.requeue_after, absl::Seconds(5));
  EXPECT_EQ(w.children, before);
}

TEST(ChildNamesTest, AreAllThatADeploymentNeeds) {
  World w;
  const std::string revision = StrCat("demo-", w.last_hash8);
  EXPECT_THAT(
      ChildNames(*w.Observe().dsd),
      UnorderedElementsAre(Pair("ServiceAccount", "demo-agent"), Pair("Service", "demo"),
                           Pair("PodDisruptionBudget", "demo"), Pair("NetworkPolicy", "demo"),
                           Pair("ControllerRevision", revision), Pair("Deployment", revision),
                           Pair("ConfigMap", revision), Pair("Service", revision)));
  w.spec["replicas"] = "many";
  EXPECT_TRUE(ChildNames(*w.Observe().dsd).empty()) << "a refused spec needs nothing";
}

}  // namespace
}  // namespace deepseek::decide
