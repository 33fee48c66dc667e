#include "agent/cli/answer.h"

#include <gtest/gtest.h>

#include "engine/serving_engine.h"
#include "tests/support/engine/fake_model.h"

namespace deepseek::agent {
namespace {

using engine::FakeModel;
using engine::ServingEngine;

engine::Request Of(std::vector<int32_t> prompt, int32_t max_tokens) {
  engine::Request r;
  r.prompt = std::move(prompt);
  r.max_tokens = max_tokens;
  return r;
}

class AnswerTest : public ::testing::Test {
 protected:
  AnswerTest() {
    auto model = std::make_unique<FakeModel>(FakeModel::Options{});
    fake_ = model.get();
    engine_ = std::make_unique<ServingEngine>(std::move(model), engine::EngineOptions{});
  }
  FakeModel* fake_;
  std::unique_ptr<ServingEngine> engine_;
};

TEST_F(AnswerTest, KeepsWhatCame) {
  auto pending = PendingAnswer::Submit(*engine_, Of({1, 2}, 6));
  ASSERT_TRUE(pending.ok());
  const auto answer = pending->Wait();
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->ids, fake_->Expected({1, 2}, 6));
  EXPECT_EQ(answer->reason, engine::FinishReason::kLength);
  EXPECT_EQ(answer->usage.generated_tokens, 6);
}

TEST_F(AnswerTest, FalseFromTheCallbackStopsTheRequest) {
  int seen = 0;
  auto pending = PendingAnswer::Submit(*engine_, Of({1, 2}, 4000), [&seen](int32_t) { return ++seen < 3; });
  ASSERT_TRUE(pending.ok());
  const auto answer = pending->Wait();
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->ids, fake_->Expected({1, 2}, 3));
  EXPECT_EQ(answer->reason, engine::FinishReason::kStop);
  EXPECT_EQ(seen, 3);
}

TEST_F(AnswerTest, ErrorsOfTheRequestAreReturned) {
  EXPECT_EQ(PendingAnswer::Submit(*engine_, Of({}, 1)).status().code(), absl::StatusCode::kInvalidArgument);
  fake_->fail_forwards = 1;
  auto pending = PendingAnswer::Submit(*engine_, Of({1}, 1));
  ASSERT_TRUE(pending.ok());
  EXPECT_EQ(pending->Wait().status().code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace deepseek::agent
