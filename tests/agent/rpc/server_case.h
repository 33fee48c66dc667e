#pragma once
// A gRPC server with a scripted engine, and its client.

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "agent/rpc/server.h"
#include "base/strings.h"
#include "deepseek/v1/inference.grpc.pb.h"
#include "tests/support/agent/fake_agent.h"

namespace deepseek::agent::rpc {

constexpr char kHi[] = R"({"messages":[{"role":"user","content":"hi"}]})";
constexpr char kHiStreamed[] = R"({"messages":[{"role":"user","content":"hi"}],"stream":true})";

class ServerCase : public ::testing::Test {
 protected:
  void StartEngine(testing::FakeEngine::Options options) {
    auto engine = std::make_unique<testing::FakeEngine>(std::move(options));
    engine_ = engine.get();
    model_ = testing::FakeModel(std::move(engine));
    service_.Serve(model_.get());
  }
  void StartServer(Options options = {}) {
    options.address = "127.0.0.1:0";
    auto server = rpc::StartServer(std::move(options), inference_, gate_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    server_->SetServing(true);
  }
  void Start(std::string_view text, Options options = {}) {
    StartEngine(
        {.script = [ids = testing::BytesThenEos(text)](const engine::Request&) { return ids; }});
    StartServer(std::move(options));
  }
  ~ServerCase() override {
    if (model_) model_->engine->Drain(absl::Now());
    server_.reset();
  }

  std::shared_ptr<grpc::Channel> NewChannel(const std::shared_ptr<grpc::ChannelCredentials>&
                                                credentials = grpc::InsecureChannelCredentials()) {
    // A pool of its own: each channel is a connection.
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(server_->address(), credentials, arguments);
  }
  std::unique_ptr<v1::Inference::Stub> NewStub() { return v1::Inference::NewStub(NewChannel()); }

  static void Limit(grpc::ClientContext* context, absl::Duration timeout = absl::Seconds(20)) {
    context->set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  }
  /// What is streamed to a Chat with this body, and how it ended.
  static std::pair<std::vector<std::string>, grpc::Status> Chat(
      v1::Inference::Stub& stub, const std::string& body,
      const std::vector<std::pair<std::string, std::string>>& metadata = {}) {
    grpc::ClientContext context;
    Limit(&context);
    for (const auto& [name, value] : metadata) context.AddMetadata(name, value);
    v1::ChatRequest request;
    request.set_json(body);
    const auto reader = stub.Chat(&context, request);
    std::vector<std::string> pieces;
    for (v1::ChatResponse piece; reader->Read(&piece);) pieces.push_back(piece.json());
    return {std::move(pieces), reader->Finish()};
  }

  metrics::Registry registry_;
  Telemetry telemetry_{registry_, "fake"};
  Service service_;
  Inference inference_{service_, telemetry_, RequestLimits{.max_answers_per_key = 2}};
  Gate gate_;
  testing::FakeEngine* engine_ = nullptr;
  std::unique_ptr<LoadedModel> model_;
  std::unique_ptr<Server> server_;
};

}  // namespace deepseek::agent::rpc
