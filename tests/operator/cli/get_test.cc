#include "operator/cli/get.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/operator/cli/terminal.h"

namespace deepseek::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(GetTest, ATreeOfRevisionsAndPods) {
  Terminal t;
  t.Apply("demo", {{"replicas", 2}});
  t.Settle("demo");
  t.Apply("demo", {{"replicas", 2}, {"engine", {{"maxBatch", 3}}}});
  t.Settle("demo");
  ASSERT_TRUE(Get(t.session, {.name = "demo"}).ok());
  const std::string tree = t.Said();
  EXPECT_THAT(tree, HasSubstr("models/demo  demo  2/2  AllReplicasReady\n"));
  EXPECT_THAT(tree, HasSubstr("r2  stable  agent:1  2/2 ready\n"));
  EXPECT_THAT(tree, HasSubstr("└─ demo-"));
  EXPECT_THAT(tree, HasSubstr("r1  restorable  agent:1\n"));
  EXPECT_THAT(tree, HasSubstr("│  ├─ demo-"));
  EXPECT_THAT(tree, HasSubstr("  Ready"));
  EXPECT_THAT(tree, Not(HasSubstr("\x1b"))) << "no colours unless asked for";
}

TEST(GetTest, WhatIsWrongIsSaidAtThePod) {
  Terminal t;
  t.Apply("demo");
  t.workloads.set_fate("", kube::FakeWorkloads::Fate::kImagePull, "no such image");
  t.Settle("demo");
  t.session.style.colour = true;
  ASSERT_TRUE(Get(t.session, {.name = "demo"}).ok());
  EXPECT_THAT(t.Said(), AllOf(HasSubstr("\x1b[31mImagePullFailed\x1b[0m"),
                              HasSubstr("\x1b[31mImagePullBackOff\x1b[0m"),
                              HasSubstr("no such image"), HasSubstr("candidate")));
}

TEST(GetTest, AnAgentThatServesIsNotLoading) {
  Terminal t;
  t.Apply("demo");
  t.workloads.set_fate("", kube::FakeWorkloads::Fate::kNotReady);
  t.Settle("demo");
  ASSERT_TRUE(Get(t.session, {.name = "demo"}).ok());
  EXPECT_THAT(t.Said(), HasSubstr("  Loading"));
  Json pod = *t.server->All(kube::resources::kPod, "models").front();
  pod["status"]["containerStatuses"][0]["ready"] = true;
  t.server->SendAsController(
      {.method = "PUT",
       .path = kube::ObjectPath(kube::resources::kPod, "models",
                                pod["metadata"]["name"].get<std::string>(), "status"),
       .headers = {{"Content-Type", "application/json"}},
       .body = pod.dump()});
  ASSERT_TRUE(Get(t.session, {.name = "demo"}).ok());
  EXPECT_THAT(t.Said(), HasSubstr("  NotReady"));
}

TEST(GetTest, TheProgressOfALoad) {
  Terminal t;
  t.Apply("demo");
  t.workloads.set_fate("", kube::FakeWorkloads::Fate::kNotReady);
  t.Settle("demo");
  Json dsd = t.Dsd("demo");
  dsd["status"]["model"]["loadedBytes"] = 6'000'000'000;
  dsd["status"]["model"]["totalBytes"] = 12'000'000'000;
  t.server->SendAsController(
      {.method = "PUT",
       .path = kube::ObjectPath(kube::resources::kDeepSeekDeployment, "models", "demo", "status"),
       .headers = {{"Content-Type", "application/json"}},
       .body = dsd.dump()});
  ASSERT_TRUE(Get(t.session, {}).ok());
  EXPECT_THAT(t.Said(), AllOf(HasSubstr("50 % of 12.0 GB"), HasSubstr("Loading")));
}

TEST(GetTest, Json) {
  Terminal t;
  t.Apply("demo");
  t.Settle("demo");
  t.session.json = true;
  ASSERT_TRUE(Get(t.session, {}).ok());
  const auto all = t.SaidJson();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0]["name"], "demo");
  EXPECT_EQ(all[0]["ready"], "1/1");
  EXPECT_EQ(all[0]["revisions"][0]["role"], "stable");
  EXPECT_EQ(all[0]["revisions"][0]["pods"][0]["state"], "Ready");
  EXPECT_EQ(all[0]["conditions"][0]["type"], "Ready");
}

TEST(GetTest, NothingThere) {
  Terminal t;
  EXPECT_TRUE(absl::IsNotFound(Get(t.session, {.name = "absent"})));
  ASSERT_TRUE(Get(t.session, {}).ok());
  EXPECT_EQ(t.Said(), "no DeepSeekDeployment in namespace models\n");
  ASSERT_TRUE(Get(t.session, {.all_namespaces = true}).ok());
  EXPECT_EQ(t.Said(), "no DeepSeekDeployment in any namespace\n");
  t.Apply("demo");
  ASSERT_TRUE(Get(t.session, {}).ok());
  EXPECT_THAT(t.Said(), HasSubstr("not seen by an operator yet"));
}

TEST(GetTest, WatchingShowsEachChangeAndTheEnd) {
  Terminal t;
  t.Apply("demo");
  t.Settle("demo");
  bool happened = false;
  // What happens between the list and the watch is in the watch's first events.
  t.server->set_before(
      [&](const kube::FakeCall& call) -> std::optional<absl::StatusOr<kube::HttpResponse>> {
        if (call.verb != "watch" || std::exchange(happened, true)) return std::nullopt;
        t.Apply("demo", {{"replicas", 5}});
        t.server->SendAsController(
            {.method = "DELETE",
             .path = kube::ObjectPath(kube::resources::kDeepSeekDeployment, "models", "demo"),
             .headers = {},
             .body = ""});
        return std::nullopt;
      });
  t.session.stop = [&] { return t.out.str().find("deleted") != std::string::npos; };
  ASSERT_TRUE(Get(t.session, {.name = "demo", .watch = true}).ok());
  const std::string said = t.Said();
  EXPECT_THAT(said, HasSubstr("models/demo  deleted\n"));
  EXPECT_THAT(said, HasSubstr("\n\nmodels/demo  demo  1/1")) << "again, after the change";
}

TEST(GetTest, WhatChangedBetweenTwoWatchesIsShownToo) {
  Terminal t;
  t.Apply("demo");
  t.Settle("demo");
  t.Apply("gone");
  t.Settle("gone");
  int watches = 0;
  t.server->set_before(
      [&](const kube::FakeCall& call) -> std::optional<absl::StatusOr<kube::HttpResponse>> {
        if (call.verb != "watch") return std::nullopt;
        if (++watches > 1) {
          t.stopped = true;
          return std::nullopt;
        }
        t.Apply("demo", {{"replicas", 5}});
        t.server->SendAsController(
            {.method = "DELETE",
             .path = kube::ObjectPath(kube::resources::kDeepSeekDeployment, "models", "gone"),
             .headers = {},
             .body = ""});
        return kube::FakeApiServer::Refusal(410, "Expired", "too old");
      });
  ASSERT_TRUE(Get(t.session, {.watch = true}).ok());
  const std::string said = t.Said();
  EXPECT_THAT(said, HasSubstr("models/gone  deleted\n"));
  EXPECT_THAT(said, HasSubstr("\n\nmodels/demo  demo  1/1"));
}

TEST(SessionTest, AgesAndShortLines) {
  EXPECT_EQ(Age(absl::Seconds(-5)), "0s");
  EXPECT_EQ(Age(absl::Seconds(119)), "119s");
  EXPECT_EQ(Age(absl::Minutes(119)), "119m");
  EXPECT_EQ(Age(absl::Hours(47)), "47h");
  EXPECT_EQ(Age(absl::Hours(49)), "2d");
  EXPECT_EQ(Short("one\ntwo", 50), "one");
  EXPECT_EQ(Short("abcdefgh", 7), "abcd...");
  EXPECT_EQ(Short("äöüäöü", 8), "äö...") << "never half a character";
}

TEST(SessionTest, JsonOfTextThatIsNoUtf8) {
  EXPECT_EQ(PrettyJson({{"a", "x\xE6\xB7"}}), "{\n  \"a\": \"x\xEF\xBF\xBD\"\n}");
}

}  // namespace
}  // namespace deepseek::cli
