#include "engine/request_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace deepseek::engine {
namespace {

using ::testing::HasSubstr;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();
const RequestLimits kLimits{100, 50, 128};

Request Good() {
  Request r;
  r.prompt = {1, 2, 3};
  r.max_tokens = 10;
  return r;
}

/// For another vocabulary.
class NoConstraint final : public TokenConstraint {
 public:
  const uint64_t* Allowed(int32_t) override { return nullptr; }
  bool MayEnd() const override { return true; }
  void Accept(int32_t) override {}
  bool Complete() const override { return false; }
  int32_t vocab() const override { return 99; }
};

struct Case {
  const char* parameter;  // the message must name it
  void (*spoil)(Request*);
};

class BadRequest : public ::testing::TestWithParam<Case> {};

TEST_P(BadRequest, IsRefusedByName) {
  Request r = Good();
  GetParam().spoil(&r);
  const absl::Status status = CheckRequest(r, kLimits);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), ::testing::StartsWith(GetParam().parameter));
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadRequest,
    ::testing::Values(
        Case{"prompt", [](Request* r) { r->prompt.clear(); }},
        Case{"prompt[1]", [](Request* r) { r->prompt[1] = -1; }},
        Case{"constraint", [](Request* r) { r->constraint = std::make_shared<NoConstraint>(); }},
        Case{"prompt[2]", [](Request* r) { r->prompt[2] = 100; }},
        Case{"prompt",
             [](Request* r) {
               r->prompt.assign(50, 1);
               r->max_tokens = 0;
             }},
        Case{"prompt", [](Request* r) { r->max_tokens = 48; }},
        Case{"prompt", [](Request* r) { r->max_tokens = std::numeric_limits<int32_t>::max(); }},
        Case{"max_tokens", [](Request* r) { r->max_tokens = -1; }},
        Case{"temperature", [](Request* r) { r->sampling.temperature = -0.1F; }},
        Case{"temperature", [](Request* r) { r->sampling.temperature = kNan; }},
        Case{"temperature", [](Request* r) { r->sampling.temperature = kInf; }},
        Case{"top_p", [](Request* r) { r->sampling.top_p = -0.01F; }},
        Case{"top_p", [](Request* r) { r->sampling.top_p = 1.01F; }},
        Case{"top_p", [](Request* r) { r->sampling.top_p = kNan; }},
        Case{"top_k", [](Request* r) { r->sampling.top_k = -1; }},
        Case{"min_p", [](Request* r) { r->sampling.min_p = 1; }},
        Case{"min_p", [](Request* r) { r->sampling.min_p = -0.1F; }},
        Case{"presence_penalty", [](Request* r) { r->sampling.presence_penalty = 2.1F; }},
        Case{"frequency_penalty", [](Request* r) { r->sampling.frequency_penalty = -2.1F; }},
        Case{"repetition_penalty", [](Request* r) { r->sampling.repetition_penalty = 0; }},
        Case{"repetition_penalty", [](Request* r) { r->sampling.repetition_penalty = kInf; }},
        Case{"logit_bias",
             [](Request* r) {
               r->sampling.logit_bias = {{100, 1.0F}};
             }},
        Case{"logit_bias",
             [](Request* r) {
               r->sampling.logit_bias = {{1, 101.0F}};
             }},
        Case{"logit_bias",
             [](Request* r) {
               r->sampling.logit_bias.assign(2000, {1, 1.0F});
             }},
        Case{"stop_ids", [](Request* r) { r->stop_ids.assign(2000, 1); }},
        Case{"top_logprobs", [](Request* r) { r->top_logprobs = 21; }},
        Case{"top_logprobs", [](Request* r) { r->top_logprobs = -2; }},
        Case{"prompt_logprobs", [](Request* r) { r->prompt_logprobs = 21; }},
        Case{"max_tokens", [](Request* r) { r->prompt_only = true; }}));

TEST(CheckRequest, TheBordersAreGood) {
  Request r = Good();
  r.max_tokens = 47;
  EXPECT_TRUE(CheckRequest(r, kLimits).ok());
  r.sampling = {0, 1, 0, 0, -2, 2, 0.5F, 1, 2, {{0, -100.0F}, {99, 100.0F}}};
  r.top_logprobs = 20;
  r.stop_ids = {7, 1000};  // an id that the model never says is no fault
  EXPECT_TRUE(CheckRequest(r, kLimits).ok());
}

TEST(CheckRequest, MustFitTheCache) {
  const RequestLimits limits{100, 5000, 128};
  Request r = Good();
  r.max_tokens = 126;  // 3 + 126 - 1: the last token needs no place
  EXPECT_TRUE(CheckRequest(r, limits).ok());
  r.max_tokens = 127;
  EXPECT_THAT(std::string(CheckRequest(r, limits).message()), HasSubstr("--kv-memory"));
  r.max_tokens = 0;  // would be allowed to run up to the context limit
  EXPECT_FALSE(CheckRequest(r, limits).ok());
}

TEST(AnswerLimit, ZeroMeansWhatTheContextLeaves) {
  Request r = Good();
  EXPECT_EQ(AnswerLimit(r, kLimits), 10);
  r.max_tokens = 0;
  EXPECT_EQ(AnswerLimit(r, kLimits), 47);
}

TEST(CheckEvaluate, NamesWhatIsWrong) {
  EvaluateRequest r;
  EXPECT_THAT(std::string(CheckEvaluate(r, kLimits).message()), HasSubstr("tokens"));
  r.tokens = {1, 2};
  EXPECT_TRUE(CheckEvaluate(r, kLimits).ok());
  r.positions = {0, 2};
  EXPECT_THAT(std::string(CheckEvaluate(r, kLimits).message()), HasSubstr("positions"));
  r.positions = {1, 0, 1};
  EXPECT_TRUE(CheckEvaluate(r, kLimits).ok());
  r.chunk = -1;
  EXPECT_THAT(std::string(CheckEvaluate(r, kLimits).message()), HasSubstr("chunk"));
  r.chunk = 0;
  r.tokens.assign(51, 1);
  EXPECT_THAT(std::string(CheckEvaluate(r, kLimits).message()), HasSubstr("context"));
}

}  // namespace
}  // namespace deepseek::engine
