#include "engine/kernels/cpu/thread_pool.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace deepseek::engine {
namespace {

class Pools : public testing::TestWithParam<std::pair<int, bool>> {};

TEST_P(Pools, EveryItemRunsOnce) {
  ThreadPool pool(GetParam().first, GetParam().second);
  EXPECT_EQ(pool.threads(), GetParam().first);
  int64_t total = 0;
  // Many short loops: workers must not miss one, whether they spin or block.
  for (int64_t items = 0; items < 400; ++items) {
    std::vector<int> runs(static_cast<size_t>(items), 0);
    pool.Run(items, [&](int64_t i, int thread) {
      ASSERT_LT(thread, GetParam().first);
      ++runs[static_cast<size_t>(i)];
    });
    for (const int n : runs) ASSERT_EQ(n, 1);
    total += items;
  }
  EXPECT_EQ(pool.progress(), total);
}

TEST_P(Pools, ResultsAreVisibleToTheCaller) {
  ThreadPool pool(GetParam().first, GetParam().second);
  std::vector<int64_t> values(1000, 1);
  for (int round = 0; round < 50; ++round) {
    pool.Run(1000, [&](int64_t i, int) { values[static_cast<size_t>(i)] *= 2; });
    ASSERT_EQ(std::accumulate(values.begin(), values.end(), int64_t{0}), 1000 * values[0]);
    for (int64_t& v : values) v = 1;
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, Pools,
                         testing::Values(std::pair(1, true), std::pair(2, true),
                                         std::pair(2, false), std::pair(5, false)));

TEST(ThreadPool, StopsWhenNeverUsed) {
  const ThreadPool pool(3, true);
}

}  // namespace
}  // namespace deepseek::engine
