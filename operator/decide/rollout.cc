#include "operator/decide/rollout.h"

#include <algorithm>
#include <limits>
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

// Not while it is paused with old revisions in place: they stay then.
Replicas Recreate(int replicas, bool paused, const Share& current, const std::vector<Share>& old) {
  Replicas next{.create_current = current.exists, .current = current.want, .old = {}};
  bool gone = true;
  for (const Share& share : old) {
    next.old.push_back(0);
    gone = gone && share.want == 0 && share.pods == 0;
  }
  if (gone && (current.exists || !paused)) {
    next.create_current = true;
    next.current = replicas;
  }
  return next;
}

// Takes unready pods from the old revisions that are proven or not, `most` in all.
void TakeUnready(bool proven, int* most, const std::vector<Share>& old, std::vector<int>* want) {
  for (size_t i = 0; i < old.size(); ++i) {
    if (!old[i].settled || old[i].proven != proven) continue;
    const int taken = std::min(*most, (*want)[i] - ReadyAt(old[i], (*want)[i]));
    (*want)[i] -= taken;
    *most -= taken;
  }
}

// Takes ready pods from the old revisions as far as `spare` allows, `most` in all.
void TakeReady(int spare, int most, const std::vector<Share>& old, std::vector<int>* want) {
  for (size_t i = 0; i < old.size() && spare > 0; ++i) {
    const int taken = std::min({spare, most, (*want)[i]});
    const int before = ReadyAt(old[i], (*want)[i]);
    (*want)[i] -= taken;
    most -= taken;
    spare -= before - ReadyAt(old[i], (*want)[i]);
  }
}

// How many pods there are too many of while a change is paused: replicas was lowered. Where only
// one revision has pods, nothing surges (as with Kubernetes' Deployment).
int Surplus(int replicas, int max_surge, const Share& current, const std::vector<Share>& old) {
  const auto revisions =
      std::count_if(old.begin(), old.end(), [](const Share& share) { return share.want > 0; }) +
      (current.want > 0 ? 1 : 0);
  return std::max(0, TotalWanted(current, old) - replicas - (revisions > 1 ? max_surge : 0));
}

}  // namespace

Replicas NextReplicas(int replicas, const api::Rollout& rollout, bool paused, const Share& current,
                      const std::vector<Share>& old) {
  const bool alone =
      std::all_of(old.begin(), old.end(), [](const Share& share) { return share.want == 0; });
  if (rollout.strategy == api::Strategy::kRecreate && (alone || !paused))
    return Recreate(replicas, paused, current, old);

  Replicas next{.create_current = current.exists || !paused, .current = current.want, .old = {}};
  for (const Share& share : old) next.old.push_back(share.want);
  if (alone) {
    if (next.create_current) {
      next.current = replicas;
    } else if (!old.empty()) {
      next.old.back() = replicas;  // paused at 0: what comes back is what was there
    }
    return next;
  }

  int most = std::numeric_limits<int>::max();
  if (paused) {
    // A change of replicas still counts: the revision that goes last carries it.
    const int missing = replicas - TotalWanted(current, old);
    const auto last = std::find_if(next.old.rbegin(), next.old.rend(), [](int n) { return n > 0; });
    if (missing > 0) *last += missing;  // there is one: not alone
    most = Surplus(replicas, rollout.max_surge, current, old);
  } else {
    const int room = replicas + rollout.max_surge - TotalWanted(current, old);
    next.current = std::min(replicas, current.want + std::max(0, room));
  }
  TakeUnready(/*proven=*/false, &most, old, &next.old);

  const int minimum = replicas - rollout.max_unavailable;
  int ready = ReadyAt(current, std::min(current.want, next.current)), back = 0;
  for (size_t i = 0; i < old.size(); ++i) {
    ready += ReadyAt(old[i], next.old[i]);
    if (old[i].proven) back += next.old[i] - ReadyAt(old[i], next.old[i]);
  }
  if (!paused) most = std::max(0, ready + back - minimum);
  TakeUnready(/*proven=*/true, &most, old, &next.old);
  TakeReady(std::max(0, ready - minimum), most, old, &next.old);
  return next;
}

}  // namespace deepseek::decide
