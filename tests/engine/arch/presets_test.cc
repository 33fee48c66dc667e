#include "engine/arch/presets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>

#include "engine/arch/memory_plan.h"
#include "engine/arch/planned_tensors.h"

namespace deepseek::engine {
namespace {

// In billions, as the model cards say (V3: without the multi-token-prediction layer, 671).
TEST(Presets, HaveTheParametersOfTheirReleases) {
  const std::map<std::string, double> cards = {{"deepseek-v3", 671},
                                               {"deepseek-v3.1", 671},
                                               {"deepseek-r1", 671},
                                               {"deepseek-v2", 236},
                                               {"deepseek-v2.5", 236},
                                               {"deepseek-v2-lite", 15.7},
                                               {"deepseek-moe-16b", 16.4},
                                               {"deepseek-llm-7b", 6.9},
                                               {"deepseek-llm-67b", 67.4},
                                               {"deepseek-r1-distill-qwen-1.5b", 1.78},
                                               {"deepseek-r1-distill-qwen-7b", 7.62},
                                               {"deepseek-r1-distill-qwen-14b", 14.8},
                                               {"deepseek-r1-distill-qwen-32b", 32.8},
                                               {"deepseek-r1-distill-llama-8b", 8.03},
                                               {"deepseek-r1-distill-llama-70b", 70.6},
                                               {"demo-v3", 0.003452}};
  EXPECT_EQ(PresetNames().size(), cards.size());
  for (const std::string& name : PresetNames()) {
    const auto spec = Preset(name);
    ASSERT_TRUE(spec.ok()) << name << ": " << spec.status();
    ASSERT_TRUE(cards.contains(name)) << name;
    EXPECT_NEAR(static_cast<double>(spec->Parameters()) / 1e9 / cards.at(name), 1, 0.005) << name;
  }
}

TEST(Presets, TheDemoIsTheOneThatIsShipped) {
  std::ifstream file(TEST_SOURCE_DIR "/models/demo-v3/config.json");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto shipped = ParseModelConfig(text);
  const auto preset = Preset("demo-v3");
  ASSERT_TRUE(shipped.ok() && preset.ok()) << shipped.status() << preset.status();
  EXPECT_EQ(preset->Parameters(), shipped->Parameters());
  EXPECT_EQ(preset->max_positions, shipped->max_positions);
  ModelOptions options;
  options.compute = Compute::kBf16;
  options.kv = KvType::kBf16;
  options.max_context = 1024;
  const auto bytes = [&](const ModelSpec& spec) {
    return PlanMemory(spec, options, {}, PlannedTensors(spec, false), int64_t{1} << 40)
        .total_bytes();
  };
  EXPECT_EQ(bytes(*preset), bytes(*shipped));
}

TEST(Presets, OthersAreRefusedWithTheNames) {
  const auto none = Preset("gpt-2");
  EXPECT_EQ(none.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(none.status().message()),
              testing::AllOf(testing::HasSubstr("gpt-2"), testing::HasSubstr("deepseek-v3")));
}

}  // namespace
}  // namespace deepseek::engine
