#pragma once
// How many threads make sense here: the CPUs of the affinity mask, within the cgroup's quota.

#include <optional>
#include <string_view>

namespace deepseek::engine {

/// CPUs of a cgroup v2 cpu.max ("200000 100000" -> 2, "max 100000" -> none), rounded up. None: no
/// limit or unreadable.
std::optional<int> CpusOfCpuMax(std::string_view cpu_max);
/// CPUs of cgroup v1 cpu.cfs_quota_us and cpu.cfs_period_us, rounded up. None: no limit (-1) or
/// unreadable.
std::optional<int> CpusOfCfsQuota(std::string_view quota_us, std::string_view period_us);

/// At least 1. The quota is that of this process's own cgroup and of every ancestor that is
/// visible.
int AvailableCpus();

/// Threads for a request of `asked` (0: automatic): never more than the quota allows.
int ThreadsFor(int asked, int available);

}  // namespace deepseek::engine
