#pragma once
// How many threads make sense here: the CPUs of the affinity mask, within the cgroup's quota.

#include <optional>
#include <string_view>

namespace deepseek::engine {

/// CPUs of a cgroup v2 cpu.max ("150000 100000" -> 1.5, "max 100000" -> none). None: no limit or
/// unreadable.
std::optional<double> CpusOfCpuMax(std::string_view cpu_max);
/// CPUs of cgroup v1 cpu.cfs_quota_us and cpu.cfs_period_us. None: no limit (-1) or unreadable.
std::optional<double> CpusOfCfsQuota(std::string_view quota_us, std::string_view period_us);

/// More than 0; a quota may end in a part of a CPU. The quota is that of this process's own cgroup
/// and of every ancestor that is visible.
double AvailableCpus();

/// Threads for a request of `asked` (0: automatic): at least 1, and never more than use the CPUs
/// there are, one of which may be a part.
int ThreadsFor(int asked, double available);

/// Whether so many threads may spin while they wait: only if each has a whole CPU. With a part of
/// one the quota is used up before the period ends, and then all of them stand still.
bool ThreadsMaySpin(int threads, double available);

}  // namespace deepseek::engine
