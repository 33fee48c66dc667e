#pragma once
// Numbers of bytes as people write them on a command line and in YAML.

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace deepseek::agent {

/// "1048576", "512Mi", "4Gi", "2G". kInvalidArgument names the flag.
absl::StatusOr<int64_t> ParseBytesFlag(const std::string& flag, const std::string& value);

}  // namespace deepseek::agent
