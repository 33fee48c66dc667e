#pragma once
// A sequence's block table over the shared allocator.

#include <cstdint>
#include <vector>

#include "engine/cache/block_allocator.h"

namespace deepseek::engine {

/// Grows `table` to `blocks` entries; false (and nothing is taken) when too few are free.
inline bool GrowTable(BlockAllocator* allocator, std::vector<int32_t>* table, int32_t blocks) {
  if (blocks - static_cast<int32_t>(table->size()) > allocator->free_blocks()) return false;
  while (static_cast<int32_t>(table->size()) < blocks) table->push_back(*allocator->Allocate());
  return true;
}

/// Gives all of `table` back and empties it.
inline void ReleaseTable(BlockAllocator* allocator, std::vector<int32_t>* table) {
  for (; !table->empty(); table->pop_back()) allocator->Release(table->back());
}

}  // namespace deepseek::engine
