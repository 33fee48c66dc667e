#include "engine/arch/dtype.h"

#include <gtest/gtest.h>

#include <cmath>

namespace deepseek::engine {
namespace {

TEST(E4m3, KnownValues) {
  EXPECT_EQ(kE4M3[0x00], 0.0F);
  EXPECT_TRUE(std::signbit(kE4M3[0x80]));
  EXPECT_EQ(kE4M3[0x80], 0.0F);
  EXPECT_EQ(kE4M3[0x01], 0x1p-9F);  // least subnormal
  EXPECT_EQ(kE4M3[0x07], 7 * 0x1p-9F);
  EXPECT_EQ(kE4M3[0x08], 0x1p-6F);  // least normal
  EXPECT_EQ(kE4M3[0x38], 1.0F);
  EXPECT_EQ(kE4M3[0xb8], -1.0F);
  EXPECT_EQ(kE4M3[0x7e], 448.0F);
  EXPECT_TRUE(std::isnan(kE4M3[0x7f]));
  EXPECT_TRUE(std::isnan(kE4M3[0xff]));
}

TEST(E4m3, CodesAscend) {
  for (int code = 1; code < 0x7f; ++code) EXPECT_GT(kE4M3[code], kE4M3[code - 1]) << code;
}

TEST(Bf16, RoundsToNearestEven) {
  EXPECT_EQ(FloatToBf16(1.0F), 0x3f80);
  EXPECT_EQ(FloatToBf16(1.0F + 0x1p-8F), 0x3f80);      // tie, down to even
  EXPECT_EQ(FloatToBf16(1.0F + 3 * 0x1p-8F), 0x3f82);  // tie, up to even
  EXPECT_EQ(FloatToBf16(1.0F + 0x1p-8F + 0x1p-20F), 0x3f81);
  EXPECT_TRUE(std::isnan(Bf16ToFloat(FloatToBf16(NAN))));
  EXPECT_EQ(Bf16ToFloat(FloatToBf16(INFINITY)), INFINITY);
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float v = Bf16ToFloat(static_cast<uint16_t>(bits));
    if (std::isnan(v)) continue;
    EXPECT_EQ(FloatToBf16(v), bits);
  }
}

TEST(Half, KnownValues) {
  EXPECT_EQ(HalfToFloat(0x3c00), 1.0F);
  EXPECT_EQ(HalfToFloat(0xc000), -2.0F);
  EXPECT_EQ(HalfToFloat(0x7bff), 65504.0F);
  EXPECT_EQ(HalfToFloat(0x0001), 0x1p-24F);
  EXPECT_EQ(HalfToFloat(0x83ff), -1023 * 0x1p-24F);
  EXPECT_EQ(HalfToFloat(0x7c00), INFINITY);
  EXPECT_TRUE(std::isnan(HalfToFloat(0x7c01)));
}

}  // namespace
}  // namespace deepseek::engine
