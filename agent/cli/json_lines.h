#pragma once
// Files of one JSON object per line.

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "base/json.h"

namespace deepseek::agent {

/// Calls `each` for every line that is not blank, in order; the first error ends it and names file and line.
/// "-" reads standard input. kInvalidArgument: no such file, or a line that is not a JSON object.
absl::Status ForEachJsonLine(const std::string& flag, const std::string& path,
                             const std::function<absl::Status(const OrderedJson& object)>& each);

/// One line on stdout; invalid UTF-8 becomes U+FFFD.
void PrintJsonLine(const OrderedJson& json);

}  // namespace deepseek::agent
