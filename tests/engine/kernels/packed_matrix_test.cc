#include "engine/kernels/cpu/packed_matrix.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "engine/kernels/cpu/thread_pool.h"
#include "tests/engine/kernels/backend_fixture.h"

namespace deepseek::engine {
namespace {

// The value that a kernel sees at [row, col].
float Unpack(const PackedMatrix& p, int64_t row, int64_t col) {
  const int64_t tile = row / kTileRows;
  const int64_t lane = row % kTileRows;
  const uint8_t* pair = p.data + tile * p.tile_bytes() + col / 2 * PairBytes(p.format);
  if (p.format == WeightFormat::kF32) {
    float v = 0;
    std::memcpy(&v, pair + ((col & 1) * kTileRows + lane) * 4, 4);
    return v;
  }
  if (p.format == WeightFormat::kBf16) {
    uint16_t v = 0;
    std::memcpy(&v, pair + (2 * lane + (col & 1)) * 2, 2);
    return Bf16ToFloat(v);
  }
  return kE4M3[pair[2 * lane + (col & 1)]] *
         p.scales[(tile * p.groups + col / p.group) * kTileRows + lane];
}

TEST(PackedMatrix, EveryValueIsExact) {
  Random random(3);
  HostArena arena;
  ThreadPool pool(2, false);
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBf16, DType::kF8E4M3}) {
    const TestMatrix whole(&random, 200, 301, dtype);
    for (const HostMatrix& m :
         {whole.host(), whole.host().Slice(120, 37, 0, 301), whole.host().Slice(3, 16, 7, 20)}) {
      const auto packed = PackMatrix(m, &arena, &pool);
      ASSERT_TRUE(packed.ok());
      for (int64_t r = 0; r < m.rows; ++r) {
        for (int64_t c = 0; c < m.cols; ++c)
          ASSERT_EQ(Unpack(*packed, r, c), m.At(r, c)) << r << " " << c;
      }
    }
  }
}

TEST(PackedMatrix, FilledInPiecesOnManyThreadsIsTheSame) {
  Random random(6);
  HostArena arena;
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBf16, DType::kF8E4M3}) {
    const TestMatrix whole(&random, 200, 301, dtype);
    const auto at_once = PackMatrix(whole.host(), &arena, nullptr);
    HostMatrix shape_only = whole.host();
    shape_only.data = nullptr;
    shape_only.scales = nullptr;
    const auto placed = PlaceMatrix(shape_only, &arena);
    ASSERT_TRUE(placed.ok());
    std::vector<std::thread> threads;
    for (int64_t t = 0; t < placed->tiles; ++t) {
      threads.emplace_back([&, t] { FillTiles(whole.host(), *placed, t, t + 1); });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(std::memcmp(at_once->data, placed->data, static_cast<size_t>(PackedBytes(*placed))),
              0);
  }
}

TEST(PackedMatrix, KeepsTheStoredSize) {
  Random random(4);
  HostArena arena;
  const TestMatrix fp8(&random, 256, 256, DType::kF8E4M3);
  const auto packed = PackMatrix(fp8.host(), &arena, nullptr);
  EXPECT_EQ(packed->format, WeightFormat::kF8);
  // A scale per row and group of 128 columns: 3 % on top of the codes.
  EXPECT_EQ(PackedBytes(*packed), 256 * 256 + 256 * 2 * 4);
}

TEST(PackedMatrix, RefusesIntegers) {
  HostArena arena;
  HostMatrix m;
  m.name = "w";
  m.dtype = DType::kI8;
  EXPECT_EQ(PackMatrix(m, &arena, nullptr).status().code(), absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace deepseek::engine
