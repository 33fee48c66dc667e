#pragma once
// Block ids with reference counts, and what the full ones hold, so that a later sequence with the
// same beginning finds them. Pure bookkeeping: no memory is touched.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "engine/kernels/step.h"

namespace deepseek::engine {

/// What the rows of a full block are made of. With the rows before it, that decides its bits
/// (RowPath in kernels/step.h).
struct BlockRows {
  std::array<int32_t, kBlockTokens> tokens{};
  int32_t materialised = kBlockTokens;  ///< so many, the first ones; the rest are absorbed

  bool operator==(const BlockRows&) const = default;
};

/// Not thread-safe. Ids are 0 .. total-1. A block is free, held (it has holders) or idle (kept for
/// its content, without a holder).
///
/// Kept blocks form trees: a block is found by its content under the block before it, or, at the
/// beginning of a sequence, under a salt. Nothing rests on hashes: tokens are compared. Who holds a
/// kept block holds the ones before it, and gives its blocks back from the last to the first. So a
/// block becomes idle after those that follow it, and taking the block that has been idle longest
/// always takes a leaf.
class BlockPool {
 public:
  static constexpr int32_t kNone = -1;

  /// `hash_key`: secret, so that nobody can choose tokens that share a bucket. Decides no result.
  BlockPool(int32_t total, uint64_t hash_key);

  /// A block with one holder, its content forgotten: a free one (last freed, first given: it may
  /// still be warm), else the one that has been idle longest. kNone when all are held.
  int32_t Allocate();
  /// One more holder of a held or idle block.
  void Share(int32_t block);
  /// One holder less; the last one leaves it idle if it is kept, else free.
  void Release(int32_t block);

  /// The kept block with these rows behind `parent`, or behind nothing under `salt` (parent kNone).
  int32_t Find(int32_t parent, std::string_view salt, const BlockRows& rows) const;
  /// Keeps `block`, which its only holder has filled with `rows`, and returns it; or, when an equal
  /// block is kept already, moves the holder to that one and returns it. `parent`: kept, with the
  /// same holder.
  int32_t Keep(int32_t block, int32_t parent, std::string_view salt, const BlockRows& rows);

  int32_t total() const { return static_cast<int32_t>(references_.size()); }
  int32_t held() const { return held_; }
  int32_t available() const { return total() - held_; }  ///< free or idle
  int32_t free_blocks() const { return static_cast<int32_t>(free_.size()); }
  /// Holders of each block.
  absl::Span<const int32_t> references() const { return references_; }

 private:
  struct Kept {
    bool kept = false;
    int32_t parent = kNone;
    std::string salt;  // of blocks without a parent
    BlockRows rows;
    uint64_t hash = 0;
    int32_t next_in_bucket = kNone;
  };
  struct Link {
    int32_t before = kNone, after = kNone;
  };

  uint64_t Hash(int32_t parent, std::string_view salt, const BlockRows& rows) const;
  size_t Bucket(uint64_t hash) const { return hash & (buckets_.size() - 1); }
  void Forget(int32_t block);
  void PushIdle(int32_t block);
  void RemoveIdle(int32_t block);

  const uint64_t hash_key_;
  std::vector<int32_t> references_;
  std::vector<Kept> kept_;  // [total]
  std::vector<Link> idle_;  // [total], a list of the idle blocks
  int32_t oldest_ = kNone, newest_ = kNone;
  std::vector<int32_t> free_;     // stack
  std::vector<int32_t> buckets_;  // heads of chains of kept blocks; a power of two
  int32_t held_ = 0;
};

}  // namespace deepseek::engine
