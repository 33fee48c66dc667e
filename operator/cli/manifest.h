#pragma once
// Manifests as people write them: YAML or JSON, several documents in one file.

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/json.h"

namespace deepseek::cli {

/// The documents of a file, empty ones left out. Plain scalars are typed as in YAML 1.2's core
/// schema (as kubectl does, except that yes, no, on and off are strings). kInvalidArgument names
/// `what` and the place.
absl::StatusOr<std::vector<Json>> ReadManifest(std::string_view text, std::string_view what);

}  // namespace deepseek::cli
