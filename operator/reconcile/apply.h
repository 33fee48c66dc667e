#pragma once
// Writes what a plan says, in order, and only what differs.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "operator/decide/difference.h"
#include "operator/decide/observed.h"
#include "operator/decide/plan.h"
#include "operator/kube/caches.h"
#include "operator/kube/client.h"
#include "operator/render/render.h"

namespace deepseek::reconcile {

/// One object to be created (`observed` is null) or applied.
struct Write {
  const kube::Resource* resource = nullptr;
  decide::Object desired, observed;
  std::string difference;  ///< path of the first thing that differs
};

/// What the API server made of the zeros in what it was told last, by kind and name. Without it
/// they are written once more.
struct Stored {
  std::string applied_hash;
  decide::ReplacedZeros zeros;
};
using StoredZeros = std::map<std::pair<std::string, std::string>, Stored>;

/// What has to be done so that the world is as planned, in order.
struct Changes {
  std::vector<Write> writes;
  std::vector<decide::Deletion> deletions;
  bool empty() const { return writes.empty() && deletions.empty(); }
};

/// Pure. kInternal: the plan has kinds that are none of ours. Every deletion of the result has a
/// resource version.
absl::StatusOr<Changes> FindChanges(const decide::Cluster& cluster,
                                    const std::vector<render::Rendered>& objects,
                                    std::vector<decide::Deletion> deletions,
                                    const StoredZeros& stored = {});

/// Creates, applies and deletes; the answers go to the caches, and to `stored`. Every write of
/// something that exists carries the uid and the resource version that it was compared with, so
/// that what rests on an old picture is refused. Stops at the first error: kAlreadyExists when a
/// name is taken by something that was not observed, kAborted when something is no longer as
/// observed.
absl::Status CarryOut(const Changes& changes, const std::string& ns, kube::Client& client,
                      kube::Caches& caches, StoredZeros* stored);

}  // namespace deepseek::reconcile
