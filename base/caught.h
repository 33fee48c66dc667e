#pragma once

#include <functional>
#include <string_view>

#include "absl/status/status.h"

namespace deepseek {

/// What `body` returns; an exception of it is logged with the request's id and becomes kInternal,
/// so that it ends the request and not the process. Only its type is logged: its text may quote the
/// request.
absl::Status Caught(std::string_view request_id, const std::function<absl::Status()>& body);

}  // namespace deepseek
