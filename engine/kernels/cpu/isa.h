#pragma once
// Which kernels run on this CPU: the one place that decides.

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/kernels/cpu/kernel_table.h"

namespace deepseek::engine {

/// Names of the tables that this CPU can run, best first; "baseline" is always the last.
std::vector<std::string_view> SupportedIsas();
/// "auto" is the best one. kInvalidArgument: not known, or not supported by this CPU (lists what
/// is).
absl::StatusOr<const KernelTable*> SelectKernels(std::string_view isa);

}  // namespace deepseek::engine
