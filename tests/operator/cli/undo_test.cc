#include "operator/cli/undo.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/operator/cli/terminal.h"

namespace deepseek::cli {
namespace {

using ::testing::HasSubstr;

class UndoTest : public ::testing::Test {
 protected:
  // Three revisions: without a batch size, with 2, with 3 and a log level.
  UndoTest() {
    t.Apply("demo", {{"traffic", {{"service", {{"type", "NodePort"}}}}}});
    t.Settle("demo");
    t.Apply("demo", {{"engine", {{"maxBatch", 2}}}});
    t.Settle("demo");
    t.Apply("demo", {{"engine", {{"maxBatch", 3}}},
                     {"observability", {{"logLevel", "debug"}, {"scrapeFrom", Json::array()}}},
                     {"replicas", 2}});
    t.Settle("demo");
  }
  Terminal t;
};

TEST_F(UndoTest, TheOneBeforeIsPutBackAndNothingElse) {
  ASSERT_TRUE(Undo(t.session, {.name = "demo"}).ok());
  EXPECT_THAT(t.Said(), HasSubstr("models/demo is put back to revision 2 (demo-"));
  const Json spec = t.Dsd("demo")["spec"];
  EXPECT_EQ(spec["engine"]["maxBatch"], 2);
  EXPECT_FALSE(spec["observability"].contains("logLevel"));
  EXPECT_TRUE(spec["observability"].contains("scrapeFrom")) << "not the revision's matter";
  EXPECT_EQ(spec["replicas"], 2);
  const std::string second = t.Dsd("demo")["status"]["stableRevision"];
  t.Settle("demo");
  EXPECT_NE(t.Dsd("demo")["status"]["stableRevision"], second);
  EXPECT_EQ(t.Dsd("demo")["status"]["revisions"][0]["readyReplicas"], 2);
}

TEST_F(UndoTest, ToARevisionByNumber) {
  ASSERT_TRUE(Undo(t.session, {.name = "demo", .to = 1}).ok());
  EXPECT_FALSE(t.Dsd("demo")["spec"].contains("engine"));
}

TEST_F(UndoTest, UndoOfAnUndoIsTheSpecBeforeIt) {
  const Json before = t.Dsd("demo")["spec"];
  ASSERT_TRUE(Undo(t.session, {.name = "demo"}).ok());
  t.Settle("demo");
  ASSERT_TRUE(Undo(t.session, {.name = "demo"}).ok());
  EXPECT_EQ(t.Dsd("demo")["spec"], before);
}

TEST_F(UndoTest, EveryFieldThatMakesARevisionIsPutBack) {
  t.Apply("gpus", {{"observability", {{"gpuMetrics", "On"}, {"logLevel", "warn"}}}});
  t.Settle("gpus");
  const std::string first = t.Dsd("gpus")["status"]["stableRevision"];
  t.Apply("gpus", {{"observability", {{"gpuMetrics", "Off"}, {"logLevel", "debug"}}},
                   {"engine", {{"maxBatch", 2}}}});
  t.Settle("gpus");
  ASSERT_NE(t.Dsd("gpus")["status"]["stableRevision"], first);
  ASSERT_TRUE(Undo(t.session, {.name = "gpus"}).ok());
  EXPECT_EQ(t.Dsd("gpus")["spec"]["observability"]["gpuMetrics"], "On");
  t.Settle("gpus");
  EXPECT_EQ(t.Dsd("gpus")["status"]["stableRevision"], first) << "not a third one";
}

TEST_F(UndoTest, DryRunWritesNothing) {
  t.session.json = true;
  const Json before = t.Dsd("demo");
  ASSERT_TRUE(Undo(t.session, {.name = "demo", .dry_run = true}).ok());
  const Json said = t.SaidJson();
  EXPECT_EQ(said["written"], false);
  EXPECT_EQ(said["number"], 2);
  EXPECT_EQ(said["spec"]["engine"]["maxBatch"], 2);
  EXPECT_EQ(t.Dsd("demo"), before);
}

TEST_F(UndoTest, WhatCannotBe) {
  EXPECT_TRUE(absl::IsNotFound(Undo(t.session, {.name = "absent"})));
  const absl::Status unknown = Undo(t.session, {.name = "demo", .to = 77});
  EXPECT_TRUE(absl::IsNotFound(unknown));
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("kept are 3, 2, 1"));
  EXPECT_TRUE(absl::IsFailedPrecondition(Undo(t.session, {.name = "demo", .to = 3})));
  t.Apply("single");
  t.Settle("single");
  EXPECT_TRUE(absl::IsNotFound(Undo(t.session, {.name = "single"})));
}

TEST_F(UndoTest, SomebodyElsesEditIsNotLost) {
  t.server->set_before(
      [&](const kube::FakeCall& call) -> std::optional<absl::StatusOr<kube::HttpResponse>> {
        if (call.verb == "update") t.Apply("demo", {{"engine", {{"maxBatch", 9}}}});
        return std::nullopt;
      });
  EXPECT_TRUE(absl::IsAborted(Undo(t.session, {.name = "demo"})));
  EXPECT_EQ(t.Dsd("demo")["spec"]["engine"]["maxBatch"], 9);
}

}  // namespace
}  // namespace deepseek::cli
