#include "operator/agent_probe.h"

#include <gtest/gtest.h>

#include "base/http/server.h"
#include "base/json_full.h"

namespace deepseek {
namespace {

class Answering : public http::Handler {
 public:
  explicit Answering(http::Response response) : response_(std::move(response)) {}
  void Handle(http::Request request, std::shared_ptr<http::ResponseWriter> writer) override {
    target_ = request.target;
    writer->Send(response_);
  }
  std::string target_;

 private:
  http::Response response_;
};

absl::StatusOr<Json> Ask(Answering& agent) {
  http::ServerOptions options;
  options.addresses = {"127.0.0.1:0"};
  const auto server = http::StartServer(std::move(options), agent);
  EXPECT_TRUE(server.ok()) << server.status();
  return AskAgentAt((*server)->addresses()[0]);
}

TEST(AgentProbeTest, TheAnswerCountsWhateverTheStatus) {
  Answering loading({503, "application/json", {}, R"({"state":"loading","loaded_bytes":5})"});
  const auto answer = Ask(loading);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ((*answer)["loaded_bytes"], 5);
  EXPECT_EQ(loading.target_, "/ready");
}

TEST(AgentProbeTest, WhatIsNoJsonIsAnError) {
  Answering page({200, "text/html", {}, "<html>"});
  EXPECT_FALSE(Ask(page).ok());
  Answering large({200, "application/json", {}, "\"" + std::string(100'000, 'x') + "\""});
  EXPECT_FALSE(Ask(large).ok());
}

TEST(AgentProbeTest, NobodyThere) {
  EXPECT_FALSE(AskAgentAt("127.0.0.1:1").ok());
  EXPECT_FALSE(AskAgent("::1").ok());
}

}  // namespace
}  // namespace deepseek
