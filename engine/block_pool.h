#pragma once
// Which KV blocks are free. Single-threaded: the step thread's.

#include <cstdint>
#include <vector>

namespace deepseek::engine {

class BlockPool {
 public:
  /// Blocks 0 .. total - 1, all free.
  explicit BlockPool(int32_t total) : total_(total) {
    for (int32_t id = total - 1; id >= 0; --id) free_.push_back(id);
  }
  int32_t total() const { return total_; }
  int32_t free() const { return static_cast<int32_t>(free_.size()); }

  /// Grows `table` to `blocks` entries; false (and nothing is taken) when too few are free.
  bool Grow(std::vector<int32_t>* table, int32_t blocks) {
    const int32_t more = blocks - static_cast<int32_t>(table->size());
    if (more > free()) return false;
    for (int32_t i = 0; i < more; ++i) {
      table->push_back(free_.back());
      free_.pop_back();
    }
    return true;
  }

  /// Gives all of `table` back and empties it.
  void Release(std::vector<int32_t>* table) {
    free_.insert(free_.end(), table->rbegin(), table->rend());
    table->clear();
  }

 private:
  int32_t total_;
  std::vector<int32_t> free_;
};

}  // namespace deepseek::engine
