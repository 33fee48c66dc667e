// Conditions as they are written: what is blocked, transition times, and which changes are worth an
// Event.

#include <gtest/gtest.h>

#include "base/json_full.h"
#include "base/strings.h"
#include "operator/decide/conditions.h"
#include "operator/decide/reasons.h"

namespace deepseek::decide {
namespace {

// "Ready=False/InvalidSpec(why) ..."
std::string Text(const std::vector<Condition>& conditions) {
  std::string out;
  for (const Condition& c : conditions) {
    StrAppend(&out, out.empty() ? "" : " ", c.type, "=", c.status, "/", c.reason);
    if (!c.message.empty()) StrAppend(&out, "(", c.message, ")");
  }
  return out;
}

TEST(BlockedConditionsTest, WhatNeedsAPersonIsStalled) {
  EXPECT_EQ(Text(BlockedConditions("InvalidSpec", "why", /*terminal=*/true)),
            "Ready=False/InvalidSpec(why) Reconciling=False/None Stalled=True/InvalidSpec(why) "
            "Available=Unknown/InvalidSpec(why) Progressing=False/InvalidSpec(why) "
            "ModelReady=Unknown/InvalidSpec(why) UpgradeAvailable=Unknown/InvalidSpec(why)");
}

TEST(BlockedConditionsTest, WhatGoesByItselfIsReconciling) {
  EXPECT_EQ(Text(BlockedConditions("WaitingForPredecessor", "why", /*terminal=*/false)),
            "Ready=False/WaitingForPredecessor(why) Reconciling=True/WaitingForPredecessor(why) "
            "Stalled=False/None Available=Unknown/WaitingForPredecessor(why) "
            "Progressing=True/WaitingForPredecessor(why) "
            "ModelReady=Unknown/WaitingForPredecessor(why) "
            "UpgradeAvailable=Unknown/WaitingForPredecessor(why)");
}

TEST(ConditionsJsonTest, IsAMetav1Condition) {
  EXPECT_EQ(ConditionsJson({{"Ready", "False", "Creating", "words"}}, Json(), 7,
                           absl::FromUnixSeconds(1'700'000'000) + absl::Milliseconds(900)),
            Json::parse(R"([{"type":"Ready","status":"False","observedGeneration":7,
                            "lastTransitionTime":"2023-11-14T22:13:20Z","reason":"Creating",
                            "message":"words"}])"))
      << "whole seconds, as the API server keeps them";
}

TEST(ConditionsJsonTest, EachTypeKeepsItsOwnTime) {
  const Json before = Json::parse(R"({"conditions":[
      {"type":"Stalled","status":"False","lastTransitionTime":"2020-01-01T00:00:00Z"},
      {"type":"Ready","status":"True","lastTransitionTime":"2021-01-01T00:00:00Z"},
      {"type":"Available","status":"True"}]})");
  const Json after = ConditionsJson(
      {{"Ready", "True", "a", ""}, {"Stalled", "True", "b", ""}, {"Available", "True", "c", ""}},
      before, 1, absl::FromUnixSeconds(1'700'000'000));
  EXPECT_EQ(after[0]["lastTransitionTime"], "2021-01-01T00:00:00Z");
  EXPECT_EQ(after[1]["lastTransitionTime"], "2023-11-14T22:13:20Z") << "its status changed";
  EXPECT_EQ(after[2]["lastTransitionTime"], "2023-11-14T22:13:20Z") << "it had none";
}

struct Change {
  const char* name;
  const char* before;  // "Type=Status/Reason", "" for none
  const char* after;
  const char* event;  // "", Normal or Warning
};

Condition Of(const std::string& text) {
  const size_t equals = text.find('='), slash = text.find('/');
  return {text.substr(0, equals), text.substr(equals + 1, slash - equals - 1),
          text.substr(slash + 1), "words"};
}

class ConditionEventTest : public ::testing::TestWithParam<Change> {};

TEST_P(ConditionEventTest, IsMadeForWhatPeopleMustKnow) {
  const Change& c = GetParam();
  Json before;
  if (*c.before != '\0')
    before["conditions"] = ConditionsJson({Of(c.before)}, Json(), 1, absl::UnixEpoch());
  const std::vector<EventPlan> events = ConditionEvents({Of(c.after)}, before);
  ASSERT_EQ(events.size(), *c.event == '\0' ? 0u : 1u);
  if (events.empty()) return;
  EXPECT_EQ(events[0].warning, std::string(c.event) == "Warning");
  EXPECT_EQ(events[0].action, "Reconcile");
  EXPECT_EQ(events[0].reason, Of(c.after).reason);
  EXPECT_EQ(events[0].message, "words");
}

const Change kChanges[] = {
    // Being on the way is told by the decisions.
    {"Creating", "", "Ready=False/Creating", ""},
    {"Updating", "Ready=True/AllReplicasReady", "Ready=False/Updating", ""},
    {"Loading", "Ready=False/Creating", "Ready=False/ModelLoading", ""},
    {"Paused", "Ready=True/AllReplicasReady", "Ready=False/Paused", ""},
    {"Waiting", "", "Ready=False/WaitingForPredecessor", ""},
    {"Completed", "Ready=False/ModelLoading", "Ready=True/AllReplicasReady", ""},
    {"Recovered", "Ready=False/ImagePullFailed", "Ready=True/AllReplicasReady", ""},
    // Failures, once each.
    {"FirstFailure", "", "Ready=False/ModelInvalid", "Warning"},
    {"Failure", "Ready=False/Updating", "Ready=False/CrashLooping", "Warning"},
    {"TheSameFailure", "Ready=False/CrashLooping", "Ready=False/CrashLooping", ""},
    {"AnotherFailure", "Ready=False/CrashLooping", "Ready=False/QuotaExceeded", "Warning"},
    {"SameReasonOtherStatus", "Ready=Unknown/CrashLooping", "Ready=False/CrashLooping", "Warning"},
    // A replica is lost and comes back.
    {"Lost", "Ready=True/AllReplicasReady", "Ready=False/MinimumReplicasUnavailable", "Warning"},
    {"Back", "Ready=False/MinimumReplicasUnavailable", "Ready=True/AllReplicasReady", "Normal"},
    {"LostThenChanged", "Ready=False/MinimumReplicasUnavailable", "Ready=False/Updating", ""},
    // Another number of replicas is what the user wants.
    {"Scaled", "Ready=True/AllReplicasReady", "Ready=False/Scaling", ""},
    {"ScaledAndReady", "Ready=False/Scaling", "Ready=True/AllReplicasReady", "Normal"},
    {"NoRoom", "Ready=False/Scaling", "Ready=False/Unschedulable", "Warning"},
    // A newer operator.
    {"Upgrade", "UpgradeAvailable=False/UpToDate", "UpgradeAvailable=True/NewerDefaults", "Normal"},
    {"UpgradeAtOnce", "", "UpgradeAvailable=True/NewerDefaults", "Normal"},
    {"UpgradeStill", "UpgradeAvailable=True/NewerDefaults", "UpgradeAvailable=True/NewerDefaults",
     ""},
    {"NoUpgrade", "UpgradeAvailable=True/NewerDefaults", "UpgradeAvailable=False/UpToDate", ""},
    {"UpgradeUnknown", "", "UpgradeAvailable=Unknown/InvalidSpec", ""},
    // The others repeat what Ready says.
    {"Stalled", "Stalled=False/None", "Stalled=True/ModelInvalid", ""},
    {"Unavailable", "Available=True/AllReplicasReady", "Available=False/MinimumReplicasUnavailable",
     ""},
};

INSTANTIATE_TEST_SUITE_P(Table, ConditionEventTest, ::testing::ValuesIn(kChanges),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace deepseek::decide
