#include "operator/decide/rollout.h"

#include <algorithm>
#include <numeric>

namespace deepseek::decide {
namespace {

// Ready pods that remain once a revision is scaled to `want`: the Deployment controller takes
// unready pods first.
int ReadyAt(const Share& share, int want) {
  return std::min(share.ready, want);
}

int TotalWanted(const Share& current, const std::vector<Share>& old) {
  return std::accumulate(old.begin(), old.end(), current.want,
                         [](int sum, const Share& share) { return sum + share.want; });
}

Replicas Recreate(int replicas, bool paused, const Share& current, const std::vector<Share>& old) {
  Replicas next{.create_current = current.exists, .current = current.want, .old = {}};
  bool gone = true;
  for (const Share& share : old) {
    next.old.push_back(paused ? share.want : 0);
    gone = gone && share.want == 0 && share.pods == 0;
  }
  if (gone && (current.exists || !paused)) {
    next.create_current = true;
    next.current = replicas;
  }
  return next;
}

// Takes ready pods from the old revisions as far as `spare` allows.
void TakeReady(int spare, const std::vector<Share>& old, std::vector<int>* want) {
  for (size_t i = 0; i < old.size() && spare > 0; ++i) {
    const int taken = std::min(spare, (*want)[i]);
    const int before = ReadyAt(old[i], (*want)[i]);
    (*want)[i] -= taken;
    spare -= before - ReadyAt(old[i], (*want)[i]);
  }
}

}  // namespace

Replicas NextReplicas(int replicas, const api::Rollout& rollout, bool paused, const Share& current,
                      const std::vector<Share>& old) {
  const bool alone =
      std::all_of(old.begin(), old.end(), [](const Share& share) { return share.want == 0; });
  if (rollout.strategy == api::Strategy::kRecreate) return Recreate(replicas, paused, current, old);

  Replicas next{.create_current = current.exists || !paused, .current = current.want, .old = {}};
  for (const Share& share : old) next.old.push_back(share.want);
  if (alone) {
    if (next.create_current) next.current = replicas;
    return next;
  }

  const int room = replicas + rollout.max_surge - TotalWanted(current, old);
  if (paused) {
    // A change of replicas still counts: the revision that goes last carries it.
    const int missing = replicas - TotalWanted(current, old);
    const auto last = std::find_if(next.old.rbegin(), next.old.rend(), [](int n) { return n > 0; });
    if (missing > 0) *last += missing;  // there is one: not alone
  } else {
    next.current = std::min(replicas, current.want + std::max(0, room));
    for (size_t i = 0; i < old.size(); ++i) {
      if (old[i].settled) next.old[i] = std::min(old[i].want, old[i].ready);
    }
  }

  const int minimum = replicas - rollout.max_unavailable;
  int ready = ReadyAt(current, std::min(current.want, next.current));
  for (size_t i = 0; i < old.size(); ++i) ready += ReadyAt(old[i], next.old[i]);
  const int spare = std::max(0, ready - minimum);
  // While paused only what is beyond the surge goes (replicas was lowered).
  TakeReady(paused ? std::min(spare, std::max(0, -room)) : spare, old, &next.old);
  return next;
}

}  // namespace deepseek::decide
