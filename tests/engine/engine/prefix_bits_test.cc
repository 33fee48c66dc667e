// Real models: an answer from cached blocks has the bits of one computed from scratch, for every
// layout and type of the cache, whatever the chunks.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/engine.h"
#include "engine/kernels/step.h"
#include "tests/support/engine/recording_sink.h"

namespace deepseek::engine {
namespace {

struct Case {
  const char* model;
  Compute compute;
  KvType kv;
};

std::string NameOf(const testing::TestParamInfo<Case>& info) {
  std::string name = info.param.model;
  name = name.substr(name.rfind('/') + 1);
  std::replace(name.begin(), name.end(), '-', '_');
  return name + (info.param.compute == Compute::kFp32 ? "_fp32" : "_bf16") + "_kv" +
         std::to_string(static_cast<int>(info.param.kv));
}

using Bits = std::vector<std::vector<std::pair<int32_t, float>>>;

Bits Take(const RecordingSink& sink) {
  Bits bits;
  for (const TokenEvent& t : sink.tokens()) {
    bits.push_back({{t.id, t.logprob}});
    for (const TokenLogprob& l : t.top) bits.back().emplace_back(l.id, l.logprob);
  }
  return bits;
}

std::vector<int32_t> Tokens(int32_t count, int32_t seed) {
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < count; ++i) ids.push_back((seed * 131 + i * 29 + i * i / 7) % 512);
  return ids;
}

class PrefixBits : public ::testing::TestWithParam<Case> {
 protected:
  std::unique_ptr<Engine> Load(bool prefix_cache, absl::Duration step_target) {
    EngineOptions options;
    options.model.model_dir = std::string(TEST_SOURCE_DIR "/") + GetParam().model;
    options.model.compute = GetParam().compute;
    options.model.kv = GetParam().kv;
    options.model.threads = 2;
    options.model.max_context = 512;
    options.step_target = step_target;
    options.prefix_cache = prefix_cache;
    auto engine = LoadModel(options);
    EXPECT_TRUE(engine.ok()) << engine.status();
    return std::move(*engine);
  }
  static Request Of(std::vector<int32_t> prompt, int32_t max_tokens) {
    Request r;
    r.prompt = std::move(prompt);
    r.max_tokens = max_tokens;
    r.sampling.temperature = 1.0F;
    r.sampling.seed = 7;
    r.top_logprobs = 5;
    return r;
  }
  static std::shared_ptr<RecordingSink> Serve(Engine* engine, const Request& request) {
    auto sink = std::make_shared<RecordingSink>();
    EXPECT_TRUE(engine->Submit(request, sink).ok());
    EXPECT_EQ(sink->Wait(), FinishReason::kLength);
    return sink;
  }
};

TEST_P(PrefixBits, AHitEqualsAMiss) {
  // A conversation: each turn's prompt has the last prompt, the answer, and something new in it.
  const auto plain = Load(false, absl::Hours(1));
  std::vector<Request> turns = {Of(Tokens(150, 1), 70)};
  std::vector<Bits> expected;
  for (int turn = 0; turn < 3; ++turn) {
    const auto sink = Serve(plain.get(), turns.back());
    expected.push_back(Take(*sink));
    std::vector<int32_t> next = turns.back().prompt;
    for (const int32_t id : sink->ids()) next.push_back(id);
    for (const int32_t id : Tokens(5, 9 + turn)) next.push_back(id);
    turns.push_back(Of(next, turn == 0 ? 40 : 12));
  }
  turns.pop_back();
  const bool mla = plain->spec().attention == Attention::kMla;
  for (const absl::Duration target : {absl::Nanoseconds(1), absl::Hours(1)}) {
    const auto engine = Load(true, target);
    for (int round = 0; round < 2; ++round) {
      for (size_t i = 0; i < turns.size(); ++i) {
        const auto sink = Serve(engine.get(), turns[i]);
        EXPECT_EQ(Take(*sink), expected[i]) << "turn " << i << ", round " << round;
        const int32_t cached = sink->usage().cached_tokens;
        const auto whole =
            static_cast<int32_t>(turns[i].prompt.size() - 1) / kBlockTokens * kBlockTokens;
        if (round == 1) {
          EXPECT_EQ(cached, whole);
        }
        if (round == 0 && i == 1) {
          EXPECT_EQ(cached, mla ? 128 : 192) << "with the answer or not";
        }
      }
    }
    engine->Drain(absl::InfiniteFuture());
    EXPECT_EQ(engine->stats().kv_blocks_used, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Models, PrefixBits,
    testing::Values(Case{"tests/golden/deepseek_v2_lite", Compute::kFp32, KvType::kFp32},
                    Case{"tests/golden/deepseek_v2_lite", Compute::kBf16, KvType::kBf16},
                    Case{"tests/golden/deepseek_v2_lite", Compute::kBf16, KvType::kInt8},
                    Case{"tests/golden/deepseek_v3", Compute::kBf16, KvType::kBf16},
                    Case{"tests/golden/deepseek_v3_fp8", Compute::kBf16, KvType::kInt8},
                    Case{"tests/golden/deepseek_v2", Compute::kFp32, KvType::kInt8},
                    Case{"tests/golden/llama", Compute::kFp32, KvType::kFp32},
                    Case{"tests/golden/llama", Compute::kBf16, KvType::kBf16},
                    Case{"tests/golden/llama", Compute::kBf16, KvType::kInt8},
                    Case{"tests/golden/qwen2", Compute::kBf16, KvType::kBf16},
                    Case{"tests/golden/deepseek_moe_16b", Compute::kFp32, KvType::kBf16},
                    Case{"models/demo-v3", Compute::kBf16, KvType::kBf16}),
    NameOf);

}  // namespace
}  // namespace deepseek::engine
