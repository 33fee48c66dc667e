// Answers when memory is short, chunks are small and requests come and go: always those of a
// request served alone.
#include <gtest/gtest.h>

#include "engine/serving_engine.h"
#include "tests/support/engine/fake_model.h"
#include "tests/support/engine/recording_sink.h"

namespace deepseek::engine {
namespace {

std::vector<int32_t> Prompt(int32_t length, int32_t seed) {
  std::vector<int32_t> p;
  for (int32_t i = 0; i < length; ++i) p.push_back((seed * 31 + i * 7) % 97);
  return p;
}

struct Shape {
  int32_t kv_blocks, max_batch, max_rows;
};

class Pressure : public ::testing::TestWithParam<Shape> {};

TEST_P(Pressure, EveryAnswerEqualsTheOneServedAlone) {
  FakeModel::Options o;
  o.kv_blocks = GetParam().kv_blocks;
  o.max_batch = GetParam().max_batch;
  o.limits = {GetParam().max_rows, 16};
  auto model = std::make_unique<FakeModel>(o);
  FakeModel* fake = model.get();
  fake->Hold();
  ServingEngine engine(std::move(model), {});
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  std::vector<Request> requests;
  for (int32_t i = 0; i < 24; ++i) {
    Request r;
    r.prompt = Prompt(1 + (i * 37) % 150, i);
    r.max_tokens = 1 + (i * 53) % 140;
    r.priority = i % 3 == 0 ? 1 : 0;
    requests.push_back(r);
    sinks.push_back(std::make_shared<RecordingSink>());
    ASSERT_TRUE(engine.Submit(r, sinks.back()).ok());
  }
  fake->Release();
  for (size_t i = 0; i < sinks.size(); ++i) {
    EXPECT_EQ(sinks[i]->Wait(), FinishReason::kLength) << i;
    EXPECT_EQ(sinks[i]->ids(), fake->Expected(requests[i].prompt, requests[i].max_tokens)) << i;
    EXPECT_EQ(sinks[i]->usage().generated_tokens, requests[i].max_tokens);
    EXPECT_EQ(sinks[i]->usage().prompt_tokens, static_cast<int32_t>(requests[i].prompt.size()));
  }
  EXPECT_EQ(engine.Drain(absl::InfiniteFuture()), 0);
  const Stats stats = engine.stats();
  EXPECT_EQ(stats.kv_blocks_used, 0);
  const bool tight = GetParam().kv_blocks <= 6 && GetParam().max_batch > 1;
  if (tight) {
    EXPECT_GT(stats.preemptions, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Pressure,
                         ::testing::Values(Shape{64, 8, 512}, Shape{64, 8, 24}, Shape{6, 8, 64},
                                           Shape{5, 4, 24}, Shape{5, 1, 17}, Shape{6, 16, 40}));

TEST(Batching, SeveralRequestsShareAStep) {
  auto model = std::make_unique<FakeModel>(FakeModel::Options{});
  FakeModel* fake = model.get();
  fake->Hold();
  ServingEngine engine(std::move(model), {});
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (int32_t i = 0; i < 6; ++i) {
    sinks.push_back(std::make_shared<RecordingSink>());
    Request r;
    r.prompt = Prompt(5, i);
    r.max_tokens = 8;
    ASSERT_TRUE(engine.Submit(r, sinks.back()).ok());
  }
  fake->Release();
  for (const auto& s : sinks) EXPECT_EQ(s->Wait(), FinishReason::kLength);
  EXPECT_GE(fake->max_segments_seen.load(), 5);
}

}  // namespace
}  // namespace deepseek::engine
