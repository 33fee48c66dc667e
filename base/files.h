#pragma once
// Small files: settings, certificates, keys.

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"

namespace deepseek {

/// The whole file. kNotFound: it cannot be read (the system's reason is named); kInvalidArgument:
/// larger than `limit_bytes`.
absl::StatusOr<std::string> ReadTextFile(const std::string& path,
                                         size_t limit_bytes = size_t{1} << 20);

}  // namespace deepseek
