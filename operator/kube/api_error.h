#pragma once
// The API server's refusals as absl::Status, with its own message.

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/json.h"
#include "operator/kube/transport.h"

namespace deepseek::kube {

/// OK for 2xx. `what` is the call in words ("apply deployments default/x"); it starts the message.
/// 404 kNotFound, 409 AlreadyExists kAlreadyExists, other 409 kAborted, 410 kOutOfRange,
/// 401/403 kPermissionDenied (403 with "exceeded quota" kResourceExhausted), 400/413/422
/// kInvalidArgument (422 about metadata.uid kAborted: a failed precondition), 429/5xx kUnavailable,
/// else kInternal.
absl::Status ErrorOf(const HttpResponse& response, std::string_view what);

/// The same for a metav1.Status object, as watches deliver it in an ERROR event.
absl::Status ErrorOf(const Json& status, int code, std::string_view what);

/// Of an apply that was not forced: the fields that others own, in words (".spec.replicas of
/// kubectl"); empty if that is not what was refused.
std::string FieldConflicts(const absl::Status& status);

/// Nothing can be made in the namespace any more, for it is being deleted.
bool IsNamespaceTerminating(const absl::Status& status);

}  // namespace deepseek::kube
