#pragma once
// Server-side apply on one object: merge, removal of what is no longer applied, conflicts,
// ownership.

#include <string>
#include <vector>

#include "base/json.h"
#include "tests/support/fake_field_set.h"

namespace deepseek::kube {

struct Conflict {
  FieldManager owner;
  FieldPath path;
};

/// Merges `applied` into `live` as `manager`. Without `force` and with conflicts nothing is
/// changed.
std::vector<Conflict> MergeApplied(const Json& applied, const FieldManager& manager, bool force,
                                   Json* live, Ownership* ownership);

/// After a write other than apply: `manager` owns what it changed, nobody owns what is gone.
void TrackUpdate(const Json& before, const Json& after, const FieldManager& manager,
                 Ownership* ownership);

}  // namespace deepseek::kube
