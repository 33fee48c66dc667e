#pragma once
// How many pods each revision gets next: one step of a rollout, from what is now.

#include <vector>

#include "operator/api/deepseek_deployment.h"

namespace deepseek::decide {

/// Pods of one revision.
struct Share {
  bool exists = false;   ///< has a Deployment
  int want = 0;          ///< its spec.replicas
  int ready = 0;         ///< ready pods that nobody is deleting
  int pods = 0;          ///< all its pods, those that are stopping included
  bool settled = false;  ///< the Deployment controller has acted on `want`
  bool proven = false;   ///< has served at full count once
};

struct Replicas {
  bool create_current = false;  ///< false: the current revision gets no Deployment yet
  int current = 0;
  std::vector<int> old;  ///< as in the argument
};

/// `current` is the revision of the spec; `old` all others that have a Deployment, those to go
/// first in front.
///
/// Invariants of Rolling (tested as properties): the wanted pods of all revisions never grow beyond
/// replicas + maxSurge, except that what exists already is never cut to get there; no step takes
/// away a ready pod unless at least replicas - maxUnavailable ready pods remain. Unready pods of
/// old revisions that never served go at once, so that they hold no GPU; those of proven ones may
/// be ready again in a moment and count towards that minimum until others are ready in their place.
/// `paused` freezes the current revision's share of an unfinished change; more or fewer replicas
/// are the old revisions' then, whose unready pods go first; where all had been scaled to 0 before,
/// the last of them carries what comes back.
Replicas NextReplicas(int replicas, const api::Rollout& rollout, bool paused, const Share& current,
                      const std::vector<Share>& old);

}  // namespace deepseek::decide
