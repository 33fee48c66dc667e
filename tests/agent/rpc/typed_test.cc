#include "agent/rpc/typed.h"

#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "agent/openai/request.h"
#include "base/json_full.h"

namespace deepseek::agent::rpc {
namespace {

TEST(ToJson, EveryFieldReachesTheParser) {
  v1::GenerateRequest r;
  r.set_model("m");
  r.mutable_tokens()->add_ids(5);
  r.mutable_tokens()->add_ids(6);
  r.set_max_tokens(7);
  r.set_temperature(0.7F);
  r.set_top_p(0.9F);
  r.set_top_k(40);
  r.set_min_p(0.05F);
  r.set_repetition_penalty(1.1F);
  r.set_presence_penalty(0.3F);
  r.set_frequency_penalty(-0.4F);
  r.set_seed(-1);
  r.add_stop("\"end\n");
  r.add_stop_token_ids(9);
  r.set_ignore_eos(true);
  const auto parsed = ParseCompletionRequest(ToJson(r), RequestLimits{});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const GenerationParams& p = parsed->params;
  EXPECT_EQ(p.model, "m");
  EXPECT_EQ(std::get<std::vector<int32_t>>(parsed->prompts.front()), (std::vector<int32_t>{5, 6}));
  EXPECT_EQ(p.max_tokens, 7);
  EXPECT_EQ(p.temperature, 0.7F);
  EXPECT_EQ(p.top_p, 0.9F);
  EXPECT_EQ(p.top_k, 40);
  EXPECT_EQ(p.min_p, 0.05F);
  EXPECT_EQ(p.repetition_penalty, 1.1F);
  EXPECT_EQ(p.presence_penalty, 0.3F);
  EXPECT_EQ(p.frequency_penalty, -0.4F);
  EXPECT_EQ(p.seed, 18446744073709551615U) << "as OpenAI takes it";
  EXPECT_EQ(p.stop, std::vector<std::string>{"\"end\n"});
  EXPECT_EQ(p.stop_token_ids, std::vector<int32_t>{9});
  EXPECT_TRUE(p.ignore_eos);
  EXPECT_TRUE(p.stream && p.include_usage);
}

TEST(ToJson, WhatIsNotSetIsTheModels) {
  v1::GenerateRequest r;
  r.set_text("hello");
  const auto parsed = ParseCompletionRequest(ToJson(r), RequestLimits{});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->params.max_tokens, 256);
  EXPECT_FALSE(parsed->params.temperature || parsed->params.top_k || parsed->params.seed);
  v1::TokenizeRequest t;
  t.set_text("hello");
  EXPECT_TRUE(ParseTokenizeRequest(ToJson(t), RequestLimits{})->parse_special);
  t.set_parse_special(false);
  EXPECT_FALSE(ParseTokenizeRequest(ToJson(t), RequestLimits{})->parse_special);
}

TEST(ToGrpc, StatusAndDetails) {
  const auto code = [](int status) { return ToGrpc({status, "m", "t", "p", "c"}).error_code(); };
  EXPECT_EQ(code(400), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(code(401), grpc::UNAUTHENTICATED);
  EXPECT_EQ(code(403), grpc::PERMISSION_DENIED);
  EXPECT_EQ(code(404), grpc::NOT_FOUND);
  EXPECT_EQ(code(429), grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(code(503), grpc::UNAVAILABLE);
  EXPECT_EQ(code(504), grpc::DEADLINE_EXCEEDED);
  EXPECT_EQ(code(500), grpc::INTERNAL);
  const grpc::Status status = ToGrpc({400, "m", "t", "p", "c"});
  EXPECT_EQ(status.error_message(), "m");
  EXPECT_EQ(Json::parse(status.error_details())["error"]["param"], "p");
}

TEST(ToCallContext, TheNearerDeadlineCounts) {
  const absl::Time now = absl::FromUnixSeconds(1000);
  v1::RequestContext c;
  EXPECT_EQ(ToCallContext(c, absl::InfiniteFuture(), now)->deadline, absl::InfiniteFuture());
  c.mutable_deadline()->set_seconds(1010);
  EXPECT_EQ(ToCallContext(c, absl::InfiniteFuture(), now)->deadline, absl::FromUnixSeconds(1010));
  EXPECT_EQ(ToCallContext(c, absl::FromUnixSeconds(1005), now)->deadline,
            absl::FromUnixSeconds(1005));
  EXPECT_EQ(ToCallContext(c, absl::FromUnixSeconds(1005), now)->arrival, now);
  c.mutable_deadline()->set_nanos(-1);
  EXPECT_FALSE(ToCallContext(c, absl::InfiniteFuture(), now).ok());
}

TEST(ToCallContext, PriorityAndRequestId) {
  v1::RequestContext c;
  c.set_priority(100);
  c.set_request_id("mine");
  EXPECT_EQ(ToCallContext(c, absl::InfiniteFuture(), absl::Now())->priority, 100);
  EXPECT_EQ(ToCallContext(c, absl::InfiniteFuture(), absl::Now())->request_id, "mine");
  c.set_request_id("two words");
  EXPECT_NE(ToCallContext(c, absl::InfiniteFuture(), absl::Now())->request_id, "two words");
  c.set_priority(101);
  EXPECT_FALSE(ToCallContext(c, absl::InfiniteFuture(), absl::Now()).ok());
}

}  // namespace
}  // namespace deepseek::agent::rpc
