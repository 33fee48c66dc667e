// The picture that the parts of a decision share, from observations made by hand.

#include "operator/decide/state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json_full.h"
#include "base/strings.h"
#include "operator/api/names.h"

namespace deepseek::decide {
namespace {

using ::testing::ElementsAre;

const absl::Time kNow = absl::UnixEpoch() + absl::Hours(1000);

// One DeepSeekDeployment, whose current revision exists.
class StateTest : public ::testing::Test {
 protected:
  StateTest() {
    spec_ = {{"model", {{"source", {{"builtin", "demo-v3"}}}}}, {"replicas", 1}};
    intent_hash_ = Sha256Hex(Dsd().canonical_intent);
    hash8_ = intent_hash_.substr(0, 8);
    AddRevision(hash8_, 5).started_at = kNow - absl::Minutes(10);
  }

  api::DeepSeekDeployment Dsd() const {
    return *api::Parse({{"metadata", {{"name", "demo"}, {"uid", "u"}}}, {"spec", spec_}});
  }

  Revision& AddRevision(const std::string& hash8, int64_t number) {
    Revision revision;
    revision.child.name = StrCat("demo-", hash8);
    revision.hash8 = hash8;
    revision.number = number;
    revision.resolved = &resolved_;
    observed_.revisions.push_back(revision);
    std::sort(observed_.revisions.begin(), observed_.revisions.end(),
              [](const Revision& a, const Revision& b) { return a.number > b.number; });
    return *std::find_if(observed_.revisions.begin(), observed_.revisions.end(),
                         [&](const Revision& r) { return r.hash8 == hash8; });
  }
  Revision& Current() {
    return *std::find_if(observed_.revisions.begin(), observed_.revisions.end(),
                         [&](const Revision& r) { return r.hash8 == hash8_; });
  }
  Workload& AddWorkload(const std::string& hash8, int want) {
    Workload workload;
    workload.child.name = StrCat("demo-", hash8);
    workload.hash8 = hash8;
    workload.want = want;
    observed_.workloads.push_back(workload);
    return observed_.workloads.back();
  }
  Pod& AddPod(const std::string& hash8, bool ready) {
    Pod pod;
    pod.name = StrCat("pod-", observed_.pods.size());
    pod.hash8 = hash8;
    pod.ready = ready;
    observed_.pods.push_back(pod);
    return observed_.pods.back();
  }
  State Look(absl::Time now = kNow) const {
    return Assess(observed_, Dsd(), {"agent:1", "IfNotPresent", "0.1.0"}, now);
  }
  std::vector<std::string> Old() const {
    std::vector<std::string> out;
    for (const Member& member : Look().old) out.push_back(member.hash8);
    return out;
  }

  Json spec_, resolved_ = {{"startupDeadline", "20m"}};
  std::string intent_hash_, hash8_;
  Observed observed_;
};

TEST_F(StateTest, TheCurrentRevisionIsThatOfTheSpec) {
  const State state = Look();
  EXPECT_EQ(state.intent_hash, intent_hash_);
  EXPECT_EQ(state.current.name, StrCat("demo-", hash8_));
  ASSERT_NE(state.current.revision, nullptr);
  EXPECT_EQ(state.current.revision->number, 5);
  EXPECT_EQ(state.current.workload, nullptr);
  EXPECT_FALSE(state.current.share.exists);
  spec_["engine"]["maxBatch"] = 2;
  EXPECT_EQ(Look().current.revision, nullptr);
  spec_ = {{"model", {{"source", {{"builtin", "demo-v3"}}}}}, {"replicas", 7}};
  EXPECT_NE(Look().current.revision, nullptr) << "replicas make no revision";
}

TEST_F(StateTest, PodsAreCountedByRevision) {
  AddWorkload(hash8_, 3).settled = true;
  AddPod(hash8_, true);
  AddPod(hash8_, false);
  AddPod(hash8_, false).deleting = true;
  AddPod("beef0000", true);
  const State state = Look();
  EXPECT_TRUE(state.current.share.exists);
  EXPECT_TRUE(state.current.share.settled);
  EXPECT_EQ(state.current.share.want, 3);
  EXPECT_EQ(state.current.share.pods, 3);
  EXPECT_EQ(state.current.share.ready, 1);
  EXPECT_EQ(state.current.alive, 2);
}

TEST_F(StateTest, OldOnesGoByNumberTheStableOneLast) {
  AddRevision("aaaa0000", 4);
  AddRevision("bbbb0000", 1).stable_since = kNow - absl::Hours(1);
  AddRevision("cccc0000", 2).stable_since = kNow - absl::Hours(9);
  for (const char* hash8 : {"eeee0000", "cccc0000", "bbbb0000", "aaaa0000", "ffff0000"})
    AddWorkload(hash8, 1);
  EXPECT_EQ(Look().stable, "bbbb0000") << "the last that completed, not the highest number";
  EXPECT_THAT(Old(), ElementsAre("eeee0000", "ffff0000", "cccc0000", "aaaa0000", "bbbb0000"))
      << "those whose revision is gone first";
  observed_.workloads[3].child.deleting = true;
  EXPECT_THAT(Old(), ElementsAre("eeee0000", "ffff0000", "cccc0000", "bbbb0000"))
      << "what is going needs no decision";
}

TEST_F(StateTest, StableIsNobodyUntilOneCompleted) {
  EXPECT_EQ(Look().stable, "");
  Current().stable_since = kNow;
  EXPECT_EQ(Look().stable, hash8_);
}

TEST_F(StateTest, CompletedMeansSinceItBecameCurrent) {
  EXPECT_FALSE(Look().completed);
  Current().stable_since = kNow - absl::Minutes(10);
  EXPECT_TRUE(Look().completed) << "in the moment that it started";
  Current().stable_since = kNow - absl::Minutes(11);
  EXPECT_FALSE(Look().completed) << "in an earlier life";
  Current().stable_since = kNow;
  AddRevision("aaaa0000", 6);
  EXPECT_FALSE(Look().newest);
  EXPECT_FALSE(Look().completed) << "another is newer: it is to be restored first";
}

TEST_F(StateTest, FullMeansAllOfIt) {
  EXPECT_FALSE(Look().full) << "no Deployment";
  AddWorkload(hash8_, 1);
  EXPECT_FALSE(Look().full) << "no pod";
  AddPod(hash8_, true);
  EXPECT_TRUE(Look().full);
  AddPod(hash8_, false);
  EXPECT_FALSE(Look().full) << "one pod too many";
  observed_.pods.back().deleting = true;
  EXPECT_TRUE(Look().full) << "which is going";
  spec_["replicas"] = 2;
  EXPECT_FALSE(Look().full);
  observed_.workloads[0].want = 2;
  EXPECT_FALSE(Look().full) << "one is missing";
  observed_.pods.back() = observed_.pods.front();
  EXPECT_TRUE(Look().full);
  AddWorkload("aaaa0000", 0);
  EXPECT_TRUE(Look().full) << "an old Deployment without pods";
  AddPod("aaaa0000", false);
  EXPECT_FALSE(Look().full) << "an old pod";
  observed_.pods.back().deleting = true;
  EXPECT_TRUE(Look().full);
  observed_.workloads[1].want = 1;
  EXPECT_FALSE(Look().full) << "an old one is wanted";
}

TEST_F(StateTest, PausedHoldsWhatIsUnfinished) {
  spec_["rollout"]["paused"] = true;
  EXPECT_TRUE(Look().paused);
  EXPECT_FALSE(Look().deadline) << "the clock stands";
  Current().stable_since = kNow;
  EXPECT_FALSE(Look().paused);
  spec_["rollout"]["paused"] = false;
  Current().stable_since.reset();
  EXPECT_FALSE(Look().paused);
}

TEST_F(StateTest, TheDeadlineRunsFromTheStartAndTheLastPodThatBecameReady) {
  const absl::Time started = *Current().started_at;
  EXPECT_EQ(Look().deadline, started + absl::Minutes(25)) << "5 min beyond startup.deadline";
  resolved_.erase("startupDeadline");
  EXPECT_EQ(Look().deadline, started + absl::Minutes(35));
  spec_["rollout"]["progressDeadline"] = "1m";
  EXPECT_EQ(Look().deadline, started + absl::Minutes(1));
  AddPod(hash8_, true).ready_since = started - absl::Minutes(5);
  EXPECT_EQ(Look().deadline, started + absl::Minutes(1)) << "a pod from before";
  AddPod("aaaa0000", true).ready_since = started + absl::Minutes(9);
  EXPECT_EQ(Look().deadline, started + absl::Minutes(1)) << "a pod of another revision";
  AddPod(hash8_, true).ready_since = started + absl::Minutes(3);
  EXPECT_EQ(Look().deadline, started + absl::Minutes(4));
}

TEST_F(StateTest, TheDeadlinePassesOnTheInstant) {
  const absl::Time deadline = *Look().deadline;
  EXPECT_FALSE(Look(deadline - absl::Nanoseconds(1)).deadline_passed);
  EXPECT_TRUE(Look(deadline).deadline_passed);
  EXPECT_TRUE(Look(deadline).Stalled());
  AddWorkload(hash8_, 1);
  AddPod(hash8_, true);
  EXPECT_FALSE(Look(deadline).deadline_passed) << "it serves, and is marked next";
}

TEST_F(StateTest, NoDeadlineWithoutAChange) {
  Current().stable_since = kNow;
  EXPECT_FALSE(Look().deadline) << "completed";
  Current().stable_since.reset();
  Current().started_at.reset();
  EXPECT_FALSE(Look().deadline) << "not started";
  Current().started_at = kNow;
  AddRevision("aaaa0000", 6);
  EXPECT_FALSE(Look().deadline) << "to be restored: then it starts";
}

TEST_F(StateTest, TheSlowestLoadingAgentIsTold) {
  const auto loading = [&](int64_t loaded, int64_t total) -> Pod& {
    Pod& pod = AddPod(hash8_, false);
    pod.agent = AgentReport();
    pod.agent->state = "loading";
    pod.agent->loaded_bytes = loaded;
    pod.agent->total_bytes = total;
    return pod;
  };
  EXPECT_FALSE(LoadOf(Look()));
  loading(900, 1000);
  loading(400, 1000);
  loading(700, 1000);
  EXPECT_EQ(LoadOf(Look())->loaded, 400);
  EXPECT_EQ(LoadOf(Look())->total, 1000);
  loading(1, 0);                               // knows of no bytes
  loading(100, 1000).ready = true;             // is done
  loading(100, 1000).deleting = true;          // is going
  loading(100, 1000).hash8 = "aaaa0000";       // loads another model
  loading(100, 1000).agent->state = "failed";  // loads no more
  loading(100, 1000).agent.reset();            // was not asked
  EXPECT_EQ(LoadOf(Look())->loaded, 400);
}

}  // namespace
}  // namespace deepseek::decide
