#pragma once
// Text of the API server as a tree. An operator's work is mostly this.

#include <string_view>

#include "absl/status/statusor.h"
#include "base/json.h"

namespace deepseek::kube {

/// managedFields are often half of an object, and of use to Apply only.
enum class ManagedFields { kSkip, kKeep };

/// As ParseJson, with limits that fit what an API server may send, and several times as fast
/// (simdjson). What is skipped is checked too, but not kept.
absl::StatusOr<Json> ReadObject(std::string_view text, std::string_view what,
                                ManagedFields managed_fields = ManagedFields::kSkip);

}  // namespace deepseek::kube
