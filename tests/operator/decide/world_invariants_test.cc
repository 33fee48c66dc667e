// What holds at every moment of any history: what is said can be understood, and a decision
// depends on what is there alone.

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <random>
#include <set>

#include "operator/render/render.h"
#include "tests/operator/decide/any_history.h"

namespace deepseek::decide {
namespace {

// The words that users and dashboards know (docs/reference).
const std::set<std::string> kReasons = {"AllReplicasReady",
                                        "MinimumReplicasAvailable",
                                        "MinimumReplicasUnavailable",
                                        "Creating",
                                        "Updating",
                                        "Scaling",
                                        "Reverting",
                                        "Retrying",
                                        "Paused",
                                        "ProgressDeadlineExceeded",
                                        "WaitingForPredecessor",
                                        "Superseded",
                                        "HistoryLimit",
                                        "ModelLoaded",
                                        "ModelLoading",
                                        "NoPods",
                                        "ModelInvalid",
                                        "ModelNotFound",
                                        "ImagePullFailed",
                                        "Unschedulable",
                                        "InsufficientGPU",
                                        "QuotaExceeded",
                                        "PodSecurityRefused",
                                        "PodsRefused",
                                        "VolumeNotReady",
                                        "CrashLooping",
                                        "InvalidSpec",
                                        "NameConflict",
                                        "WriteRefused",
                                        "UpToDate",
                                        "NewerDefaults",
                                        "None"};
const std::set<std::string> kActions = {
    "CreateRevision", "RestoreRevision", "Retry",   "Complete", "RecordModel",
    "ScaleUp",        "ScaleDown",       "Restart", "Prune",    "Reconcile"};

void CheckWords(const Plan& plan) {
  for (const Decision& decision : plan.decisions) {
    RC_ASSERT(kActions.contains(decision.action));
    RC_ASSERT(kReasons.contains(decision.reason));
    RC_ASSERT(!decision.message.empty());
  }
  RC_ASSERT(plan.events.size() == plan.decisions.size() + plan.condition_events.size());
  for (const EventPlan& event : plan.events) {
    RC_ASSERT(kActions.contains(event.action));
    RC_ASSERT(kReasons.contains(event.reason));
    RC_ASSERT(!event.message.empty());
    RC_ASSERT(event.message.size() <= 1024u);  // what an Event may hold
  }
  for (const Deletion& deletion : plan.deletions) {
    RC_ASSERT(!deletion.uid.empty());
    RC_ASSERT(!deletion.why.message.empty());
  }
}

// One of the three that kstatus reads is True, and each says why.
void CheckConditions(const Json& status) {
  const std::vector<std::string> kOrder = {"Ready",           "Reconciling", "Stalled",
                                           "Available",       "Progressing", "ModelReady",
                                           "UpgradeAvailable"};
  std::vector<std::string> types;
  int truths = 0;
  for (const Json& condition : status["conditions"]) {
    types.push_back(condition["type"]);
    const std::string& reason = condition["reason"].get_ref<const std::string&>();
    RC_ASSERT(kReasons.contains(reason));
    RC_ASSERT((reason == "None") == condition["message"].get_ref<const std::string&>().empty());
    RC_ASSERT(condition["observedGeneration"] == status["observedGeneration"]);
    if (types.size() <= 3) truths += condition["status"] == "True" ? 1 : 0;
  }
  RC_ASSERT(types == kOrder);
  RC_ASSERT(truths == 1);
  RC_ASSERT((status["conditions"][0]["status"] == "True") <=
            (status["rollout"]["phase"] == "Idle"));
}

// What a plan writes it does not delete.
void CheckOneMind(const Plan& plan) {
  std::set<std::pair<std::string, std::string>> written;
  for (const render::Rendered& rendered : render::Render(plan))
    written.emplace((*rendered.object)["kind"], (*rendered.object)["metadata"]["name"]);
  for (const Deletion& deletion : plan.deletions)
    RC_ASSERT(!written.contains({deletion.kind, deletion.name}));
}

void CheckHistory(const World& w) {
  std::set<int64_t> numbers;
  for (const Revision& revision : Read(w.Observe()).revisions) {
    RC_ASSERT(revision.number > 0);
    RC_ASSERT(numbers.insert(revision.number).second);
  }
}

TEST(WorldInvariant, WhatIsSaidCanBeUnderstood) {
  EXPECT_TRUE(rc::check("what is said can be understood", [] {
    World w;
    for (int i = *rc::gen::inRange(1, 10); i > 0; --i) {
      AnyTurn(&w);
      w.now += absl::Milliseconds(700);
      const Plan plan = w.Reconcile();
      CheckWords(plan);
      CheckConditions(w.status);
      CheckHistory(w);
      CheckOneMind(plan);
    }
  }));
}

// All of a plan that reaches anybody.
Json Seen(const Plan& plan) {
  Json out = {{"status", *plan.status}, {"decisions", Json::array()}};
  for (const Decision& decision : plan.decisions)
    out["decisions"].push_back({decision.action, decision.reason, decision.message});
  for (const Deletion& deletion : plan.deletions)
    out["deletions"].push_back({deletion.kind, deletion.name});
  for (const render::Rendered& rendered : render::Render(plan))
    out["objects"].push_back({*rendered.object, rendered.resource_version});
  return out;
}

TEST(WorldInvariant, TheOrderOfWhatIsObservedDoesNotMatter) {
  EXPECT_TRUE(rc::check("the order of what is observed does not matter", [] {
    World w;
    for (int i = *rc::gen::inRange(1, 8); i > 0; --i) {
      AnyTurn(&w);
      w.now += absl::Milliseconds(700);
      w.Reconcile();
    }
    Cluster cluster = w.Observe();
    // Deletions follow the order of the children; all else is in an order of its own.
    Json before = Seen(Decide(Read(cluster), w.defaults, w.now));
    std::mt19937 random(*rc::gen::arbitrary<unsigned>());
    std::shuffle(cluster.children.begin(), cluster.children.end(), random);
    std::shuffle(cluster.pods.begin(), cluster.pods.end(), random);
    Json after = Seen(Decide(Read(cluster), w.defaults, w.now));
    for (const char* list : {"deletions", "decisions"}) {
      std::sort(before[list].begin(), before[list].end());
      std::sort(after[list].begin(), after[list].end());
    }
    RC_ASSERT(before == after);
  }));
}

// While nothing moves, the operator comes to rest: it does not go on deciding about its own
// decisions, and what it finds it does not write again.
TEST(WorldInvariant, InAFrozenClusterDecisionsEnd) {
  EXPECT_TRUE(rc::check("in a frozen cluster decisions end", [] {
    World w;
    for (int i = *rc::gen::inRange(1, 8); i > 0; --i) {
      AnyTurn(&w);
      w.now += absl::Milliseconds(700);
      w.Reconcile();
    }
    int rounds = 0;
    while (!w.Reconcile().decisions.empty()) RC_ASSERT(++rounds < 12);
    const auto children = w.children;
    const Json status = w.status;
    const Plan plan = w.Reconcile();
    RC_ASSERT(plan.decisions.empty() && plan.events.empty() && plan.deletions.empty());
    RC_ASSERT(w.children == children);
    RC_ASSERT(w.status == status);
  }));
}

}  // namespace
}  // namespace deepseek::decide
