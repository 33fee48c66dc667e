#include "engine/kernels/reference/quantize.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/arch/dtype.h"
#include "tests/engine/kernels/backend_fixture.h"

namespace deepseek::engine {
namespace {

struct Group {
  std::vector<int8_t> codes;
  float scale = 0;
};
Group Quantized(const std::vector<float>& values, WeightType type) {
  Group g;
  g.codes.resize(values.size());
  QuantizeGroup(values.data(), static_cast<int64_t>(values.size()), type, g.codes.data(), &g.scale);
  return g;
}
double SquaredError(const std::vector<float>& values, const Group& g) {
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double e = values[i] - double{g.scale} * g.codes[i];
    sum += e * e;
  }
  return sum;
}

TEST(Quantize, Int8IsWithinHalfAStep) {
  Random random(1);
  for (const float sigma : {1e-12F, 0.02F, 300.0F}) {
    for (const int64_t n : {1, 7, 128}) {
      const std::vector<float> values = random.Normal(n, sigma);
      const Group g = Quantized(values, WeightType::kInt8);
      EXPECT_EQ(g.scale, Bf16ToFloat(FloatToBf16(g.scale)));
      for (size_t i = 0; i < values.size(); ++i) {
        EXPECT_LE(std::fabs(values[i] - g.scale * g.codes[i]), 0.5001F * g.scale);
        EXPECT_GE(g.codes[i], -127);
      }
    }
  }
}

// The search must pay: at most 0.95 of the error of mapping the largest value to -8, on average.
TEST(Quantize, Int4SearchBeatsPlainRounding) {
  Random random(2);
  double searched = 0;
  double plain = 0;
  for (int round = 0; round < 200; ++round) {
    const std::vector<float> values = random.Normal(128, 0.02F);
    const Group g = Quantized(values, WeightType::kInt4);
    for (const int8_t code : g.codes) {
      EXPECT_GE(code, -8);
      EXPECT_LE(code, 7);
    }
    searched += SquaredError(values, g);
    float max = 0;
    for (const float v : values) max = std::fabs(v) > std::fabs(max) ? v : max;
    Group simple{std::vector<int8_t>(128), -max / 8};
    for (size_t i = 0; i < 128; ++i) {
      const float q = std::nearbyint(values[i] / simple.scale);
      simple.codes[i] = static_cast<int8_t>(std::fmin(std::fmax(q, -8), 7));
    }
    plain += SquaredError(values, simple);
  }
  EXPECT_LT(searched, 0.95 * plain);
}

TEST(Quantize, ValuesOnAGridComeBackExactly) {
  std::vector<float> values;
  for (int q = -8; q <= 7; ++q) values.push_back(0.25F * static_cast<float>(q));
  const Group int4 = Quantized(values, WeightType::kInt4);
  for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(int4.scale * int4.codes[i], values[i]);
  values = {-127, 64, 0, 1, 127};
  const Group int8 = Quantized(values, WeightType::kInt8);
  for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(int8.scale * int8.codes[i], values[i]);
}

TEST(Quantize, ZerosAndTinyValuesAreZero) {
  for (const WeightType type : {WeightType::kInt8, WeightType::kInt4}) {
    for (const float v : {0.0F, -0.0F, 1e-38F}) {
      const Group g = Quantized(std::vector<float>(9, v), type);
      EXPECT_EQ(g.scale, 0);
      EXPECT_EQ(g.codes, std::vector<int8_t>(9, 0));
    }
  }
}

}  // namespace
}  // namespace deepseek::engine
