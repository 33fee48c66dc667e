#include "engine/cache/block_allocator.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace deepseek::engine {
namespace {

TEST(BlockAllocator, GivesEachBlockOnceAndThenRefuses) {
  BlockAllocator blocks(5);
  std::set<int32_t> given;
  for (int i = 0; i < 5; ++i) given.insert(*blocks.Allocate());
  EXPECT_EQ(given, (std::set<int32_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(blocks.used(), 5);
  EXPECT_EQ(blocks.Allocate().status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(BlockAllocator, SharedBlocksAreFreedByTheLastHolder) {
  BlockAllocator blocks(2);
  const int32_t block = *blocks.Allocate();
  blocks.Share(block);
  EXPECT_EQ(blocks.references(block), 2);
  EXPECT_FALSE(blocks.Release(block));
  EXPECT_EQ(blocks.used(), 1);
  EXPECT_TRUE(blocks.Release(block));
  EXPECT_EQ(blocks.used(), 0);
}

TEST(BlockAllocator, WarmBlocksAreUsedAgainFirst) {
  BlockAllocator blocks(8);
  blocks.Allocate().value();
  const int32_t block = *blocks.Allocate();
  blocks.Release(block);
  EXPECT_EQ(*blocks.Allocate(), block);
}

// Against a plain model, over random operations.
TEST(BlockAllocator, RandomOperations) {
  std::mt19937 random(3);
  BlockAllocator blocks(20);
  std::map<int32_t, int> held;
  for (int i = 0; i < 20000; ++i) {
    const auto action = random() % 3;
    if (action == 0) {
      const auto block = blocks.Allocate();
      ASSERT_EQ(block.ok(), held.size() < 20);
      if (!block.ok()) continue;
      ASSERT_TRUE(held.emplace(*block, 1).second);
    } else if (!held.empty()) {
      auto it = std::next(held.begin(), static_cast<int>(random() % held.size()));
      if (action == 1) {
        blocks.Share(it->first);
        ++it->second;
      } else {
        ASSERT_EQ(blocks.Release(it->first), --it->second == 0);
        if (it->second == 0) held.erase(it);
      }
    }
    ASSERT_EQ(blocks.used(), static_cast<int32_t>(held.size()));
    ASSERT_EQ(blocks.free_blocks() + blocks.used(), blocks.total());
  }
}

}  // namespace
}  // namespace deepseek::engine
