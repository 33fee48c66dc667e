#pragma once
// kubectl deepseek undo: puts the spec of an earlier revision back. It edits the spec and nothing
// else; the operator then restores the revision as it does for every such edit.

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "operator/cli/session.h"
#include "operator/decide/observed.h"

namespace deepseek::cli {

struct UndoOptions {
  std::string name;
  int64_t to = 0;  ///< number of the revision; 0: the newest one that is not the spec's
  bool dry_run = false;
};

struct Undone {
  decide::Object dsd;    ///< with the earlier spec
  std::string revision;  ///< its name
  int64_t number = 0;
};

/// Pure. kNotFound: there is no such revision; kFailedPrecondition: the spec is that already.
absl::StatusOr<Undone> UndoSpec(const decide::Cluster& cluster, int64_t to);

absl::Status Undo(Session& session, const UndoOptions& options);

}  // namespace deepseek::cli
