#pragma once
// Where a pod says why it ended: Kubernetes shows the content in the container's status.

#include <string>

#include "absl/status/status.h"

namespace deepseek::agent {

/// Writes the error's line to stderr and to the termination log: $DEEPSEEK_TERMINATION_LOG, else
/// /dev/termination-log if the container runtime has put a file there. A log that cannot be written
/// is no further error.
void ReportFatal(const absl::Status& status);

}  // namespace deepseek::agent
