#pragma once
// Zero-filled host memory for weights, cache and step buffers.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace deepseek::engine {

/// Move-only region; freed in the destructor.
class HostMemory {
 public:
  /// `bulk`: 2 MiB aligned with MADV_HUGEPAGE (4 KiB pages halve the bandwidth of a decode step
  /// through nested page tables); else 64-byte aligned. kResourceExhausted with the size.
  static absl::StatusOr<HostMemory> Allocate(int64_t bytes, bool bulk);
  HostMemory() = default;
  HostMemory(HostMemory&& other) noexcept;
  HostMemory& operator=(HostMemory&& other) noexcept;
  HostMemory(const HostMemory&) = delete;
  HostMemory& operator=(const HostMemory&) = delete;
  ~HostMemory();

  /// Takes all pages now instead of at their first use: memory that was promised cannot fail later,
  /// and no step pays for it. Several threads for large regions.
  void Populate();
  uint8_t* data() const { return data_; }
  int64_t bytes() const { return bytes_; }

 private:
  uint8_t* data_ = nullptr;
  int64_t bytes_ = 0;
  void* mapping_ = nullptr;
  uint64_t mapped_ = 0;
};

/// Many blocks with one lifetime, out of large bulk regions: a matrix of any size lies in huge
/// pages, and a model of many thousand matrices stays far below the kernel's limit of mappings.
class HostArena {
 public:
  /// 64-byte aligned, zero-filled. kResourceExhausted with the size.
  absl::StatusOr<uint8_t*> Allocate(int64_t bytes);

 private:
  std::vector<HostMemory> regions_;
  int64_t used_ = 0;  // of the last region
};

/// Bytes of this process in huge pages (AnonHugePages of /proc/self/smaps_rollup); 0 where that is
/// unknown.
int64_t HugePageBytes();

/// The system's policy for transparent huge pages: "always", "madvise" (enough: we ask), "never" or
/// "unknown". `root` stands before /sys, for tests.
std::string HugePagePolicy(const std::string& root = "");

}  // namespace deepseek::engine
