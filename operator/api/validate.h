#pragma once
// Checks a JSON value against the table of fields: what the API server's schema checks, for callers
// that have none in front (the command line, objects stored under an older CRD).

#include "absl/status/status.h"
#include "base/json.h"
#include "operator/api/field.h"

namespace deepseek::api {

/// Errors (kInvalidArgument) name the path: "spec.model.source.builtin: must be one of demo-v3, not
/// \"x\"". CEL rules are not run here.
absl::Status Validate(const Json& value, const Fields& fields, const std::string& root);

}  // namespace deepseek::api
