// --max-requests-per-key over the real server: one key is told to wait, the others are served.
#include <gtest/gtest.h>

#include <fstream>

#include "tests/agent/openai/api_fixture.h"
#include "tests/support/temp_dir.h"

namespace deepseek::agent {
namespace {

using testing::RawClient;

constexpr char kChat[] = "/v1/chat/completions";
constexpr char kHi[] = R"({"messages":[{"role":"user","content":"hi"}]})";
constexpr char kTwo[] = R"({"messages":[{"role":"user","content":"hi"}],"n":2})";
constexpr char kStream[] = R"({"messages":[{"role":"user","content":"hi"}],"stream":true})";
constexpr char kAlice[] = "Authorization: Bearer alice-key\r\n";
constexpr char kAliceNew[] = "Authorization: Bearer alice-new\r\n";
constexpr char kBob[] = "Authorization: Bearer bob-key\r\n";

class ClientLimitsApi : public ApiTest {
 protected:
  ClientLimitsApi() : ApiTest({.max_answers_per_key = 2}) {
    const std::string path = (dir_ / "keys").string();
    std::ofstream(path) << auth::HashOfKey("alice-key") << " alice\n"
                        << auth::HashOfKey("alice-new") << " alice\n"
                        << auth::HashOfKey("bob-key") << " bob\n";
    gate_ = std::make_unique<Gate>(*auth::ApiKeyFile::Open(path));
    Start({.script = [](const auto&) { return BytesThenEos("yes"); }, .held = true});
  }
  std::unique_ptr<RawClient> Ask(std::string_view headers, std::string_view body) {
    auto client = std::make_unique<RawClient>(address_);
    client->Post(kChat, body, headers);
    return client;
  }
  /// Until so many answers are in progress.
  void Wait(int answers) {
    ASSERT_TRUE(engine_->WaitUntil(
        [&](const engine::Stats& stats) { return stats.running + stats.waiting == answers; }));
  }
  void ExpectLimited(const RawResponse& response) {
    EXPECT_EQ(response.status, 429) << response.body;
    const Json error = Json::parse(response.body)["error"];
    EXPECT_EQ(error["code"], "client_limit");
    EXPECT_EQ(error["type"], "rate_limit_error");
    EXPECT_EQ(response.headers.at("retry-after"), "1");
  }

  const TempDir dir_{"client_limits_test"};
};

TEST_F(ClientLimitsApi, OneKeyWaitsAndTheOthersAreServed) {
  const auto first = Ask(kAlice, kHi);
  Wait(1);
  const auto second = Ask(kAliceNew, kStream);
  Wait(2);
  ExpectLimited(Ask(kAlice, kHi)->Read());
  ExpectLimited(Ask(kAliceNew, kStream)->Read());
  const auto bob = Ask(kBob, kTwo);
  Wait(4);
  EXPECT_NE(registry_.Text().find(
                "deepseek_request_refused_total{model_name=\"fake\",reason=\"client_limit\"} 2"),
            std::string::npos);
  EXPECT_EQ(registry_.Text().find("alice"), std::string::npos) << "no label for each client";
  engine_->Release();
  EXPECT_EQ(first->Read().status, 200);
  EXPECT_EQ(bob->Read().status, 200);
  EXPECT_EQ(second->Read().status, 200);
  // The places are free before a client can know that its answer is whole.
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Ask(kAlice, kTwo)->Read().status, 200);
}

TEST_F(ClientLimitsApi, RefusedAndAbandonedRequestsTakeNoPlace) {
  EXPECT_EQ(Ask(kAlice, R"({"messages":[{"role":"user","content":"hi"}],"n":3})")->Read().status,
            400);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Ask(kAlice, R"({"messages":[{"role":"user","content":"hi"}],"model":"other"})")
                  ->Read()
                  .status,
              404);
    EXPECT_EQ(Ask(kAlice, R"({"messages":[{"role":"user","content":"hi"}],"n":2,
        "response_format":{"type":"json_schema","json_schema":{"schema":{"not":{}}}}})")
                  ->Read()
                  .status,
              400);
  }
  auto gone = Ask(kAlice, kTwo);
  Wait(2);
  gone.reset();
  Wait(0);
  engine_->Release();
  // The engine tells of this one after the two.
  EXPECT_EQ(Ask(kBob, kHi)->Read().status, 200);
  EXPECT_EQ(Ask(kAlice, kTwo)->Read().status, 200);
}

}  // namespace
}  // namespace deepseek::agent
