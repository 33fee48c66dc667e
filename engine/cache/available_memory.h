#pragma once
// How much memory this process may still take.

#include <cstdint>

namespace deepseek::engine {

/// The least of MemAvailable and what the cgroup (v2 memory.max, v1 limit_in_bytes) leaves.
/// INT64_MAX when unknown.
int64_t AvailableMemoryBytes();

}  // namespace deepseek::engine
