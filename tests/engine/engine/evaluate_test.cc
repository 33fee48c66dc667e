#include <gtest/gtest.h>

#include <numeric>

#include "engine/serving_engine.h"
#include "tests/support/engine/fake_model.h"
#include "tests/support/engine/recording_sink.h"

namespace deepseek::engine {
namespace {

EvaluateRequest Tokens(int32_t count) {
  EvaluateRequest r;
  for (int32_t i = 0; i < count; ++i) r.tokens.push_back((i * 13) % 97);
  return r;
}

FakeModel::Options WithMtp() {
  FakeModel::Options o;
  o.mtp = true;
  return o;
}

class Chunks : public ::testing::TestWithParam<int32_t> {};

TEST_P(Chunks, DoNotChangeTheResult) {
  ServingEngine engine(std::make_unique<FakeModel>(WithMtp()), {});
  EvaluateRequest r = Tokens(100);
  r.chunk = 16;  // the logit rows of one step
  r.hidden = r.mtp = true;
  const auto expected = engine.Evaluate(r);
  ASSERT_TRUE(expected.ok()) << expected.status();
  EXPECT_EQ(expected->logits.size(), 100U * 97);
  EXPECT_EQ(expected->hidden.size(), 3U * 100 * 3);
  EXPECT_EQ(expected->mtp_logits.size(), 99U * 97);
  EXPECT_EQ(expected->mtp_logits[98 * 97], float((98 * 13 % 97) * 1000 + 99 * 13 % 97));
  r.chunk = GetParam();
  const auto result = engine.Evaluate(r);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->logits, expected->logits);
  EXPECT_EQ(result->hidden, expected->hidden);
  EXPECT_EQ(result->mtp_logits, expected->mtp_logits);
}

INSTANTIATE_TEST_SUITE_P(Sizes, Chunks, ::testing::Values(0, 1, 7, 64, 65, 1000));

TEST(Evaluate, GivesTheRowsThatWereAskedForInThatOrder) {
  ServingEngine engine(std::make_unique<FakeModel>(FakeModel::Options{}), {});
  EvaluateRequest r = Tokens(300);
  const auto all = engine.Evaluate(r);
  ASSERT_TRUE(all.ok());
  r.positions = {299, 0, 130, 0, 64};
  const auto some = engine.Evaluate(r);
  ASSERT_TRUE(some.ok());
  ASSERT_EQ(some->logits.size(), 5U * 97);
  for (size_t i = 0; i < r.positions.size(); ++i) {
    EXPECT_TRUE(std::equal(some->logits.begin() + i * 97, some->logits.begin() + (i + 1) * 97,
                           all->logits.begin() + r.positions[i] * 97))
        << i;
  }
}

TEST(Evaluate, OneTokenHasNoMtpRow) {
  ServingEngine engine(std::make_unique<FakeModel>(WithMtp()), {});
  EvaluateRequest r = Tokens(1);
  r.mtp = true;
  const auto result = engine.Evaluate(r);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->logits.size(), 97U);
  EXPECT_TRUE(result->mtp_logits.empty());
}

TEST(Evaluate, RefusesMtpWithoutTheLayer) {
  ServingEngine engine(std::make_unique<FakeModel>(FakeModel::Options{}), {});
  EvaluateRequest r = Tokens(5);
  r.mtp = true;
  EXPECT_EQ(engine.Evaluate(r).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Evaluate, WaitsForBlocksAndLeavesRunningRequestsAlone) {
  FakeModel::Options o;
  o.kv_blocks = 6;
  auto model = std::make_unique<FakeModel>(o);
  FakeModel* fake = model.get();
  fake->Hold();
  ServingEngine engine(std::move(model), {});
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  std::vector<int32_t> prompt(100, 5);
  for (int i = 0; i < 4; ++i) {
    Request r;
    r.prompt = prompt;
    r.max_tokens = 40;
    sinks.push_back(std::make_shared<RecordingSink>());
    ASSERT_TRUE(engine.Submit(r, sinks.back()).ok());
  }
  fake->WaitUntilHeld();
  std::thread evaluation([&engine] {
    const auto result = engine.Evaluate(Tokens(64 * 6));  // the whole cache
    EXPECT_TRUE(result.ok()) << result.status();
  });
  fake->Release();
  evaluation.join();
  for (const auto& s : sinks) {
    EXPECT_EQ(s->Wait(), FinishReason::kLength);
    EXPECT_EQ(s->ids(), fake->Expected(prompt, 40));
  }
}

TEST(Evaluate, AFailureOfTheModelIsItsResult) {
  auto model = std::make_unique<FakeModel>(FakeModel::Options{});
  model->fail_forwards = 1;
  ServingEngine engine(std::move(model), {});
  EXPECT_EQ(engine.Evaluate(Tokens(5)).status().code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(engine.Evaluate(Tokens(5)).ok());
}

}  // namespace
}  // namespace deepseek::engine
