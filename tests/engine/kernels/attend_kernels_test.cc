// The loops of attend_kernels.h one by one: packing and products against plain sums, for operands
// of fp32 and bf16.

#include "engine/kernels/cpu/attend_kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "engine/kernels/cpu/attend_scratch.h"
#include "engine/kernels/reference/host_memory.h"
#include "tests/engine/kernels/backend_fixture.h"

namespace deepseek::engine {
namespace {

using Param = std::tuple<std::string, bool>;

class Kernels : public testing::TestWithParam<Param> {
 protected:
  const AttendKernels& k = SelectAttendKernels(std::get<0>(GetParam()), std::get<1>(GetParam()));
  // What an operand holds of a number.
  float Held(float x) const { return k.per_word == 2 ? Bf16ToFloat(FloatToBf16(x)) : x; }
  // Left operands of x [rows][n], 64-byte aligned.
  TileRows ToRows(const std::vector<float>& x, int64_t n) {
    const int64_t words = k.Words(n);
    rows_ = *HostMemory::Allocate((64 * words + 16) * 4, false);
    auto* to = reinterpret_cast<float*>(rows_.data());
    for (size_t r = 0; r < x.size() / n; ++r) {
      k.to_row(&x[r * n], n, to + static_cast<int64_t>(r) * words);
    }
    return {rows_.data(), words * 4};
  }
  HostMemory rows_, right_;
};

// x [m][n] times keys [count][n].
TEST_P(Kernels, RowsTimesKeys) {
  for (const auto& [n, count] : std::vector<std::pair<int64_t, int32_t>>{{1, 64},
                                                                         {2, 64},
                                                                         {15, 64},
                                                                         {16, 1},
                                                                         {33, 16},
                                                                         {33, 17},
                                                                         {64, 63},
                                                                         {64, 64},
                                                                         {192, 64}}) {
    Random random(static_cast<uint32_t>(n));
    const std::vector<float> keys = random.Normal(64 * n);
    right_ = *HostMemory::Allocate(k.Words(n) * 64 * 4, false);
    const TileRows key_rows = ToRows(keys, n);
    k.pack_keys(key_rows.data, key_rows.stride_bytes, n, count,
                reinterpret_cast<float*>(right_.data()));
    for (const int64_t m : {1, 2, 5, 6, 7, 13}) {
      const std::vector<float> x = random.Normal(m * n);
      const TileRows left = ToRows(x, n);
      std::vector<float> out(static_cast<size_t>(m * 64));
      k.multiply(left.data, left.stride_bytes, m, reinterpret_cast<float*>(right_.data()),
                 k.Words(n), 64, out.data(), 64);
      for (int64_t i = 0; i < m; ++i) {
        for (int64_t j = 0; j < count; ++j) {
          double sum = 0;
          for (int64_t c = 0; c < n; ++c) sum += Held(x[i * n + c]) * Held(keys[j * n + c]);
          ASSERT_NEAR(out[i * 64 + j], sum, 1e-4) << n << " " << m;
        }
      }
    }
  }
}

// p [m][64] times values [keys][n]; rows from `keys` on are not there.
TEST_P(Kernels, ProbabilitiesTimesValues) {
  for (const int64_t n : {1, 16, 20, 63, 64, 65, 130}) {
    for (const int32_t count : {1, 2, 63, 64}) {
      Random random(static_cast<uint32_t>(n));
      std::vector<float> values = random.Normal(64 * n);
      for (int64_t i = count * n; i < 64 * n; ++i) values[i] = NAN;
      const int64_t panel = k.Words(64) * 64;
      right_ = *HostMemory::Allocate(Panels(n) * panel * 4, false);
      auto* right = reinterpret_cast<float*>(right_.data());
      std::fill_n(right, Panels(n) * panel, NAN);
      const TileRows value_rows = ToRows(values, n);
      k.pack_values(value_rows.data, value_rows.stride_bytes, n, count, right);
      const std::vector<float> p = random.Normal(3 * 64);
      const TileRows left = ToRows(p, 64);
      std::vector<float> out(static_cast<size_t>(3 * Panels(n) * 64));
      for (int64_t c = 0; c < n; c += 64) {
        k.multiply(left.data, left.stride_bytes, 3, right + c / 64 * panel, k.Words(count),
                   std::min<int64_t>(n - c, 64), out.data() + c, Panels(n) * 64);
      }
      for (int64_t i = 0; i < 3; ++i) {
        for (int64_t c = 0; c < n; ++c) {
          double sum = 0;
          for (int64_t j = 0; j < count; ++j) sum += Held(p[i * 64 + j]) * Held(values[j * n + c]);
          ASSERT_NEAR(out[i * Panels(n) * 64 + c], sum, 1e-4) << n << " " << count;
        }
      }
    }
  }
}

TEST_P(Kernels, WeightTilesBecomeOneOperand) {
  constexpr int64_t kOut = 80;
  for (const int64_t cols : {1, 7, 32, 130}) {
    Random random(static_cast<uint32_t>(cols));
    const std::vector<float> w = random.Normal(kOut * cols);
    right_ = *HostMemory::Allocate(Panels(kOut) * k.Words(cols) * 64 * 4, false);
    for (int64_t tile = 0; tile < kOut / 16; ++tile) {
      std::vector<float> columns(static_cast<size_t>(cols * 16));
      for (int64_t c = 0; c < cols; ++c) {
        for (int64_t i = 0; i < 16; ++i) columns[c * 16 + i] = w[(tile * 16 + i) * cols + c];
      }
      k.pack_weight(columns.data(), cols, tile, reinterpret_cast<float*>(right_.data()));
    }
    const std::vector<float> x = random.Normal(5 * cols);
    const TileRows left = ToRows(x, cols);
    std::vector<float> out(static_cast<size_t>(5 * Panels(kOut) * 64));
    k.multiply(left.data, left.stride_bytes, 5, reinterpret_cast<float*>(right_.data()),
               k.Words(cols), kOut, out.data(), Panels(kOut) * 64);
    for (int64_t i = 0; i < 5; ++i) {
      for (int64_t o = 0; o < kOut; ++o) {
        double sum = 0;
        for (int64_t c = 0; c < cols; ++c) sum += Held(x[i * cols + c]) * Held(w[o * cols + c]);
        ASSERT_NEAR(out[i * Panels(kOut) * 64 + o], sum, 1e-4) << cols;
      }
    }
  }
}

TEST_P(Kernels, TilesOfEveryTypeLoad) {
  for (const KvShape shape : {KvShape{39, 33}, KvShape{64, 64}, KvShape{200, 160}}) {
    for (const DType type : {DType::kF32, DType::kBf16, DType::kI8}) {
      Random random(3);
      const HostMemory tile = *HostMemory::Allocate(KvTileBytes(type, shape), false);
      for (int32_t j = 0; j < 64; ++j) {
        StoreKvRow(type, shape, random.Normal(shape.width).data(), j, tile.data());
      }
      const int64_t stride = k.Words(shape.width) + 3;
      std::vector<float> out(static_cast<size_t>(64 * stride + 16));
      k.load_tile(type, shape, tile.data(), 64, stride, out.data());
      for (int32_t j = 0; j < 64; ++j) {
        std::vector<float> row(static_cast<size_t>(shape.width));
        LoadKvRow(type, shape, tile.data(), j, 0, shape.width, row.data());
        std::vector<float> expected(static_cast<size_t>(k.Words(shape.width)));
        for (float& x : row) x = Held(x);
        k.to_row(row.data(), shape.width, expected.data());
        ASSERT_EQ(std::memcmp(expected.data(), &out[j * stride], expected.size() * 4), 0)
            << shape.width << " type " << static_cast<int>(type) << " row " << j;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, Kernels, testing::Combine(testing::ValuesIn(Isas()), testing::Bool()),
                         [](const auto& info) {
                           return std::get<0>(info.param) +
                                  (std::get<1>(info.param) ? "_bf16" : "_fp32");
                         });

TEST(HeadsPerItem, KeepsThreadsBusyAndSharesTiles) {
  EXPECT_EQ(HeadsPerItem(16, 1, 2), 8);    // one sequence: half of the heads each
  EXPECT_EQ(HeadsPerItem(16, 32, 2), 16);  // many: a tile's operands are made once
  EXPECT_EQ(HeadsPerItem(16, 3, 2), 8);    // three sequences as six halves
  EXPECT_EQ(HeadsPerItem(128, 1, 2), 64);
  EXPECT_EQ(HeadsPerItem(1, 1, 16), 1);
  for (int32_t heads = 1; heads < 40; ++heads) {
    for (int threads = 1; threads < 9; ++threads) {
      const int32_t n = HeadsPerItem(heads, 5, threads);
      EXPECT_GE(n, 1);
      EXPECT_LE(n, heads);
    }
  }
}

}  // namespace
}  // namespace deepseek::engine
