// What cgroups of both versions leave, on made-up file systems.

#include "engine/cache/available_memory.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace deepseek::engine {
namespace {

namespace fs = std::filesystem;

class Root : public testing::Test {
 protected:
  Root() { Write("proc/meminfo", "MemTotal:  9000 kB\nMemAvailable:   8000 kB\nSwapFree: 1 kB\n"); }
  void Write(const std::string& file, const std::string& text) const {
    fs::create_directories((path_ / file).parent_path());
    std::ofstream(path_ / file) << text;
  }
  MemoryRoom Room() const { return AvailableMemory(path_.path()); }

  const TempDir path_{"available_memory"};
};

constexpr int64_t kMachine = 8000 * 1024;

TEST_F(Root, WithoutCgroupsItIsTheMachine) {
  EXPECT_EQ(Room().bytes, kMachine);
  EXPECT_EQ(Room().limit, "the machine");
}

TEST_F(Root, UnknownIsUnlimited) {
  fs::remove(path_ / "proc/meminfo");
  EXPECT_EQ(Room().bytes, INT64_MAX);
}

TEST_F(Root, V2OwnGroup) {
  Write("proc/self/cgroup", "0::/pod/container\n");
  Write("sys/fs/cgroup/pod/container/memory.max", "1000000\n");
  Write("sys/fs/cgroup/pod/container/memory.current", "400000\n");
  EXPECT_EQ(Room().bytes, 600000);
  EXPECT_EQ(Room().limit, "the cgroup's limit of 1000000 bytes");
}

TEST_F(Root, PagesOfFilesAreFree) {
  Write("proc/self/cgroup", "0::/\n");
  Write("sys/fs/cgroup/memory.max", "1000000\n");
  Write("sys/fs/cgroup/memory.current", "990000\n");
  Write("sys/fs/cgroup/memory.stat",
        "anon 90000\nfile 900000\ninactive_file 500000\n"
        "active_file 400000\n");
  EXPECT_EQ(Room().bytes, 910000);
}

TEST_F(Root, AnAncestorMayBeTighter) {
  Write("proc/self/cgroup", "0::/pod/container\n");
  Write("sys/fs/cgroup/pod/container/memory.max", "max\n");
  Write("sys/fs/cgroup/pod/container/memory.current", "1\n");
  Write("sys/fs/cgroup/pod/memory.max", "5000\n");
  Write("sys/fs/cgroup/pod/memory.current", "2000\n");
  EXPECT_EQ(Room().bytes, 3000);
}

TEST_F(Root, V1AndItsHugeNumberForNoLimit) {
  Write("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:hugetlb,memory:/a/b\n0::/\n");
  Write("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
  Write("sys/fs/cgroup/memory/a/b/memory.usage_in_bytes", "100\n");
  EXPECT_EQ(Room().bytes, kMachine);
  Write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "2000000\n");
  Write("sys/fs/cgroup/memory/a/memory.usage_in_bytes", "1500000\n");
  Write("sys/fs/cgroup/memory/a/memory.stat", "inactive_file 7\ntotal_inactive_file 300000\n");
  EXPECT_EQ(Room().bytes, 800000);
}

TEST_F(Root, InAContainerTheGroupIsMountedAsTheRoot) {
  Write("proc/self/cgroup", "4:memory:/kubepods/burstable/pod1/c1\n");
  Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "3000000\n");
  Write("sys/fs/cgroup/memory/memory.usage_in_bytes", "1000000\n");
  EXPECT_EQ(Room().bytes, 2000000);
}

TEST_F(Root, NothingIsLeftOfAnOverdrawnGroup) {
  Write("proc/self/cgroup", "0::/\n");
  Write("sys/fs/cgroup/memory.max", "1000\n");
  Write("sys/fs/cgroup/memory.current", "5000\n");
  EXPECT_EQ(Room().bytes, 0);
}

TEST_F(Root, NonsenseIsNoLimit) {
  Write("proc/self/cgroup", "\n::\nx\n0::/\n");
  Write("sys/fs/cgroup/memory.max", "lots\n");
  Write("sys/fs/cgroup/memory.current", "\n");
  EXPECT_EQ(Room().bytes, kMachine);
}

TEST(AvailableMemory, HereIsPositive) {
  EXPECT_GT(AvailableMemoryBytes(), 0);
}

}  // namespace
}  // namespace deepseek::engine
