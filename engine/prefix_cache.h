#pragma once
// Which blocks of a request are in the cache already, and which of its own become so for others.

#include "engine/cache/block_pool.h"
#include "engine/live_request.h"

namespace deepseek::engine {

/// A hit changes no bit of an answer: a block is taken only where all rows up to its end have the
/// same tokens *and the same paths* (RowPath) as those that the request would compute itself.
class PrefixCache {
 public:
  /// `paths_differ`: a row has other bits on another path (MLA).
  PrefixCache(BlockPool* pool, bool on, bool paths_differ)
      : pool_(pool), on_(on), paths_differ_(paths_differ) {}

  bool on() const { return on_; }
  bool paths_differ() const { return paths_differ_; }
  /// Sets live->cached to the kept blocks of its longest known prefix; no row whose logits are
  /// wanted is among them.
  void Match(LiveRequest* live) const;
  /// Keeps those of its blocks that are computed to the end. Entries of live->blocks change to
  /// equal blocks that others kept before.
  void Keep(LiveRequest* live);
  /// Whether `senior` is about to compute the very block that `live`, matched, would begin with.
  bool Follows(const LiveRequest& live, const LiveRequest& senior) const;

 private:
  BlockRows RowsOf(const LiveRequest& live, int32_t block) const;
  /// Blocks at most that it may take from others.
  int32_t Usable(const LiveRequest& live) const;

  BlockPool* const pool_;
  const bool on_;
  const bool paths_differ_;
};

}  // namespace deepseek::engine
