#pragma once
// JSON in headers is a forward declaration only: include base/json_full.h in .cc files.
// Json keeps keys sorted (canonical output); OrderedJson keeps them as they came.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace deepseek {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

/// Limits of ParseJson, so that untrusted text cannot exhaust stack or memory.
struct JsonLimits {
  size_t max_bytes = size_t{8} << 20;
  int max_depth = 64;
};

/// Parses strict JSON. Never throws. Errors (kInvalidArgument) name `what` and the byte offset.
absl::StatusOr<Json> ParseJson(std::string_view text, std::string_view what,
                               JsonLimits limits = {});

/// As ParseJson, but objects keep the order of their keys.
absl::StatusOr<OrderedJson> ParseOrderedJson(std::string_view text, std::string_view what,
                                             JsonLimits limits = {});

/// Canonical text: sorted keys, no white space; invalid UTF-8 becomes U+FFFD.
std::string DumpJson(const Json& json);

}  // namespace deepseek
