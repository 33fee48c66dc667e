#pragma once
// Who may use the API. One table of routes; what is not in it needs a key as well.

#include <memory>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "base/auth/api_keys.h"

namespace deepseek::agent {

/// Thread-safe.
class Gate {
 public:
  /// `keys` null: everybody may.
  explicit Gate(std::shared_ptr<const auth::ApiKeyFile> keys = nullptr) : keys_(std::move(keys)) {}

  /// `path` of a request over HTTP and the value of its Authorization. 401 or 403 in OpenAI's shape
  /// (error.h), the same for routes that exist and for those that do not.
  absl::StatusOr<auth::Principal> Admit(std::string_view path,
                                        std::string_view authorization) const;
  /// The same for a call whose protocol has no open routes.
  absl::StatusOr<auth::Principal> Admit(std::string_view authorization) const;

 private:
  std::shared_ptr<const auth::ApiKeyFile> keys_;
};

/// The tenant of a request that names `asked` (empty: none): the caller's own, or, where the caller
/// has none, whichever it names. 403 for somebody else's.
absl::StatusOr<std::string> TenantOf(const auth::Principal& caller, std::string_view asked);

}  // namespace deepseek::agent
