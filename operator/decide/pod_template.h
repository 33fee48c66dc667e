#pragma once
// What an agent's pod looks like: the part of a revision that is made once, when the revision is
// made, and stored in it. Passes Pod Security `restricted`.

#include <string>

#include "absl/status/statusor.h"
#include "base/json.h"
#include "operator/api/deepseek_deployment.h"
#include "operator/decide/resolve.h"

namespace deepseek::decide {

/// The labels by which pods are selected: of all revisions, or of one.
Json Selector(const std::string& deployment, const std::string& hash8 = "");

/// A PodTemplateSpec: deterministic text for the same arguments. `hash8` is the revision's label.
/// kInvalidArgument: the overlay (workload.template) does not merge or is below the security floor;
/// the message begins with its path. A change of what this makes of the same arguments needs
/// kTemplateVersion to grow.
absl::StatusOr<Json> PodTemplate(const std::string& deployment, const std::string& hash8,
                                 const api::PodIntent& intent, const Resolved& resolved);

}  // namespace deepseek::decide
