#pragma once
// How much memory this process may still take.

#include <cstdint>
#include <string>

namespace deepseek::engine {

struct MemoryRoom {
  int64_t bytes = INT64_MAX;  ///< INT64_MAX: unknown
  std::string limit;          ///< what sets it: "the machine" or "the cgroup's limit of N bytes"
};

/// The least of MemAvailable and what the process's cgroup (v1 or v2) and its ancestors leave.
/// Pages of files count as free, since the system gives them up for us: a model that was just read
/// fills a cgroup with them. `root` stands before /proc and /sys, for tests.
MemoryRoom AvailableMemory(const std::string& root = "");
int64_t AvailableMemoryBytes();

}  // namespace deepseek::engine
