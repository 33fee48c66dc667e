#include "engine/kernels/cpu/cpu_quota.h"

#include <gtest/gtest.h>

namespace deepseek::engine {
namespace {

TEST(CpuQuota, CgroupV2) {
  EXPECT_EQ(CpusOfCpuMax("200000 100000\n"), 2);
  EXPECT_EQ(CpusOfCpuMax("150000 100000\n"), 1.5);
  EXPECT_EQ(CpusOfCpuMax("5000 100000"), 0.05);
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
  EXPECT_EQ(ThreadsFor(0, 1.5), 2) << "a thread may use a part";
  EXPECT_EQ(ThreadsFor(1, 1.5), 1);
  EXPECT_EQ(ThreadsFor(0, 0.05), 1);
  EXPECT_GE(ThreadsFor(0, AvailableCpus()), 1);
}

TEST(CpuQuota, ThreadsSpinOnWholeCpusOnly) {
  EXPECT_TRUE(ThreadsMaySpin(3, 3));
  EXPECT_TRUE(ThreadsMaySpin(1, 1.5));
  EXPECT_FALSE(ThreadsMaySpin(ThreadsFor(0, 1.5), 1.5));
  EXPECT_FALSE(ThreadsMaySpin(ThreadsFor(0, 0.5), 0.5));
  // More than there are do not run.
  EXPECT_TRUE(ThreadsMaySpin(ThreadsFor(64, 3), 3));
}

}  // namespace
}  // namespace deepseek::engine
