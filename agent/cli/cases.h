#pragma once
// The cases of `logits`: token sequences in a safetensors file, named as in the golden data.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace deepseek::agent {

struct Case {
  std::string name;
  std::vector<int32_t> input_ids;        ///< [T], at least one
  std::vector<int32_t> positions;        ///< rows whose logits are wanted; empty: all
};

/// Sorted by name. kInvalidArgument: not a safetensors file, no case in it, or a tensor of another type or rank.
absl::StatusOr<std::vector<Case>> ReadCases(const std::string& path);

}  // namespace deepseek::agent
