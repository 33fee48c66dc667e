#pragma once
// A sequence's block table over the shared pool.

#include <cstdint>
#include <vector>

#include "engine/cache/block_pool.h"

namespace deepseek::engine {

/// Grows `table` to `blocks` entries; false (and nothing is taken) when too few are available.
inline bool GrowTable(BlockPool* pool, std::vector<int32_t>* table, int32_t blocks) {
  if (blocks - static_cast<int32_t>(table->size()) > pool->available()) return false;
  while (static_cast<int32_t>(table->size()) < blocks) table->push_back(pool->Allocate());
  return true;
}

/// Gives all of `table` back, from the last block to the first, and empties it.
inline void ReleaseTable(BlockPool* pool, std::vector<int32_t>* table) {
  for (; !table->empty(); table->pop_back()) pool->Release(table->back());
}

}  // namespace deepseek::engine
