#pragma once
// `deepseek-agent verify`: is this folder a checkpoint that we can serve, whole and unchanged?

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/arch/model_spec.h"

namespace deepseek::engine {

struct VerifyReport {
  ModelSpec spec;
  int64_t tensors = 0;    ///< checked, MTP layers included
  bool mtp = false;       ///< the checkpoint has MTP layers
  int64_t bytes = 0;      ///< of the weight files
  bool manifest = false;  ///< SHA256SUMS was there and agrees
  std::vector<std::pair<std::string, std::string>>
      sha256;          ///< file name, hex digest; sorted by name
  std::string digest;  ///< "sha256:..." over the lines "HEX  NAME\n" above
};

/// Checks config.json, presence, shape, type and finiteness of every tensor (of MTP layers, where
/// the checkpoint has any of theirs), and SHA256SUMS (the format of sha256sum) where the folder has
/// one. Errors as LoadModel; a changed file is kDataLoss
/// naming it.
absl::StatusOr<VerifyReport> VerifyCheckpoint(const std::string& dir);

}  // namespace deepseek::engine
