// --max-requests-per-key over the real server: one key is told to wait, the others are served.
#include <gtest/gtest.h>

#include <fstream>

#include "absl/time/clock.h"
#include "agent/openai/api.h"
#include "base/json_full.h"
#include "base/strings.h"
#include "tests/support/agent/fake_agent.h"
#include "tests/support/http/raw_client.h"
#include "tests/support/temp_dir.h"

namespace deepseek::agent {
namespace {

using testing::BytesThenEos;
using testing::FakeEngine;
using testing::RawClient;
using testing::RawResponse;

constexpr char kChat[] = "/v1/chat/completions";
constexpr char kHi[] = R"({"messages":[{"role":"user","content":"hi"}]})";
constexpr char kTwo[] = R"({"messages":[{"role":"user","content":"hi"}],"n":2})";
constexpr char kStream[] = R"({"messages":[{"role":"user","content":"hi"}],"stream":true})";
constexpr char kAlice[] = "Authorization: Bearer alice-key\r\n";
constexpr char kAliceNew[] = "Authorization: Bearer alice-new\r\n";
constexpr char kBob[] = "Authorization: Bearer bob-key\r\n";

class ClientLimitsApi : public ::testing::Test {
 protected:
  ClientLimitsApi() {
    const std::string path = (dir_ / "keys").string();
    std::ofstream(path) << auth::HashOfKey("alice-key") << " alice\n"
                        << auth::HashOfKey("alice-new") << " alice\n"
                        << auth::HashOfKey("bob-key") << " bob\n";
    gate_ = Gate(*auth::ApiKeyFile::Open(path));
    auto engine = std::make_unique<FakeEngine>(FakeEngine::Options{
        .script = [](const auto&) { return BytesThenEos("yes"); }, .held = true});
    engine_ = engine.get();
    model_ = testing::FakeModel(std::move(engine));
    service_.Serve(model_.get());
    http::ServerOptions options;
    options.addresses = {"127.0.0.1:0"};
    options.refusal = RefusalResponse;
    server_ = *http::StartServer(std::move(options), api_);
  }
  ~ClientLimitsApi() override {
    model_->engine->Drain(absl::Now());
    server_.reset();
  }
  std::unique_ptr<RawClient> Ask(std::string_view headers, std::string_view body) {
    auto client = std::make_unique<RawClient>(server_->addresses().front());
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
  metrics::Registry registry_;
  Telemetry telemetry_{registry_, "fake"};
  Service service_;
  Probes probes_{service_, nullptr, "{}"};
  Inference inference_{service_, telemetry_, RequestLimits{.max_answers_per_key = 2}};
  Gate gate_;
  Api api_{inference_, probes_, gate_, Cors(std::vector<std::string>{})};
  FakeEngine* engine_ = nullptr;
  std::unique_ptr<LoadedModel> model_;
  std::unique_ptr<http::Server> server_;
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
  EXPECT_NE(registry_.Text().find("deepseek_request_refused_total{reason=\"client_limit\"} 2"),
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
