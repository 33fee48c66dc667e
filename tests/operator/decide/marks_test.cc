// The marks on ControllerRevisions: what is written when, and that nothing is written otherwise.

#include <gtest/gtest.h>

#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/decide/history.h"
#include "operator/decide/reasons.h"
#include "tests/operator/decide/world.h"

namespace deepseek::decide {
namespace {

Json Batch(int batch, const Json& rollout = Json::object()) {
  return {{"engine", {{"maxBatch", batch}}}, {"rollout", rollout}};
}

// "Action/Reason: message" of the first decision.
std::string First(const Plan& plan) {
  if (plan.decisions.empty()) return "nothing";
  const Decision& decision = plan.decisions.front();
  return StrCat(decision.action, "/", decision.reason, ": ", decision.message);
}

std::string MarkOf(const World& w, const char* key) {
  const auto at = w.children.find(StrCat("ControllerRevision demo-", w.last_hash8));
  if (at == w.children.end()) return "no revision";
  return at->second["metadata"]["annotations"].value(key, "");
}

TEST(MarksTest, ANewRevisionHoldsAllThatMakesIt) {
  World w;
  w.Edit(Batch(3, {{"retryToken", "t"}}));
  const Plan plan = w.Reconcile();
  const RevisionPlan& revision = *plan.revision;
  EXPECT_EQ(revision.hash8, w.last_hash8);
  EXPECT_EQ(revision.state,
            (std::map<std::string, std::string>{
                {api::kIntentHashAnnotation, revision.state.at(api::kIntentHashAnnotation)},
                {api::kRetryTokenAnnotation, "t"},
                {api::kStartedAtAnnotation, MarkText(w.now)}}))
      << "and no retried-at: there was nothing to retry";
  EXPECT_TRUE(revision.state.at(api::kIntentHashAnnotation).starts_with(w.last_hash8));
  EXPECT_EQ(*revision.canonical_intent, Json::parse(R"({"engine":{"maxBatch":3},
                                            "model":{"source":{"builtin":"demo-v3"}}})"));
  EXPECT_TRUE(revision.pod_template->contains("spec"));
  EXPECT_EQ(revision.resolved.max_batch, 3);
  EXPECT_EQ(revision.stored, nullptr);
}

TEST(MarksTest, NumbersGrowFromTheHighest) {
  World w;
  ASSERT_TRUE(w.Settle());
  w.children.at(StrCat("ControllerRevision demo-", w.last_hash8))["revision"] = 41;
  w.Edit(Batch(2));
  const Plan plan = w.Reconcile();
  EXPECT_EQ(plan.revision->number, 42);
  EXPECT_EQ(First(plan), StrCat("CreateRevision/Updating: revision demo-", w.last_hash8,
                                " made with image agent:1"));
}

TEST(MarksTest, CompletingIsMarkedInTheMomentItIsSeen) {
  World w;
  w.Edit({{"replicas", 2}});
  w.Reconcile();
  const std::string started = MarkOf(w, api::kStartedAtAnnotation);
  w.Step();
  w.now += absl::Seconds(1);
  w.Step();
  w.now += absl::Milliseconds(250);
  const Plan plan = w.Reconcile();
  EXPECT_EQ(First(plan), StrCat("Complete/AllReplicasReady: revision demo-", w.last_hash8,
                                " serves with 2 of 2 replicas"));
  EXPECT_EQ(MarkOf(w, api::kStableSinceAnnotation), MarkText(w.now));
  EXPECT_EQ(MarkOf(w, api::kStartedAtAnnotation), started);
  EXPECT_EQ(plan.revision->number, 1);
}

TEST(MarksTest, RestoringSaysSoAndStartsAnew) {
  World w;
  ASSERT_TRUE(w.Settle());
  const std::string stable_since = MarkOf(w, api::kStableSinceAnnotation);
  const std::string first = w.last_hash8;
  w.Edit(Batch(2));
  ASSERT_TRUE(w.Settle());
  w.Edit(Json::object());
  const Plan plan = w.Reconcile();
  EXPECT_EQ(First(plan),
            StrCat("RestoreRevision/Reverting: revision demo-", first, " restored as number 3"));
  EXPECT_EQ(MarkOf(w, api::kStartedAtAnnotation), MarkText(w.now));
  EXPECT_EQ(MarkOf(w, api::kStableSinceAnnotation), stable_since) << "until it is full again";
  ASSERT_TRUE(w.Settle());
  EXPECT_GT(MarkOf(w, api::kStableSinceAnnotation), stable_since);
}

TEST(MarksTest, AClockThatIsSetBackKeepsNoRolloutFromCompleting) {
  World w;
  w.Reconcile();
  const std::string started = MarkOf(w, api::kStartedAtAnnotation);
  w.now -= absl::Hours(1);
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.Condition("Ready"), "True/AllReplicasReady");
  EXPECT_EQ(MarkOf(w, api::kStableSinceAnnotation), started) << "not before it began";
  EXPECT_EQ(w.status["rollout"]["phase"], "Idle");
}

TEST(MarksTest, TheLastThatCompletedIsStableThoughTheClockWasSetBack) {
  World w;
  ASSERT_TRUE(w.Settle());
  w.now -= absl::Hours(1);
  w.Edit(Batch(2));
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.status["stableRevision"], StrCat("demo-", w.last_hash8));
  w.now -= absl::Hours(1);
  w.Edit(Json::object());
  w.Reconcile();
  EXPECT_EQ(w.status["rollout"]["phase"], "Progressing") << "what it was before is not what it is";
  w.Reconcile();
  EXPECT_EQ(w.status["rollout"]["phase"], "Progressing");
  ASSERT_TRUE(w.Settle());
  EXPECT_EQ(w.status["stableRevision"], StrCat("demo-", w.last_hash8));
  EXPECT_EQ(w.status["rollout"]["phase"], "Idle");
}

TEST(MarksTest, APauseTakesTheStartAwayAndResumingSetsIt) {
  World w;
  ASSERT_TRUE(w.Settle());
  w.Edit(Batch(2, {{"paused", true}}));
  w.Reconcile();
  EXPECT_EQ(MarkOf(w, api::kStartedAtAnnotation), "") << "made while paused";
  EXPECT_FALSE(w.Reconcile().revision) << "written once";
  w.Edit(Batch(2));
  w.now += absl::Seconds(7);
  w.Reconcile();
  EXPECT_EQ(MarkOf(w, api::kStartedAtAnnotation), MarkText(w.now));
  w.now += absl::Seconds(1);
  w.Edit(Batch(2, {{"paused", true}}));
  w.Reconcile();
  EXPECT_EQ(MarkOf(w, api::kStartedAtAnnotation), "") << "paused on the way";
}

TEST(MarksTest, APauseOfWhatIsDoneLeavesTheMarks) {
  World w;
  ASSERT_TRUE(w.Settle());
  w.Edit({{"rollout", {{"paused", true}}}});
  EXPECT_FALSE(w.Reconcile().revision);
  EXPECT_NE(MarkOf(w, api::kStartedAtAnnotation), "");
}

TEST(MarksTest, WhileItIsPausedWhatIsFullIsNotComplete) {
  World w;
  w.Reconcile();
  w.Step();
  w.now += absl::Seconds(1);
  w.Step();
  w.Edit({{"rollout", {{"paused", true}}}});
  EXPECT_EQ(First(w.Reconcile()), "nothing");
  EXPECT_EQ(MarkOf(w, api::kStableSinceAnnotation), "");
}

TEST(MarksTest, ANewTokenIsRecordedWithItsTime) {
  World w;
  w.fates[w.last_hash8] = Fate::kInvalid;
  w.Settle(5);
  w.Edit({{"rollout", {{"retryToken", "again"}}}});
  w.now += absl::Seconds(9);
  EXPECT_EQ(First(w.Reconcile()), "Retry/Retrying: retryToken is now again");
  EXPECT_EQ(MarkOf(w, api::kRetryTokenAnnotation), "again");
  EXPECT_EQ(MarkOf(w, api::kRetriedAtAnnotation), MarkText(w.now));
  EXPECT_EQ(MarkOf(w, api::kStartedAtAnnotation), MarkText(w.now)) << "with a deadline of its own";
}

TEST(MarksTest, ANewTokenOfWhatIsCompleteIsOnlyRecorded) {
  World w;
  ASSERT_TRUE(w.Settle());
  const std::string started = MarkOf(w, api::kStartedAtAnnotation);
  w.Edit({{"rollout", {{"retryToken", "again"}}}});
  w.now += absl::Seconds(9);
  EXPECT_EQ(First(w.Reconcile()),
            "Retry/Retrying: retryToken is now again; all replicas are ready, none restarts");
  EXPECT_EQ(MarkOf(w, api::kRetryTokenAnnotation), "again");
  EXPECT_EQ(MarkOf(w, api::kRetriedAtAnnotation), "");
  EXPECT_EQ(MarkOf(w, api::kStartedAtAnnotation), started);
  EXPECT_FALSE(w.Reconcile().revision) << "written once";
  EXPECT_EQ(w.Condition("Ready"), "True/AllReplicasReady");
  w.pods[0].ready = false;
  w.Edit({{"rollout", {{"retryToken", "now"}}}});
  w.Reconcile();
  EXPECT_EQ(MarkOf(w, api::kStartedAtAnnotation), MarkText(w.now)) << "one is unready";
}

TEST(MarksTest, ATokenTakenAwayRetriesNothing) {
  World w;
  w.Edit({{"rollout", {{"retryToken", "a"}}}});
  w.fates[w.last_hash8] = Fate::kInvalid;
  w.Settle(5);
  const std::string started = MarkOf(w, api::kStartedAtAnnotation);
  w.Edit(Json::object());
  w.now += absl::Seconds(9);
  EXPECT_EQ(First(w.Reconcile()), "nothing");
  EXPECT_EQ(MarkOf(w, api::kRetryTokenAnnotation), "");
  EXPECT_EQ(MarkOf(w, api::kRetriedAtAnnotation), "");
  EXPECT_EQ(MarkOf(w, api::kStartedAtAnnotation), started);
  EXPECT_TRUE(w.Reconcile().deletions.empty());
}

class RetryTest : public ::testing::Test {
 protected:
  // Two pods that fail, and a token in the middle of a second.
  RetryTest() {
    w_.Edit({{"replicas", 2}});
    w_.fates[w_.last_hash8] = Fate::kInvalid;
    w_.Settle(5);
    w_.Edit({{"replicas", 2}, {"rollout", {{"retryToken", "a"}}}});
    w_.now += absl::Milliseconds(400);
    first_ = w_.Reconcile();
  }
  World w_;
  Plan first_;
};

TEST_F(RetryTest, TakesThemWithTheNextWholeSecond) {
  const absl::Time second = absl::FromUnixSeconds(absl::ToUnixSeconds(w_.now)) + absl::Seconds(1);
  EXPECT_EQ(MarkOf(w_, api::kRetriedAtAnnotation), MarkText(second));
  EXPECT_EQ(first_.requeue_after, second - w_.now) << "whatever happens meanwhile";
  const Plan early = w_.Reconcile();
  EXPECT_TRUE(early.deletions.empty());
  EXPECT_EQ(early.requeue_after, second - w_.now);
  w_.now = second;
  EXPECT_EQ(w_.Reconcile().deletions.size(), 2u);
}

TEST_F(RetryTest, TakesEachUnreadyPodByItsUid) {
  w_.now += absl::Seconds(1);
  const Plan plan = w_.Reconcile();
  ASSERT_EQ(plan.deletions.size(), 2u);
  EXPECT_EQ(plan.deletions[0].kind, "Pod");
  EXPECT_EQ(plan.deletions[0].uid, plan.deletions[0].name) << "which the world gives it";
  EXPECT_EQ(plan.deletions[0].resource_version, "") << "its status may have changed since";
  EXPECT_EQ(plan.deletions[0].why.reason, reason::kRetrying);
  EXPECT_EQ(First(plan), StrCat("Restart/Retrying: pod ", plan.deletions[0].name,
                                " is unready and older than the retryToken"));
}

TEST_F(RetryTest, LeavesAloneWhatItNeedNotTake) {
  w_.now += absl::Seconds(1);
  w_.pods[0].ready = true;
  w_.pods[1].stopping = true;
  WorldPod other = w_.pods[1];
  other.name = "of-another-revision";
  other.stopping = false;
  other.hash8 = "beef0000";
  w_.pods.push_back(other);
  EXPECT_TRUE(w_.Reconcile().deletions.empty());
}

TEST_F(RetryTest, APodOfTheTokensSecondIsOlderAndOneOfTheNextIsTheReplacement) {
  const std::string older = w_.pods[1].name;
  w_.pods[1].created = absl::FromUnixSeconds(absl::ToUnixSeconds(w_.now));
  w_.pods[0].created = w_.pods[1].created + absl::Seconds(1);
  w_.now += absl::Seconds(1);
  const Plan plan = w_.Reconcile();
  ASSERT_EQ(plan.deletions.size(), 1u);
  EXPECT_EQ(plan.deletions[0].name, older);
}

TEST_F(RetryTest, APodThatBecomesUnreadyAfterTheTokenIsNotMeant) {
  w_.now += absl::Seconds(1);
  const std::string unready = w_.pods[1].name;
  // It served when the token came, and misses a probe now.
  w_.shape = [&](const WorldPod& pod, Json* object) {
    if (pod.name == unready) return;
    (*object)["status"]["conditions"][0]["lastTransitionTime"] =
        absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", w_.now, absl::UTCTimeZone());
  };
  const Plan plan = w_.Reconcile();
  ASSERT_EQ(plan.deletions.size(), 1u);
  EXPECT_EQ(plan.deletions[0].name, unready);
}

TEST(MarksTest, ARestoredRevisionMakesUpForNoTokenThatItMissed) {
  World w;
  w.Edit({{"replicas", 2}});
  ASSERT_TRUE(w.Settle());
  const std::string first = w.last_hash8;
  Json second = Batch(2, {{"retryToken", "for-the-second"}});
  second["replicas"] = 2;
  w.Edit(second);
  w.fates[w.last_hash8] = Fate::kInvalid;
  w.Settle(5);
  for (WorldPod& pod : w.pods) {
    if (pod.hash8 == first && pod.ready) {
      pod.ready = false;  // restarted on its node, and loading
      w.fates[first] = Fate::kLoading;
      break;
    }
  }
  w.Edit({{"replicas", 2}, {"rollout", {{"retryToken", "for-the-second"}}}});
  EXPECT_TRUE(First(w.Reconcile()).starts_with("RestoreRevision/"));
  EXPECT_EQ(MarkOf(w, api::kRetryTokenAnnotation), "for-the-second");
  EXPECT_EQ(MarkOf(w, api::kRetriedAtAnnotation), "");
  w.Edit({{"replicas", 2}, {"rollout", {{"retryToken", "another"}}}});
  w.Reconcile();
  EXPECT_NE(MarkOf(w, api::kRetriedAtAnnotation), "") << "that one is new";
}

}  // namespace
}  // namespace deepseek::decide
