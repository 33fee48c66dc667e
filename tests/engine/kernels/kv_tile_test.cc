#include "engine/kernels/kv_tile.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace deepseek::engine {
namespace {

constexpr KvShape kLatent{576, 512};

TEST(KvShape, GroupsOfTheLatentAndOneForTheRest) {
  EXPECT_EQ(kLatent.scales(), 5);
  EXPECT_EQ(kLatent.group(0), 0);
  EXPECT_EQ(kLatent.group(127), 0);
  EXPECT_EQ(kLatent.group(128), 1);
  EXPECT_EQ(kLatent.group(511), 3);
  EXPECT_EQ(kLatent.group(512), 4);
  EXPECT_EQ(kLatent.group_end(3), 512);
  EXPECT_EQ(kLatent.group_end(4), 576);
  constexpr KvShape kShort{39, 33};
  EXPECT_EQ(kShort.scales(), 2);
  EXPECT_EQ(kShort.group(32), 0);
  EXPECT_EQ(kShort.group(33), 1);
  EXPECT_EQ(kShort.group_end(0), 33);
  EXPECT_EQ(kShort.group_end(1), 39);
  constexpr KvShape kHead{128, 128};
  EXPECT_EQ(kHead.scales(), 1);
  EXPECT_EQ(kHead.group_end(0), 128);
}

TEST(KvTile, BytesOfARow) {
  EXPECT_EQ(KvTileBytes(DType::kF32, kLatent), 64 * 576 * 4);
  EXPECT_EQ(KvTileBytes(DType::kBf16, kLatent), 64 * 576 * 2);
  EXPECT_EQ(KvTileBytes(DType::kI8, kLatent), 64 * (576 + 5 * 4));
  EXPECT_EQ(KvDType(KvType::kInt8), DType::kI8);
  EXPECT_EQ(KvDType(KvType::kBf16), DType::kBf16);
  EXPECT_EQ(KvDType(KvType::kFp32), DType::kF32);
}

class KvTiles : public testing::TestWithParam<DType> {};

TEST_P(KvTiles, RowsComeBack) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (const KvShape shape : {kLatent, KvShape{39, 33}, KvShape{130, 130}, KvShape{1, 1}}) {
    std::vector<uint8_t> tile(static_cast<size_t>(KvTileBytes(GetParam(), shape)));
    std::vector<std::vector<float>> rows(kBlockTokens);
    for (int32_t token = 0; token < kBlockTokens; ++token) {
      for (int32_t i = 0; i < shape.width; ++i) {
        // The rest is of another size than the grouped channels: it has its own scale.
        rows[token].push_back(normal(random) * (i < shape.grouped ? 0.01F : 10.0F));
      }
      StoreKvRow(GetParam(), shape, rows[token].data(), token, tile.data());
    }
    for (int32_t token = 0; token < kBlockTokens; ++token) {
      std::vector<float> back(static_cast<size_t>(shape.width));
      LoadKvRow(GetParam(), shape, tile.data(), token, 0, shape.width, back.data());
      for (int32_t g = 0, i = 0; g < shape.scales(); ++g) {
        float largest = 0;
        for (int32_t c = i; c < shape.group_end(g); ++c) {
          largest = std::max(largest, std::fabs(rows[token][c]));
        }
        for (; i < shape.group_end(g); ++i) {
          const float limit = GetParam() == DType::kF32    ? 0
                              : GetParam() == DType::kBf16 ? std::fabs(rows[token][i]) / 256
                                                           : largest / 127 * 0.5001F;
          EXPECT_LE(std::fabs(back[i] - rows[token][i]), limit);
        }
      }
      // A part of a row, from inside a group.
      if (shape.width < 4) continue;
      std::vector<float> part(static_cast<size_t>(shape.width - 3));
      LoadKvRow(GetParam(), shape, tile.data(), token, 3, shape.width, part.data());
      EXPECT_EQ(part, std::vector<float>(back.begin() + 3, back.end()));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, KvTiles, testing::Values(DType::kF32, DType::kBf16, DType::kI8));

TEST(KvTileInt8, ZerosTiniesAndPoison) {
  constexpr KvShape kShape{256, 256};
  std::vector<uint8_t> tile(static_cast<size_t>(KvTileBytes(DType::kI8, kShape)));
  std::vector<float> row(256, 0.0F);
  std::vector<float> back(256);
  const auto trip = [&] {
    StoreKvRow(DType::kI8, kShape, row.data(), 5, tile.data());
    LoadKvRow(DType::kI8, kShape, tile.data(), 5, 0, 256, back.data());
  };
  trip();
  EXPECT_EQ(back, row);
  row[3] = 1e-44F;  // a scale whose inverse would be infinite
  trip();
  for (const float x : back) EXPECT_LE(std::fabs(x), 1e-36F);
  for (const float poison : {NAN, INFINITY, -INFINITY}) {
    row[3] = poison;
    row[200] = 1;
    trip();
    for (int i = 0; i < 128; ++i) EXPECT_TRUE(std::isnan(back[i]));
    EXPECT_EQ(back[200], 1);  // the other group is not touched
  }
}

}  // namespace
}  // namespace deepseek::engine
