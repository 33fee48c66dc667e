#pragma once
// Random specs and random turns of a world, for properties.

#include <rapidcheck.h>

#include "tests/operator/decide/world.h"

namespace deepseek::decide {

/// Few distinct intents, so that reverts are common.
inline Json AnySpec() {
  Json spec = {{"replicas", *rc::gen::inRange(0, 5)},
               {"revisionHistoryLimit", *rc::gen::inRange(2, 4)}};
  spec["engine"]["maxBatch"] = *rc::gen::inRange(1, 5);
  const int surge = *rc::gen::inRange(0, 3);
  spec["rollout"]["maxSurge"] = surge;
  spec["rollout"]["maxUnavailable"] = *rc::gen::inRange(surge == 0 ? 1 : 0, 3);
  if (*rc::gen::inRange(0, 8) == 0) spec["rollout"]["strategy"] = "Recreate";
  if (*rc::gen::inRange(0, 6) == 0) spec["rollout"]["paused"] = true;
  if (*rc::gen::inRange(0, 6) == 0)
    spec["rollout"]["retryToken"] = std::to_string(*rc::gen::inRange(0, 3));
  return spec;
}

/// An edit, a fate, a pod that falls ill or is lost, or a round of the cluster.
inline void AnyTurn(World* w) {
  switch (*rc::gen::inRange(0, 7)) {
    case 0:
    case 1:
      w->Edit(AnySpec());
      break;
    case 2:
      w->fates[w->last_hash8] = *rc::gen::element(Fate::kReady, Fate::kLoading, Fate::kInvalid,
                                                  Fate::kImagePull, Fate::kPending);
      break;
    case 3:
      if (!w->pods.empty()) w->pods[*rc::gen::inRange<size_t>(0, w->pods.size())].ready = false;
      break;
    case 4:
      if (!w->pods.empty()) w->pods.erase(w->pods.begin());  // a node is lost
      break;
    default:
      w->Step();
  }
}

}  // namespace deepseek::decide
