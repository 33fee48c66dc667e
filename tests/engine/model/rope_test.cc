#include "engine/model/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace deepseek::engine {
namespace {

RopeSpec V3Rope() {
  RopeSpec rope;
  rope.scaling = RopeScaling::kYarn;
  rope.factor = 40;
  rope.original_max_positions = 4096;
  rope.mscale = rope.mscale_all_dim = 1;
  return rope;
}

TEST(Rope, PlainFrequencies) {
  const auto f = RopeFrequencies(RopeSpec{}, 8);
  ASSERT_EQ(f.size(), 4U);
  EXPECT_DOUBLE_EQ(f[0], 1);
  EXPECT_NEAR(f[1], 0.1, 1e-15);
  EXPECT_NEAR(f[3], 0.001, 1e-15);
}

// V3: corr(32) = 10.46 -> 10, corr(1) = 22.5 -> 23: below 10 as they were, from 23 on divided
// by 40.
TEST(Rope, YarnKeepsFastAndStretchesSlowChannels) {
  const auto plain = RopeFrequencies(RopeSpec{}, 64);
  const auto yarn = RopeFrequencies(V3Rope(), 64);
  for (int i = 0; i <= 10; ++i) EXPECT_DOUBLE_EQ(yarn[i], plain[i]) << i;
  for (int i = 23; i < 32; ++i) EXPECT_NEAR(yarn[i], plain[i] / 40, 1e-18) << i;
  const double ramp = 5.0 / 13;  // i = 15
  EXPECT_NEAR(yarn[15], plain[15] / 40 * ramp + plain[15] * (1 - ramp), 1e-15);
}

TEST(Rope, LinearStretchesEveryChannel) {
  RopeSpec rope;
  rope.scaling = RopeScaling::kLinear;
  rope.factor = 4;
  const auto plain = RopeFrequencies(RopeSpec{}, 8);
  const auto linear = RopeFrequencies(rope, 8);
  for (int i = 0; i < 4; ++i) EXPECT_DOUBLE_EQ(linear[i], plain[i] / 4);
  EXPECT_EQ(BuildRope(rope, 8, 1).cos[0], 1.0F);
}

// Llama 3.1: original 8192, factor 8, waves above 8192 stretched, below 2048 kept.
TEST(Rope, Llama3KeepsShortAndStretchesLongWaves) {
  RopeSpec rope;
  rope.theta = 500000;
  const auto plain = RopeFrequencies(rope, 128);
  rope.scaling = RopeScaling::kLlama3;
  rope.factor = 8;
  rope.original_max_positions = 8192;
  const auto scaled = RopeFrequencies(rope, 128);
  int mixed = 0;
  for (size_t i = 0; i < plain.size(); ++i) {
    const double wave = 2 * std::numbers::pi / plain[i];
    if (wave < 2048) {
      EXPECT_DOUBLE_EQ(scaled[i], plain[i]) << i;
    } else if (wave > 8192) {
      EXPECT_DOUBLE_EQ(scaled[i], plain[i] / 8) << i;
    } else {
      const double share = (8192 / wave - 1) / 3;
      EXPECT_NEAR(scaled[i], ((1 - share) / 8 + share) * plain[i], 1e-12) << i;
      ++mixed;
    }
  }
  EXPECT_GT(mixed, 3);
  EXPECT_EQ(BuildRope(rope, 128, 1).cos[0], 1.0F);
}

TEST(Rope, EqualCornersDoNotDivideByZero) {
  RopeSpec rope = V3Rope();
  rope.beta_fast = rope.beta_slow = 1e6;  // both corners clamp to 0
  for (const double f : RopeFrequencies(rope, 16)) EXPECT_TRUE(std::isfinite(f));
}

TEST(Rope, TableFactorIsTheRatioOfMscales) {
  RopeSpec rope = V3Rope();
  EXPECT_FLOAT_EQ(BuildRope(rope, 64, 1).cos[0], 1.0F);
  rope.mscale = 2;
  rope.mscale_all_dim = 0;
  EXPECT_FLOAT_EQ(BuildRope(rope, 64, 1).cos[0], static_cast<float>(0.2 * std::log(40.0) + 1));
}

TEST(Rope, AttentionFactorWinsOverMscales) {
  RopeSpec rope = V3Rope();
  rope.attention_factor = 1.25;
  EXPECT_FLOAT_EQ(BuildRope(rope, 64, 1).cos[0], 1.25F);
}

TEST(Rope, AnglesOfAPosition) {
  const RopeAngles angles = BuildRope(RopeSpec{}, 4, 3);
  ASSERT_EQ(angles.cos.size(), 6U);
  EXPECT_FLOAT_EQ(angles.cos[4], std::cos(2.0F));
  EXPECT_FLOAT_EQ(angles.sin[5], std::sin(0.02F));
}

TEST(Rope, SoftmaxScale) {
  ModelSpec spec;
  spec.nope_dim = 48;
  spec.rope_dim = 16;
  EXPECT_DOUBLE_EQ(MlaSoftmaxScale(spec), 0.125);
  // The demo model's card: factor 4, mscale_all_dim 1 -> 0.162060.
  spec.rope = V3Rope();
  spec.rope.factor = 4;
  EXPECT_NEAR(MlaSoftmaxScale(spec), 0.162060, 5e-7);
  spec.rope.mscale_all_dim = 0;
  EXPECT_DOUBLE_EQ(MlaSoftmaxScale(spec), 0.125);
}

}  // namespace
}  // namespace deepseek::engine
