#include "engine/cache/block_allocator.h"

#include <cassert>

#include "base/strings.h"

namespace deepseek::engine {

BlockAllocator::BlockAllocator(int32_t total) : references_(static_cast<size_t>(total), 0) {
  free_.reserve(references_.size());
  for (int32_t block = total; block-- > 0;) free_.push_back(block);
}

absl::StatusOr<int32_t> BlockAllocator::Allocate() {
  if (free_.empty()) {
    return absl::ResourceExhaustedError(StrCat("all ", total(), " KV blocks are in use"));
  }
  const int32_t block = free_.back();
  free_.pop_back();
  references_[static_cast<size_t>(block)] = 1;
  return block;
}

void BlockAllocator::Share(int32_t block) {
  assert(references(block) > 0);
  ++references_[static_cast<size_t>(block)];
}

bool BlockAllocator::Release(int32_t block) {
  assert(references(block) > 0);
  if (--references_[static_cast<size_t>(block)] > 0) return false;
  free_.push_back(block);
  return true;
}

}  // namespace deepseek::engine
