#include "operator/cli/why.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/operator/cli/terminal.h"

namespace deepseek::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(WhyTest, DecisionsWithTheirFigures) {
  Terminal t;
  t.Apply("demo", {{"replicas", 2}});
  t.Settle("demo");
  t.Apply("demo", {{"replicas", 2}, {"engine", {{"maxBatch", 3}}}});
  t.Settle("demo");
  ASSERT_TRUE(Why(t.session, "demo").ok());
  EXPECT_THAT(t.Said(), AllOf(HasSubstr("Ready=True  AllReplicasReady  2 of 2 replicas"),
                              HasSubstr("CreateRevision  Creating  revision demo-"),
                              HasSubstr("ScaleDown  Updating  Deployment demo-"),
                              HasSubstr("    replicas 2, maxSurge 1, maxUnavailable 0; demo-"),
                              HasSubstr("Complete  AllReplicasReady  ")));
}

TEST(WhyTest, Json) {
  Terminal t;
  t.Apply("demo");
  t.Settle("demo");
  t.session.json = true;
  ASSERT_TRUE(Why(t.session, "demo").ok());
  const Json said = t.SaidJson();
  EXPECT_EQ(said["conditions"][0]["type"], "Ready");
  EXPECT_EQ(said["eventsDenied"], false);
  ASSERT_GE(said["decisions"].size(), 3u);
  EXPECT_EQ(said["decisions"][0]["action"], "CreateRevision");
  EXPECT_EQ(said["decisions"][1]["inputs"], "replicas 1, maxSurge 1, maxUnavailable 0");
}

TEST(WhyTest, WithoutTheRightToReadEventsTheConditionsAreTold) {
  Terminal t;
  t.Apply("demo");
  t.Settle("demo");
  t.server->set_before(
      [](const kube::FakeCall& call) -> std::optional<absl::StatusOr<kube::HttpResponse>> {
        if (call.verb != "list" || call.collection != "events.k8s.io/events") return std::nullopt;
        return kube::FakeApiServer::Refusal(403, "Forbidden", "may not list events");
      });
  ASSERT_TRUE(Why(t.session, "demo").ok());
  EXPECT_THAT(t.Said(), AllOf(HasSubstr("Ready=True"), HasSubstr("decisions are not shown: "),
                              HasSubstr("may not list events")));
  t.session.json = true;
  ASSERT_TRUE(Why(t.session, "demo").ok());
  EXPECT_EQ(t.SaidJson()["eventsDenied"], true);
}

TEST(WhyTest, NobodyHasLookedYet) {
  Terminal t;
  t.Apply("demo");
  ASSERT_TRUE(Why(t.session, "demo").ok());
  EXPECT_THAT(t.Said(), AllOf(HasSubstr("no operator has looked at it yet"),
                              HasSubstr("no decision is recorded any more")));
  EXPECT_TRUE(absl::IsNotFound(Why(t.session, "absent")));
}

kube::Object Event(const std::string& uid, const std::string& controller, const std::string& at,
                   const std::string& note) {
  return std::make_shared<const Json>(Json{{"regarding", {{"uid", uid}}},
                                           {"reportingController", controller},
                                           {"eventTime", at},
                                           {"action", "ScaleUp"},
                                           {"note", note}});
}

TEST(DecisionsOfTest, OursAboutThisOneInOrderAndNotTooMany) {
  std::vector<kube::Object> events = {
      Event("u", "deepseek-operator", "2026-01-01T00:00:03Z", "third [a 1]"),
      Event("u", "kubelet", "2026-01-01T00:00:02Z", "not a decision"),
      Event("v", "deepseek-operator", "2026-01-01T00:00:02Z", "of another"),
      Event("u", "deepseek-operator", "2026-01-01T00:00:01Z", "first"),
      Event("u", "deepseek-operator", "", "without a time")};
  const auto told = DecisionsOf(events, "u", 2);
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0].message, "first");
  EXPECT_EQ(told[0].inputs, "");
  EXPECT_EQ(told[1].message, "third");
  EXPECT_EQ(told[1].inputs, "a 1");
}

}  // namespace
}  // namespace deepseek::cli
