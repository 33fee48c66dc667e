#pragma once
// Block ids with reference counts. Pure bookkeeping: no memory is touched.

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"

namespace deepseek::engine {

/// Not thread-safe. Ids are 0 .. total-1; a free id has count 0. The lowest free id is not
/// guaranteed: last freed, first given, so that a block that is still warm in the caches is used
/// again.
class BlockAllocator {
 public:
  explicit BlockAllocator(int32_t total);
  /// A block with count 1. kResourceExhausted when none is free.
  absl::StatusOr<int32_t> Allocate();
  /// One more holder of a block in use (copy-on-write fork, shared prefix).
  void Share(int32_t block);
  /// One holder less; true when that was the last one and the block is free again.
  bool Release(int32_t block);

  int32_t total() const { return static_cast<int32_t>(references_.size()); }
  int32_t used() const { return total() - static_cast<int32_t>(free_.size()); }
  int32_t free_blocks() const { return static_cast<int32_t>(free_.size()); }
  int32_t references(int32_t block) const { return references_[static_cast<size_t>(block)]; }

 private:
  std::vector<int32_t> references_;
  std::vector<int32_t> free_;  // stack
};

}  // namespace deepseek::engine
