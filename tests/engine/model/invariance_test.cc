// The bits of a row: a function of its token history and the options, never of company, cuts or
// threads.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/engine/model/model_harness.h"

namespace deepseek::engine {
namespace {

struct Case {
  const char* model;
  Compute compute;
};

class Invariance : public testing::TestWithParam<Case> {
 protected:
  std::unique_ptr<Model> Load(int threads) {
    LoadSpec spec;
    spec.dir = std::string(TEST_SOURCE_DIR "/") + GetParam().model;
    spec.compute = GetParam().compute;
    spec.threads = threads;
    return MustLoad(spec);
  }
  std::vector<int32_t> Tokens(int count, uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<int32_t> ids(static_cast<size_t>(count));
    for (int32_t& id : ids) id = static_cast<int32_t>(random() % 512);
    return ids;
  }
};

TEST_P(Invariance, ChunksOfPromptRowsDoNotShow) {
  const auto model = Load(2);
  const std::vector<int32_t> tokens = Tokens(150, 1);
  const std::vector<float> whole = RunModel(model.get(), tokens, {}).logits;
  for (const int32_t chunk : {1, 7, 63, 64, 65, 128}) {
    RunSpec run;
    run.chunk = chunk;
    EXPECT_EQ(RunModel(model.get(), tokens, run).logits, whole) << "chunk " << chunk;
  }
}

TEST_P(Invariance, ChunksOfGeneratedRowsDoNotShow) {
  const auto model = Load(2);
  const std::vector<int32_t> tokens = Tokens(150, 2);
  RunSpec run;
  run.prompt = 30;
  run.chunk = 1;
  const std::vector<float> single = RunModel(model.get(), tokens, run).logits;
  // Recompute after a preemption replays generated rows in large chunks.
  for (const int32_t chunk : {0, 5, 64, 100}) {
    run.chunk = chunk;
    EXPECT_EQ(RunModel(model.get(), tokens, run).logits, single) << "chunk " << chunk;
  }
}

TEST_P(Invariance, ThreadsDoNotShow) {
  const std::vector<int32_t> tokens = Tokens(100, 3);
  RunSpec run;
  run.prompt = 70;
  EXPECT_EQ(RunModel(Load(1).get(), tokens, run).logits,
            RunModel(Load(2).get(), tokens, run).logits);
}

TEST_P(Invariance, CompanyDoesNotShow) {
  const auto model = Load(2);
  const int32_t vocab = model->spec().vocab;
  const std::vector<int32_t> mine = Tokens(80, 4);
  RunSpec alone;
  alone.prompt = 70;
  alone.chunk = 10;
  const std::vector<float> expected = RunModel(model.get(), mine, alone).logits;

  // The same rows again, ten a step, between a prompt and a sequence that decodes.
  Sequence self(model.get(), 0, 2);
  Sequence before(model.get(), 2, 4);
  Sequence after(model.get(), 6, 4);
  std::vector<float> actual;
  for (int32_t step = 0; step < 8; ++step) {
    Batch batch;
    before.AddRows(Tokens(13 + step, 100 + step), RowPath::kMaterialised, &batch);
    const size_t first = batch.tokens.size();
    self.AddRows({mine.begin() + 10 * step, mine.begin() + 10 * step + 10},
                 step < 7 ? RowPath::kMaterialised : RowPath::kAbsorbed, &batch);
    after.AddRows(Tokens(1 + step % 3, 200 + step), RowPath::kAbsorbed, &batch);
    ASSERT_TRUE(model->Forward(batch).ok());
    std::vector<float> logits(batch.tokens.size() * vocab);
    ASSERT_TRUE(model->backend()
                    .Download(model->logits(), {reinterpret_cast<uint8_t*>(logits.data()),
                                                logits.size() * sizeof(float)})
                    .ok());
    actual.insert(actual.end(), logits.begin() + first * vocab,
                  logits.begin() + (first + 10) * vocab);
  }
  EXPECT_EQ(actual, expected);
}

INSTANTIATE_TEST_SUITE_P(Models, Invariance,
                         testing::Values(Case{"tests/golden/deepseek_v3", Compute::kFp32},
                                         Case{"tests/golden/deepseek_v3_fp8", Compute::kBf16},
                                         Case{"tests/golden/deepseek_v2", Compute::kFp32},
                                         Case{"tests/golden/deepseek_v2_lite", Compute::kBf16},
                                         Case{"tests/golden/deepseek_moe_16b", Compute::kBf16},
                                         Case{"tests/golden/llama", Compute::kFp32},
                                         Case{"tests/golden/llama_tied", Compute::kBf16},
                                         Case{"tests/golden/qwen2", Compute::kBf16},
                                         Case{"models/demo-v3", Compute::kBf16}));

}  // namespace
}  // namespace deepseek::engine
