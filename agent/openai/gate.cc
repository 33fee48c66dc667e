#include "agent/openai/gate.h"

#include <algorithm>
#include <array>

#include "agent/openai/error.h"

namespace deepseek::agent {
namespace {

/// Say nothing of anybody's requests; the kubelet and load balancers have no keys.
constexpr std::array<std::string_view, 3> kOpen = {"/health", "/ready", "/version"};

}  // namespace

absl::StatusOr<auth::Principal> Gate::Admit(std::string_view path,
                                            std::string_view authorization) const {
  if (std::find(kOpen.begin(), kOpen.end(), path) != kOpen.end()) return auth::Principal{};
  return Admit(authorization);
}

absl::StatusOr<auth::Principal> Gate::Admit(std::string_view authorization) const {
  if (!keys_) return auth::Principal{};
  absl::StatusOr<auth::Principal> who = keys_->Check(authorization, auth::Role::kInfer);
  if (who.ok()) return who;
  if (who.status().code() == absl::StatusCode::kPermissionDenied) {
    return ToStatus({403, "This API key may not be used for inference.", "invalid_request_error",
                     "", "insufficient_permissions"});
  }
  const bool given = !auth::BearerToken(authorization).empty();
  return ToStatus({401,
                   given ? "Incorrect API key provided."
                         : "You didn't provide an API key. Send it in the Authorization header: "
                           "Authorization: Bearer YOUR_KEY.",
                   "invalid_request_error", "", "invalid_api_key"});
}

absl::StatusOr<std::string> TenantOf(const auth::Principal& caller, std::string_view asked) {
  if (asked.empty() || asked == caller.tenant) return caller.tenant;
  if (caller.tenant.empty()) return std::string(asked);
  return ToStatus({403, "This API key belongs to another tenant.", "invalid_request_error",
                   "tenant", "insufficient_permissions"});
}

}  // namespace deepseek::agent
