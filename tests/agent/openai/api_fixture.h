#pragma once
// The API over a real server and loopback sockets, with a scripted engine.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/clock.h"
#include "agent/openai/api.h"
#include "base/json_full.h"
#include "tests/support/agent/fake_agent.h"
#include "tests/support/http/raw_client.h"

namespace deepseek::agent {

using testing::BytesThenEos;
using testing::FakeEngine;
using testing::HttpPost;
using testing::RawResponse;

class ApiTest : public ::testing::Test {
 protected:
  explicit ApiTest(RequestLimits limits = {}) : limits_(limits) {}
  void Start(FakeEngine::Options options, bool serving = true) {
    auto engine = std::make_unique<FakeEngine>(std::move(options));
    engine_ = engine.get();
    model_ = testing::FakeModel(std::move(engine));
    if (serving) service_.Serve(model_.get());
    http::ServerOptions server;
    server.addresses = {"127.0.0.1:0"};
    server.refusal = RefusalResponse;
    if (!api_) api_ = std::make_unique<Api>(inference_, probes_, *gate_);
    server.admit = [this](const http::Request& head) { return api_->Admit(head); };
    auto started = http::StartServer(server, *api_);
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
    address_ = server_->addresses().front();
  }
  void StartSaying(std::string_view text) {
    Start({.script = [ids = BytesThenEos(text)](const engine::Request&) { return ids; }});
  }
  ~ApiTest() override {
    if (model_) model_->engine->Drain(absl::Now());
    server_.reset();
  }

  Json Post(std::string_view path, std::string_view body, int status = 200) {
    const RawResponse response = HttpPost(address_, path, body);
    EXPECT_EQ(response.status, status) << response.body;
    return Json::parse(response.body, nullptr, false);
  }
  std::vector<Json> Stream(std::string_view path, std::string_view body) {
    const RawResponse response = HttpPost(address_, path, body);
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_TRUE(response.complete);
    EXPECT_EQ(response.headers.at("content-type"), "text/event-stream; charset=utf-8");
    std::vector<std::string> events = testing::Events(response.body);
    EXPECT_FALSE(events.empty());
    if (events.empty()) return {};
    EXPECT_EQ(events.back(), "[DONE]");
    events.pop_back();
    std::vector<Json> out;
    out.reserve(events.size());
    for (const std::string& event : events) out.push_back(Json::parse(event));
    return out;
  }
  static std::string Joined(const std::vector<Json>& chunks, const char* field, int index = 0) {
    std::string text;
    for (const Json& chunk : chunks) {
      for (const Json& choice : chunk["choices"]) {
        if (choice["index"] == index) text += choice["delta"].value(field, "");
      }
    }
    return text;
  }

  const RequestLimits limits_;
  metrics::Registry registry_;
  Telemetry telemetry_{registry_, "fake"};
  Service service_;
  Probes probes_{service_, &registry_, R"({"version":"t"})"};
  Inference inference_{service_, telemetry_, limits_};
  std::unique_ptr<Gate> gate_ = std::make_unique<Gate>();
  std::unique_ptr<Api> api_;
  FakeEngine* engine_ = nullptr;
  std::unique_ptr<LoadedModel> model_;
  std::unique_ptr<http::Server> server_;
  std::string address_;
};

}  // namespace deepseek::agent
