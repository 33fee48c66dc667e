#include "engine/kernels/cpu/packed_matrix.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include "engine/kernels/cpu/isa.h"
#include "engine/kernels/cpu/thread_pool.h"
#include "engine/kernels/reference/quantize.h"
#include "tests/engine/kernels/backend_fixture.h"

namespace deepseek::engine {
namespace {

// The value that a kernel sees at [row, col].
float Unpack(const PackedMatrix& p, int64_t row, int64_t col) {
  const int64_t tile = row / kTileRows;
  const int64_t lane = row % kTileRows;
  const int64_t unit = p.format == WeightFormat::kI4 ? 64 : QuadBytes(p.format);
  const int64_t step = p.panel_width(tile) * unit;
  const int64_t group = col / p.group;
  const uint8_t* scale = p.scales == nullptr
                             ? nullptr
                             : p.scale(tile) +
                                   group * p.panel_width(tile) * kTileRows * p.scale_bytes() +
                                   lane * p.scale_bytes();
  const auto bf16_scale = [&] {
    uint16_t bits = 0;
    std::memcpy(&bits, scale, 2);
    return Bf16ToFloat(bits);
  };
  if (p.format == WeightFormat::kI4) {
    const int64_t in_group = col % kQuantGroup;
    const bool high = in_group >= kQuantGroup / 2;
    const int64_t k = in_group % (kQuantGroup / 2);
    const uint8_t byte = p.quad(tile)[(group * 16 + k / 4) * step + 4 * lane + k % 4];
    return bf16_scale() * static_cast<float>((high ? byte >> 4 : byte & 15) - 8);
  }
  const uint8_t* quad = p.quad(tile) + col / 4 * step;
  const int64_t k = col % 4;
  if (p.format == WeightFormat::kI8) {
    return bf16_scale() * static_cast<float>(quad[4 * lane + k] - 128);
  }
  if (p.format == WeightFormat::kF32) {
    float v = 0;
    std::memcpy(&v, quad + (k * kTileRows + lane) * 4, 4);
    return v;
  }
  if (p.format == WeightFormat::kBf16) {
    uint16_t v = 0;
    std::memcpy(&v, quad + k / 2 * 64 + (2 * lane + k % 2) * 2, 2);
    return Bf16ToFloat(v);
  }
  float f8_scale = 0;
  std::memcpy(&f8_scale, scale, 4);
  return kE4M3[quad[F8Byte(lane, k)]] * f8_scale;
}

Quantize QuantizeOf(std::string_view isa) {
  return (*SelectKernels(isa))->quantize;
}

TEST(PackedMatrix, EveryValueIsExact) {
  Random random(3);
  HostArena arena;
  ThreadPool pool(2, false);
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBf16, DType::kF8E4M3}) {
    const TestMatrix whole(&random, 200, 301, dtype);
    for (const HostMatrix& m :
         {whole.host(), whole.host().Slice(120, 37, 0, 301), whole.host().Slice(3, 16, 7, 20),
          whole.host().Transposed(), whole.host().Slice(128, 40, 9, 150).Transposed(),
          whole.host().Transposed().Slice(11, 50, 3, 60)}) {
      const auto packed = PackMatrix(m, &arena, &pool, QuantizeOf("baseline"));
      ASSERT_TRUE(packed.ok());
      for (int64_t r = 0; r < m.rows; ++r) {
        for (int64_t c = 0; c < m.cols; ++c)
          ASSERT_EQ(Unpack(*packed, r, c), m.At(r, c)) << r << " " << c;
      }
    }
  }
}

TEST(PackedMatrix, ATransposesElementsAreThoseOfTheMatrix) {
  Random random(8);
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBf16, DType::kF8E4M3}) {
    const TestMatrix whole(&random, 200, 301, dtype);
    const HostMatrix m = whole.host().Slice(120, 60, 10, 250);
    const HostMatrix t = m.Transposed();
    ASSERT_EQ(t.rows, 250);
    ASSERT_EQ(t.cols, 60);
    std::vector<float> row(60);
    for (int64_t r = 0; r < t.rows; ++r) {
      t.ReadRow(r, 0, t.cols, row.data(), 1);
      for (int64_t c = 0; c < t.cols; ++c) {
        ASSERT_EQ(t.At(r, c), m.At(c, r)) << r << " " << c;
        ASSERT_EQ(row[static_cast<size_t>(c)], m.At(c, r)) << r << " " << c;
      }
    }
  }
}

// FP8 whose blocks fit the tiles stays FP8, transposed too.
TEST(PackedMatrix, ATransposeOfWholeBlocksKeepsItsCodes) {
  Random random(9);
  HostArena arena;
  const TestMatrix whole(&random, 300, 301, DType::kF8E4M3);
  const auto format = [&](const HostMatrix& m) { return PlaceMatrix(m, &arena)->format; };
  EXPECT_EQ(format(whole.host().Slice(128, 100, 0, 301).Transposed()), WeightFormat::kF8);
  EXPECT_EQ(format(whole.host().Slice(120, 100, 0, 301).Transposed()), WeightFormat::kF32);
}

TEST(PackedMatrix, FilledInPiecesOnManyThreadsIsTheSame) {
  Random random(6);
  HostArena arena;
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBf16, DType::kF8E4M3}) {
    const TestMatrix whole(&random, 200, 301, dtype);
    const auto at_once = PackMatrix(whole.host(), &arena, nullptr, QuantizeOf("baseline"));
    HostMatrix shape_only = whole.host();
    shape_only.data = nullptr;
    shape_only.scales = nullptr;
    const auto placed = PlaceMatrix(shape_only, &arena);
    ASSERT_TRUE(placed.ok());
    std::vector<std::thread> threads;
    for (int64_t t = 0; t < placed->tiles; ++t) {
      threads.emplace_back(
          [&, t] { FillTiles(whole.host(), *placed, t, t + 1, QuantizeOf("baseline")); });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(std::memcmp(at_once->data, placed->data, static_cast<size_t>(PackedBytes(*placed))),
              0);
  }
}

// Every instruction set packs the codes and scales that QuantizeGroup defines, bit for bit.
TEST(PackedMatrix, IntegersAreTheDefinedOnes) {
  Random random(5);
  HostArena arena;
  for (const std::string& isa : Isas()) {
    for (const WeightType store : {WeightType::kInt8, WeightType::kInt4}) {
      for (const DType dtype : {DType::kF32, DType::kBf16, DType::kF16, DType::kF8E4M3}) {
        SCOPED_TRACE(isa);
        const TestMatrix whole(&random, 150, 301, dtype);
        HostMatrix m = whole.host().Slice(7, 100, 0, 301);
        m.store = store;
        const auto packed = PackMatrix(m, &arena, nullptr, QuantizeOf(isa));
        ASSERT_TRUE(packed.ok());
        std::vector<float> row(301);
        std::vector<int8_t> codes(128);
        for (int64_t r = 0; r < m.rows; ++r) {
          m.ReadRow(r, 0, 301, row.data(), 1);
          for (int64_t c = 0; c < 301; c += 128) {
            const int64_t n = std::min<int64_t>(128, 301 - c);
            float scale = 0;
            QuantizeGroup(row.data() + c, n, store, codes.data(), &scale);
            for (int64_t k = 0; k < n; ++k) {
              ASSERT_EQ(Unpack(*packed, r, c + k), scale * codes[static_cast<size_t>(k)])
                  << r << " " << c + k;
            }
          }
        }
      }
    }
  }
}

TEST(PackedMatrix, IntegersTakeTheirBits) {
  // Per weight 8 or 4 bits and a bf16 scale per 128: 8.125 and 4.125.
  EXPECT_EQ(PackedBytes(WeightFormat::kI8, 64, 256, 128), 64 * 256 + 64 * 2 * 2);
  EXPECT_EQ(PackedBytes(WeightFormat::kI4, 64, 256, 128), 64 * 128 + 64 * 2 * 2);
  // The last group is padded, and so are the rows of the last tile.
  EXPECT_EQ(PackedBytes(WeightFormat::kI4, 17, 1400, 128), 32 * (11 * 64 + 11 * 2));
}

TEST(PackedMatrix, TheRouterIsNeverQuantised) {
  Random random(6);
  HostArena arena;
  const TestMatrix w(&random, 16, 16, DType::kBf16);
  HostMatrix m = w.host();
  m.store = WeightType::kInt4;
  m.exact = true;
  EXPECT_EQ(PlaceMatrix(m, &arena)->format, WeightFormat::kBf16);
}

TEST(PackedMatrix, KeepsTheStoredSize) {
  Random random(4);
  HostArena arena;
  const TestMatrix fp8(&random, 256, 256, DType::kF8E4M3);
  const auto packed = PackMatrix(fp8.host(), &arena, nullptr, QuantizeOf("baseline"));
  EXPECT_EQ(packed->format, WeightFormat::kF8);
  // A scale per row and group of 128 columns: 3 % on top of the codes.
  EXPECT_EQ(PackedBytes(*packed), 256 * 256 + 256 * 2 * 4);
}

TEST(PackedMatrix, RefusesIntegers) {
  HostArena arena;
  HostMatrix m;
  m.name = "w";
  m.dtype = DType::kI8;
  EXPECT_EQ(PackMatrix(m, &arena, nullptr, QuantizeOf("baseline")).status().code(),
            absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace deepseek::engine
