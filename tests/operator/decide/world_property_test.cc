// Random histories of edits and failures. Whatever happened, once everything is well the last edit
// serves at full count, alone; and on the way ready pods are never taken below the minimum.

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <set>

#include "tests/operator/decide/any_history.h"

namespace deepseek::decide {
namespace {

int Minimum(const Json& spec) {
  return spec["replicas"].get<int>() - spec["rollout"]["maxUnavailable"].get<int>();
}

// Ready pods that stay when every Deployment gets what it wants: unready pods go first.
int Staying(const World& w) {
  std::map<std::string, int> ready;
  for (const WorldPod& pod : w.pods) ready[pod.hash8] += pod.ready ? 1 : 0;
  int stays = 0;
  for (const auto& [hash8, count] : ready) {
    const auto at = w.children.find("Deployment demo-" + hash8);
    stays +=
        at == w.children.end() ? 0 : std::min(count, at->second["spec"]["replicas"].get<int>());
  }
  return stays;
}

// One reconcile; what it takes away must not be ready pods that are needed.
void ReconcileSafely(World* w) {
  const int staying_before = Staying(*w), wanted_before = w->Wanted();
  w->now += absl::Milliseconds(700);
  w->Reconcile();
  const bool rolling = w->spec["rollout"].value("strategy", "Rolling") == "Rolling";
  if (!rolling) return;
  RC_ASSERT(w->Wanted() <= std::max(wanted_before, w->spec["replicas"].get<int>() +
                                                       w->spec["rollout"]["maxSurge"].get<int>()));
  RC_ASSERT(Staying(*w) >= std::min(staying_before, Minimum(w->spec)));
}

// At most one of the three of kstatus.
void ExpectKstatus(const World& w) {
  int truths = 0;
  for (const char* type : {"Ready", "Reconciling", "Stalled"})
    truths += w.Condition(type).starts_with("True") ? 1 : 0;
  RC_ASSERT(truths == 1);
}

TEST(WorldProperty, AnyHistoryConverges) {
  EXPECT_TRUE(rc::check("any history converges", [] {
    World w;
    const int actions = *rc::gen::inRange(1, 25);
    for (int i = 0; i < actions; ++i) {
      AnyTurn(&w);
      if (w.spec.contains("rollout")) ReconcileSafely(&w);
      if (w.status.is_object()) ExpectKstatus(w);
    }
    w.fates.clear();
    Json last = AnySpec();
    last["rollout"].erase("paused");
    w.Edit(last);
    RC_ASSERT(w.Settle(300));
    RC_ASSERT(w.Condition("Ready") == "True/AllReplicasReady");
    RC_ASSERT(w.Ready() == last["replicas"].get<int>());
    for (const WorldPod& pod : w.pods) RC_ASSERT(pod.hash8 == w.last_hash8);
    // Nothing is left lying about: one Deployment, two Services, and as many revisions as the
    // history may hold.
    int deployments = 0, services = 0, revisions = 0;
    for (const auto& [key, object] : w.children) {
      deployments += key.starts_with("Deployment ") ? 1 : 0;
      services += key.starts_with("Service ") ? 1 : 0;
      revisions += key.starts_with("ControllerRevision ") ? 1 : 0;
    }
    RC_ASSERT(deployments == 1);
    RC_ASSERT(services == 2);
    RC_ASSERT(revisions <= last["revisionHistoryLimit"].get<int>() + 2);
  }));
}

// A deployment at rest stays at rest: the same observation gives no new writes, at any later time.
TEST(WorldProperty, RestIsStable) {
  EXPECT_TRUE(rc::check("rest is stable", [] {
    World w;
    Json spec = AnySpec();
    spec["rollout"].erase("paused");
    w.Edit(spec);
    RC_ASSERT(w.Settle(300));
    const auto children = w.children;
    const Json status = w.status;
    w.now += absl::Hours(*rc::gen::inRange(1, 1000));
    const Plan plan = w.Reconcile();
    RC_ASSERT(plan.decisions.empty());
    RC_ASSERT(plan.events.empty());
    RC_ASSERT(w.children == children);
    RC_ASSERT(w.status == status);
  }));
}

}  // namespace
}  // namespace deepseek::decide
