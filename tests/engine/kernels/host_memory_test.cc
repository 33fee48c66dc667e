#include "engine/kernels/reference/host_memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

namespace deepseek::engine {
namespace {

TEST(HostMemory, IsZeroAlignedAndMovable) {
  for (const bool bulk : {false, true}) {
    auto memory = HostMemory::Allocate(5 << 20, bulk);
    ASSERT_TRUE(memory.ok());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory->data()) % (bulk ? 2 << 20 : 64), 0U);
    EXPECT_EQ(memory->data()[(5 << 20) - 1], 0);
    memory->data()[7] = 1;
    HostMemory moved = std::move(*memory);
    EXPECT_EQ(moved.data()[7], 1);
    EXPECT_EQ(moved.bytes(), 5 << 20);
  }
}

TEST(HostMemory, RefusesTheImpossible) {
  EXPECT_EQ(HostMemory::Allocate(int64_t{1} << 60, true).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(HostArena, BlocksAreAlignedAndApart) {
  HostArena arena;
  uint8_t* previous = nullptr;
  for (const int64_t bytes : {1, 64, 65, 40 << 20, 40 << 20, 100 << 20, 3}) {
    const auto block = arena.Allocate(bytes);
    ASSERT_TRUE(block.ok());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(*block) % 64, 0U);
    EXPECT_NE(*block, previous);
    EXPECT_EQ((*block)[bytes - 1], 0);
    (*block)[bytes - 1] = 1;
    (*block)[0] = 1;
    previous = *block;
  }
}

TEST(HostMemory, PopulateKeepsWhatIsThere) {
  for (const int64_t bytes : {int64_t{1}, int64_t{5} << 20, int64_t{600} << 20}) {
    auto memory = HostMemory::Allocate(bytes, true);
    ASSERT_TRUE(memory.ok());
    memory->data()[0] = 3;
    memory->Populate();
    EXPECT_EQ(memory->data()[0], 3);
    EXPECT_EQ(memory->data()[bytes / 2], bytes == 1 ? 3 : 0);
  }
}

TEST(HugePages, PolicyIsTheWordInBrackets) {
  const auto root =
      std::filesystem::temp_directory_path() / ("huge_pages_" + std::to_string(::getpid()));
  const auto file = root / "sys/kernel/mm/transparent_hugepage/enabled";
  EXPECT_EQ(HugePagePolicy(root), "unknown");
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file) << "always madvise [never]\n";
  EXPECT_EQ(HugePagePolicy(root), "never");
  std::ofstream(file) << "always [madvise] never\n";
  EXPECT_EQ(HugePagePolicy(root), "madvise");
  std::filesystem::remove_all(root);
}

TEST(HugePages, CountIsNotNegative) {
  EXPECT_GE(HugePageBytes(), 0);
}

}  // namespace
}  // namespace deepseek::engine
