#include "engine/cache/block_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

namespace deepseek::engine {
namespace {

constexpr int32_t kNone = BlockPool::kNone;

BlockRows Rows(int32_t seed, int32_t materialised = kBlockTokens) {
  BlockRows rows;
  for (int32_t i = 0; i < kBlockTokens; ++i) rows.tokens[static_cast<size_t>(i)] = seed * 100 + i;
  rows.materialised = materialised;
  return rows;
}

TEST(BlockPool, GivesEachBlockOnceAndThenRefuses) {
  BlockPool pool(5, 1);
  std::set<int32_t> given;
  for (int i = 0; i < 5; ++i) given.insert(pool.Allocate());
  EXPECT_EQ(given, (std::set<int32_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(pool.held(), 5);
  EXPECT_EQ(pool.Allocate(), kNone);
}

TEST(BlockPool, SharedBlocksAreFreedByTheLastHolder) {
  BlockPool pool(2, 1);
  const int32_t block = pool.Allocate();
  pool.Share(block);
  pool.Release(block);
  EXPECT_EQ(pool.held(), 1);
  pool.Release(block);
  EXPECT_EQ(pool.held(), 0);
  EXPECT_EQ(pool.free_blocks(), 2);
}

TEST(BlockPool, WarmBlocksAreUsedAgainFirst) {
  BlockPool pool(8, 1);
  pool.Allocate();
  const int32_t block = pool.Allocate();
  pool.Release(block);
  EXPECT_EQ(pool.Allocate(), block);
}

TEST(BlockPool, AKeptBlockIsFoundWithoutAHolderAndTakesNoRoom) {
  BlockPool pool(2, 1);
  const int32_t block = pool.Keep(pool.Allocate(), kNone, "", Rows(1));
  pool.Release(block);
  EXPECT_EQ(pool.available(), 2);
  EXPECT_EQ(pool.Find(kNone, "", Rows(1)), block);
  pool.Share(block);
  EXPECT_EQ(pool.available(), 1);
}

TEST(BlockPool, HistorySaltTokensAndPathsAllCount) {
  BlockPool pool(8, 1);
  const int32_t first = pool.Keep(pool.Allocate(), kNone, "a", Rows(1));
  const int32_t second = pool.Keep(pool.Allocate(), first, "a", Rows(2));
  EXPECT_EQ(pool.Find(kNone, "a", Rows(1)), first);
  EXPECT_EQ(pool.Find(first, "a", Rows(2)), second);
  EXPECT_EQ(pool.Find(kNone, "b", Rows(1)), kNone) << "another tenant";
  EXPECT_EQ(pool.Find(kNone, "", Rows(1)), kNone);
  EXPECT_EQ(pool.Find(kNone, "a", Rows(2)), kNone) << "another history";
  EXPECT_EQ(pool.Find(second, "a", Rows(2)), kNone);
  EXPECT_EQ(pool.Find(kNone, "a", Rows(1, 63)), kNone) << "its last row was a generated one";
  BlockRows other = Rows(1);
  ++other.tokens.back();
  EXPECT_EQ(pool.Find(kNone, "a", other), kNone);
}

TEST(BlockPool, AnEqualBlockIsKeptOnce) {
  BlockPool pool(4, 1);
  const int32_t first = pool.Keep(pool.Allocate(), kNone, "", Rows(1));
  const int32_t twin = pool.Allocate();
  EXPECT_EQ(pool.Keep(twin, kNone, "", Rows(1)), first);
  EXPECT_EQ(pool.references()[static_cast<size_t>(first)], 2);
  EXPECT_EQ(pool.held(), 1);
  EXPECT_EQ(pool.Allocate(), twin) << "free again";
}

TEST(BlockPool, TheLongestIdleLeafGoesFirst) {
  BlockPool pool(4, 1);
  std::vector<int32_t> old = {pool.Keep(pool.Allocate(), kNone, "", Rows(1))};
  old.push_back(pool.Keep(pool.Allocate(), old[0], "", Rows(2)));
  const int32_t young = pool.Keep(pool.Allocate(), kNone, "", Rows(3));
  pool.Release(old[1]);
  pool.Release(old[0]);
  pool.Release(young);
  pool.Allocate();  // the fourth, never used
  EXPECT_EQ(pool.Allocate(), old[1]);
  EXPECT_EQ(pool.Find(old[0], "", Rows(2)), kNone);
  EXPECT_EQ(pool.Find(kNone, "", Rows(1)), old[0]);
  EXPECT_EQ(pool.Allocate(), old[0]);
  EXPECT_EQ(pool.Find(kNone, "", Rows(3)), young);
  EXPECT_EQ(pool.Allocate(), young);
  EXPECT_EQ(pool.Allocate(), kNone);
}

TEST(BlockPool, UseMakesABlockYoung) {
  BlockPool pool(2, 1);
  const int32_t a = pool.Keep(pool.Allocate(), kNone, "", Rows(1));
  const int32_t b = pool.Keep(pool.Allocate(), kNone, "", Rows(2));
  pool.Release(a);
  pool.Release(b);
  pool.Share(a);
  pool.Release(a);
  EXPECT_EQ(pool.Allocate(), b);
}

/// The same rules over whole histories: a list of kept prefixes, the longest idle first.
class NaivePool {
 public:
  using History = std::pair<int, std::vector<int>>;  // salt, content of each block so far

  explicit NaivePool(int32_t total) : free(total) {}

  bool Allocate() {
    if (free > 0) {
      --free;
      return true;
    }
    for (auto it = order.begin(); it != order.end(); ++it) {
      if (holders.at(*it) > 0) continue;
      for (const auto& [other, unused] : holders) EXPECT_FALSE(Extends(other, *it)) << "not a leaf";
      holders.erase(*it);
      order.erase(it);
      return true;
    }
    return false;
  }
  void Touch(const History& h) {
    order.erase(std::find(order.begin(), order.end(), h));
    order.push_back(h);
  }
  int32_t held_kept() const {
    return static_cast<int32_t>(
        std::count_if(holders.begin(), holders.end(), [](const auto& h) { return h.second > 0; }));
  }

  int32_t free;
  std::map<History, int> holders;  // of kept blocks
  std::vector<History> order;      // by when they lost their last holder

 private:
  static bool Extends(const History& a, const History& b) {
    return a.first == b.first && a.second.size() > b.second.size() &&
           std::equal(b.second.begin(), b.second.end(), a.second.begin());
  }
};

/// Sequences of few different contents come, find, grow, and go; both pools must agree on
/// everything.
class Traffic {
 public:
  Traffic(int32_t total, uint32_t seed) : random_(seed), pool_(total, seed), naive_(total) {}

  void Step() {
    const auto action = random_() % 4;
    if (action == 0 || sequences_.empty()) {
      Begin();
    } else {
      const size_t i = random_() % sequences_.size();
      if (action == 3) {
        End(i);
      } else if (!Grow(&sequences_[i])) {
        End(i);
      }
    }
    Compare();
  }
  void EndAll() {
    while (!sequences_.empty()) End(sequences_.size() - 1);
    Compare();
    EXPECT_EQ(pool_.held(), 0);
  }
  int hits = 0;

 private:
  struct Live {
    NaivePool::History history;   // what it will hold
    std::vector<int32_t> blocks;  // table
    size_t kept = 0;              // the last block may be still in work
  };

  static std::string Salt(int salt) { return salt == 0 ? "" : std::string(300, 'x'); }
  static NaivePool::History Prefix(const Live& live, size_t blocks) {
    return {live.history.first,
            {live.history.second.begin(),
             live.history.second.begin() + static_cast<std::ptrdiff_t>(blocks)}};
  }
  static BlockRows Content(int content) { return Rows(content / 2, content % 2 == 0 ? 64 : 10); }

  void Begin() {
    Live live;
    live.history.first = static_cast<int>(random_() % 2);
    for (size_t n = 1 + random_() % 6; n > 0; --n)
      live.history.second.push_back(static_cast<int>(random_() % 3));
    for (const int content : live.history.second) {
      const int32_t parent = live.blocks.empty() ? kNone : live.blocks.back();
      const int32_t block = pool_.Find(parent, Salt(live.history.first), Content(content));
      const auto prefix = Prefix(live, live.kept + 1);
      ASSERT_EQ(block != kNone, naive_.holders.count(prefix) == 1);
      if (block == kNone) break;
      pool_.Share(block);
      ++naive_.holders[prefix];
      live.blocks.push_back(block);
      ++live.kept;
      ++hits;
    }
    sequences_.push_back(live);
  }

  // One block more, or the one in work is done. False: no room, or complete.
  bool Grow(Live* live) {
    if (live->blocks.size() > live->kept) {
      const int32_t parent = live->kept == 0 ? kNone : live->blocks[live->kept - 1];
      const auto prefix = Prefix(*live, live->kept + 1);
      const bool twin = naive_.holders.count(prefix) == 1;
      const int32_t block = pool_.Keep(live->blocks.back(), parent, Salt(live->history.first),
                                       Content(live->history.second[live->kept]));
      EXPECT_EQ(block != live->blocks.back(), twin);
      live->blocks.back() = block;
      if (twin) ++naive_.free;
      if (!twin) naive_.order.push_back(prefix);
      ++naive_.holders[prefix];
      ++live->kept;
      return true;
    }
    if (live->kept == live->history.second.size()) return false;
    const int32_t block = pool_.Allocate();
    EXPECT_EQ(block != kNone, naive_.Allocate());
    if (block == kNone) return false;
    live->blocks.push_back(block);
    return true;
  }

  void End(size_t i) {
    Live& live = sequences_[i];
    while (!live.blocks.empty()) {
      pool_.Release(live.blocks.back());
      if (live.blocks.size() > live.kept) {
        ++naive_.free;
      } else {
        const auto prefix = Prefix(live, live.blocks.size());
        if (--naive_.holders[prefix] == 0) naive_.Touch(prefix);
      }
      live.blocks.pop_back();
    }
    sequences_.erase(sequences_.begin() + static_cast<std::ptrdiff_t>(i));
  }

  void Compare() {
    int32_t in_work = 0;
    std::set<int32_t> all;
    for (const Live& live : sequences_) {
      if (live.blocks.size() > live.kept) {
        ++in_work;
        EXPECT_TRUE(all.insert(live.blocks.back()).second) << "written by two";
      }
    }
    for (const Live& live : sequences_) {
      for (size_t b = 0; b < live.kept; ++b) {
        EXPECT_EQ(pool_.references()[static_cast<size_t>(live.blocks[b])],
                  naive_.holders[Prefix(live, b + 1)]);
      }
    }
    ASSERT_EQ(pool_.free_blocks(), naive_.free);
    ASSERT_EQ(pool_.held(), naive_.held_kept() + in_work);
    ASSERT_EQ(pool_.available() + pool_.held(), pool_.total());
  }

  std::mt19937 random_;
  BlockPool pool_;
  NaivePool naive_;
  std::vector<Live> sequences_;
};

TEST(BlockPool, RandomTrafficAsANaivePool) {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    Traffic traffic(3 + static_cast<int32_t>(seed) * 2, seed);
    for (int i = 0; i < 1500 && !testing::Test::HasFailure(); ++i) traffic.Step();
    traffic.EndAll();
    EXPECT_GT(traffic.hits, 100) << seed;
    ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace deepseek::engine
