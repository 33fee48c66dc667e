#include "engine/kernels/reference/philox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deepseek::engine {
namespace {

using testing::ElementsAre;

// Known answers of the Random123 distribution (kat_vectors, philox4x32 10).
TEST(Philox, KnownAnswers) {
  EXPECT_THAT(Philox4x32({0, 0, 0, 0}, {0, 0}),
              ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  const uint32_t ones = 0xffffffff;
  EXPECT_THAT(Philox4x32({ones, ones, ones, ones}, {ones, ones}),
              ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  EXPECT_THAT(
      Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
      ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST(Philox, UniformDependsOnEveryArgumentAndFillsTheInterval) {
  EXPECT_NE(PositionUniform(1, 0, 0), PositionUniform(2, 0, 0));
  EXPECT_NE(PositionUniform(1, 0, 0), PositionUniform(uint64_t{1} << 32 | 1, 0, 0));
  EXPECT_NE(PositionUniform(1, 0, 0), PositionUniform(1, 1, 0));
  EXPECT_NE(PositionUniform(1, 0, 0), PositionUniform(1, 0, 1));
  int low = 0;
  double sum = 0;
  for (uint32_t i = 0; i < 20000; ++i) {
    const double u = PositionUniform(9, 3, i);
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    low += u < 0.25 ? 1 : 0;
    sum += u;
  }
  EXPECT_NEAR(sum / 20000, 0.5, 0.01);
  EXPECT_NEAR(low, 5000, 250);
}

}  // namespace
}  // namespace deepseek::engine
