// models/demo-v3: the greedy ids of its card at fp32, and bf16 mode's distance from the golden
// logits.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "base/json_full.h"
#include "engine/weights/checkpoint.h"
#include "tests/engine/model/model_harness.h"

namespace deepseek::engine {
namespace {

TEST(Demo, GreedyIdsAtFp32) {
  LoadSpec spec;
  spec.dir = TEST_SOURCE_DIR "/models/demo-v3";
  const auto model = MustLoad(spec);
  const Json cases =
      *ParseJson(*ReadTextFile(spec.dir + "/eval/greedy_ids.json", 1 << 24), "greedy");
  const Json& list = cases.is_array() ? cases : cases.at("prompts");
  ASSERT_EQ(list.size(), 64U);
  size_t tokens = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (const Json& entry : list) {
    const auto expected = entry.at("output_ids").get<std::vector<int32_t>>();
    const auto actual = Greedy(model.get(), entry.at("input_ids").get<std::vector<int32_t>>(),
                               static_cast<int>(expected.size()));
    EXPECT_THAT(actual, testing::ElementsAreArray(expected));
    tokens += actual.size();
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("%zu tokens, %.0f tokens/s alone, prompts included\n", tokens,
              static_cast<double>(tokens) / took.count());
}

// KL(expected || actual) of one row of logits.
double Kl(const float* expected, const float* actual, int64_t n) {
  const auto normaliser = [n](const float* x) {
    const double max = *std::max_element(x, x + n);
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += std::exp(x[i] - max);
    return max + std::log(sum);
  };
  const double ze = normaliser(expected);
  const double za = normaliser(actual);
  double kl = 0;
  for (int64_t i = 0; i < n; ++i)
    kl += std::exp(expected[i] - ze) * ((expected[i] - ze) - (actual[i] - za));
  return kl;
}

class Bf16Mode : public testing::TestWithParam<std::tuple<const char*, KvType>> {};

// Prompt rows and, from the 40th token on, generated ones: both forms of attention.
TEST_P(Bf16Mode, MedianKlIsWithinTheSetsLimit) {
  const auto [set, kv] = GetParam();
  const GoldenSet golden(set);
  LoadSpec spec;
  spec.dir = golden.dir;
  spec.max_context = 320;
  spec.compute = Compute::kBf16;
  spec.kv = kv;
  const auto model = MustLoad(spec);
  RunSpec run;
  run.prompt = 40;
  const int64_t vocab = model->spec().vocab;
  std::vector<double> kls;
  for (const std::string& name : golden.cases()) {
    const std::vector<float> expected = golden.Floats(name + ".logits");
    const std::vector<int32_t> positions = golden.Ints(name + ".positions");
    const std::vector<float> actual =
        RunModel(model.get(), golden.Ints(name + ".input_ids"), run).logits;
    for (size_t row = 0; row < expected.size() / vocab; ++row) {
      const size_t at = positions.empty() ? row : static_cast<size_t>(positions[row]);
      kls.push_back(Kl(&expected[row * vocab], &actual[at * vocab], vocab));
    }
  }
  std::nth_element(kls.begin(), kls.begin() + kls.size() / 2, kls.end());
  const double median = kls[kls.size() / 2];
  std::printf("%s bf16, cache %s: median KL %.2e of %.2e\n", set, std::string(Name(kv)).c_str(),
              median, golden.kl_limit());
  EXPECT_LE(median, golden.kl_limit());
}

INSTANTIATE_TEST_SUITE_P(Sets, Bf16Mode,
                         testing::Combine(testing::ValuesIn(kGoldenSets),
                                          testing::Values(KvType::kBf16, KvType::kInt8)));

}  // namespace
}  // namespace deepseek::engine
