#include "engine/prefix_cache.h"

#include <algorithm>

namespace deepseek::engine {

BlockRows PrefixCache::RowsOf(const LiveRequest& live, int32_t block) const {
  BlockRows rows;
  const int32_t begin = block * kBlockTokens;
  for (int32_t i = 0; i < kBlockTokens; ++i)
    rows.tokens[static_cast<size_t>(i)] = live.token(begin + i);
  if (paths_differ_) rows.materialised = std::clamp(live.first_absorbed - begin, 0, kBlockTokens);
  return rows;
}

// The last known row is always computed, for a token is drawn from it; so are the rows that tell of
// prompt tokens whose log-probs are wanted.
int32_t PrefixCache::Usable(const LiveRequest& live) const {
  const int32_t first_wanted = live.scoring() ? live.scored - 1 : live.known_tokens() - 1;
  return first_wanted / kBlockTokens;
}

void PrefixCache::Match(LiveRequest* live) const {
  live->cached.clear();
  if (!on_) return;
  const int32_t most = Usable(*live);
  int32_t parent = BlockPool::kNone;
  for (int32_t i = 0; i < most; ++i) {
    parent = pool_->Find(parent, live->request.cache_salt, RowsOf(*live, i));
    if (parent == BlockPool::kNone) return;
    live->cached.push_back(parent);
  }
}

void PrefixCache::Keep(LiveRequest* live) {
  if (!on_) return;
  for (const int32_t full = live->computed / kBlockTokens; live->kept < full; ++live->kept) {
    const int32_t i = live->kept;
    const int32_t parent = i == 0 ? BlockPool::kNone : live->blocks[i - 1];
    live->blocks[i] =
        pool_->Keep(live->blocks[i], parent, live->request.cache_salt, RowsOf(*live, i));
  }
}

bool PrefixCache::Follows(const LiveRequest& live, const LiveRequest& senior) const {
  const auto next = static_cast<int32_t>(live.cached.size());
  const int32_t end = (next + 1) * kBlockTokens;
  if (next >= Usable(live) || end > senior.known_tokens()) return false;
  if (senior.computed >= end || live.request.cache_salt != senior.request.cache_salt) return false;
  // From the end: requests with one system prompt differ there.
  if (live.token(end - 1) != senior.token(end - 1)) return false;
  for (int32_t i = next; i >= 0; --i) {
    if (RowsOf(live, i) != RowsOf(senior, i)) return false;
  }
  return true;
}

}  // namespace deepseek::engine
