#pragma once
// JSON in headers is a forward declaration only: include base/json_full.h in .cc files.
// Json keeps keys sorted (canonical output); OrderedJson keeps them as they came.

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace deepseek {

/// Members of an object side by side, sorted, instead of a heap block each. A new member moves the
/// others: hold no reference to a member while members are added.
template <class Key, class Value, class Compare, class Allocator>
class JsonObject;
using Json = nlohmann::basic_json<JsonObject>;
using OrderedJson = nlohmann::ordered_json;

/// Limits of ParseJson, so that untrusted text cannot exhaust stack or memory.
struct JsonLimits {
  size_t max_bytes = size_t{8} << 20;
  int max_depth = 64;
  /// Of the tree, as estimated while it grows: two bytes of text can become thirty of tree.
  size_t max_tree_bytes = SIZE_MAX;
  size_t max_string_bytes = SIZE_MAX;  ///< of one key or string, as written
};

/// Limits for a small file of a model folder: metadata whose tree stays within a few MB.
constexpr JsonLimits ModelFileLimits(size_t max_bytes) {
  return {max_bytes, 64, size_t{4} << 20, size_t{1} << 20};
}

/// Parses strict JSON. Never throws. Errors (kInvalidArgument) name `what` and the byte offset.
absl::StatusOr<Json> ParseJson(std::string_view text, std::string_view what,
                               JsonLimits limits = {});

/// As ParseJson, but objects keep the order of their keys.
absl::StatusOr<OrderedJson> ParseOrderedJson(std::string_view text, std::string_view what,
                                             JsonLimits limits = {});

/// One object or array that is too large to be kept: each member or element is handed over as it is
/// parsed (the key of an element is empty), the first error ends the parse and is its result.
struct JsonStream {
  std::vector<std::string> path;  ///< keys from the root to the container; empty: the root itself
  std::function<absl::Status(const std::string& key, const Json& value)> on_member;
};

/// As ParseJson, but what belongs to `streams` is not in the result: there the container is empty.
/// The limit of the tree counts streamed values one at a time.
absl::StatusOr<Json> ParseJsonStream(std::string_view text, std::string_view what,
                                     JsonLimits limits, const std::vector<JsonStream>& streams);

/// Canonical text: sorted keys, no white space; invalid UTF-8 becomes U+FFFD.
std::string DumpJson(const Json& json);

}  // namespace deepseek
