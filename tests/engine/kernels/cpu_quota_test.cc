#include "engine/kernels/cpu/cpu_quota.h"

#include <gtest/gtest.h>

namespace deepseek::engine {
namespace {

TEST(CpuQuota, CgroupV2) {
  EXPECT_EQ(CpusOfCpuMax("200000 100000\n"), 2);
  EXPECT_EQ(CpusOfCpuMax("150000 100000\n"), 2);  // rounded up: a thread may use a part
  EXPECT_EQ(CpusOfCpuMax("5000 100000"), 1);
  EXPECT_EQ(CpusOfCpuMax("max 100000\n"), std::nullopt);
  for (const char* bad : {"", "100000", "0 100000", "100000 0", "-1 100000", "x y", "1e5 100000"}) {
    EXPECT_EQ(CpusOfCpuMax(bad), std::nullopt) << bad;
  }
}

TEST(CpuQuota, CgroupV1) {
  EXPECT_EQ(CpusOfCfsQuota("400000\n", "100000\n"), 4);
  EXPECT_EQ(CpusOfCfsQuota("-1\n", "100000\n"), std::nullopt);
  EXPECT_EQ(CpusOfCfsQuota("", ""), std::nullopt);
}

TEST(CpuQuota, ThreadsNeverExceedIt) {
  EXPECT_EQ(ThreadsFor(0, 3), 3);
  EXPECT_EQ(ThreadsFor(2, 3), 2);
  EXPECT_EQ(ThreadsFor(64, 3), 3);
  EXPECT_GE(AvailableCpus(), 1);
}

}  // namespace
}  // namespace deepseek::engine
