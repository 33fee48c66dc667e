#include "agent/rpc/server.h"

#include <grpcpp/generic/generic_stub.h>

#include <atomic>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <thread>

#include "base/json_full.h"
#include "tests/agent/rpc/server_case.h"
#include "tests/support/temp_dir.h"

namespace deepseek::agent::rpc {
namespace {

using testing::BytesThenEos;

class RpcTest : public ServerCase {
 protected:
  /// Everything that a Generate streams, joined.
  struct Generated {
    std::string text, finish_reason, request_id;
    v1::Usage usage;
    grpc::Status status;
  };
  static Generated Generate(v1::Inference::Stub& stub, const v1::GenerateRequest& request) {
    grpc::ClientContext context;
    Limit(&context);
    const auto reader = stub.Generate(&context, request);
    Generated out;
    for (v1::GenerateResponse piece; reader->Read(&piece);) {
      out.text += piece.text();
      if (!piece.finish_reason().empty()) out.finish_reason = piece.finish_reason();
      if (piece.has_usage()) out.usage = piece.usage();
    }
    out.status = reader->Finish();
    const auto& metadata = context.GetServerInitialMetadata();
    if (const auto id = metadata.find("x-request-id"); id != metadata.end())
      out.request_id = std::string(id->second.data(), id->second.size());
    return out;
  }
};

/// A unary call by name with raw bytes, for services whose stubs are not installed.
grpc::Status RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                     const std::string& request, std::string* answer) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
  grpc::CompletionQueue queue;
  void* tag = nullptr;
  bool ok = false;
  const auto call = stub.PrepareCall(&context, method, &queue);
  const auto step = [&] { queue.Next(&tag, &ok); };
  call->StartCall(nullptr);
  step();
  const grpc::Slice slice(request);
  if (ok) {
    call->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), nullptr);
    step();
    grpc::ByteBuffer buffer;
    call->Read(&buffer, nullptr);
    step();
    std::vector<grpc::Slice> slices;
    if (ok && buffer.Dump(&slices).ok()) {
      for (const grpc::Slice& s : slices)
        answer->append(reinterpret_cast<const char*>(s.begin()), s.size());
    }
  }
  grpc::Status status;
  call->Finish(&status, nullptr);
  step();
  queue.Shutdown();
  return status;
}

TEST_F(RpcTest, ChatIsTheJsonOfTheHttpApi) {
  Start("Paris");
  const auto stub = NewStub();
  const auto [whole, status] = Chat(*stub, kHi);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(whole.size(), 1);
  const Json answer = Json::parse(whole.front());
  EXPECT_EQ(answer["object"], "chat.completion");
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "Paris");
  EXPECT_EQ(answer["usage"]["completion_tokens"], 6);

  const auto [chunks, end] = Chat(*stub, kHiStreamed);
  ASSERT_TRUE(end.ok()) << end.error_message();
  std::string text;
  for (const std::string& chunk : chunks) {
    const Json json = Json::parse(chunk);
    EXPECT_EQ(json["object"], "chat.completion.chunk");
    text += json["choices"][0]["delta"].value("content", "");
  }
  EXPECT_EQ(text, "Paris");
  EXPECT_GT(chunks.size(), 5) << "piece by piece";
}

TEST_F(RpcTest, GenerateIsTyped) {
  Start("Paris");
  const auto stub = NewStub();
  v1::GenerateRequest request;
  request.set_text("hi");
  request.set_top_k(3);
  request.set_seed(11);
  request.mutable_context()->set_request_id("mine");
  request.mutable_context()->set_priority(5);
  const Generated got = Generate(*stub, request);
  ASSERT_TRUE(got.status.ok()) << got.status.error_message();
  EXPECT_EQ(got.text, "Paris");
  EXPECT_EQ(got.finish_reason, "stop");
  EXPECT_EQ(got.request_id, "mine");
  EXPECT_EQ(got.usage.prompt_tokens(), 2);
  EXPECT_EQ(got.usage.completion_tokens(), 6);
  EXPECT_EQ(got.usage.cached_tokens(), 1);
  const engine::Request seen = engine_->requests().back();
  EXPECT_EQ(seen.prompt, (std::vector<int32_t>{'h', 'i'}));
  EXPECT_EQ(seen.sampling.top_k, 3);
  EXPECT_EQ(seen.sampling.seed, 11);
  EXPECT_EQ(seen.priority, 5);

  request.clear_text();
  request.mutable_tokens()->add_ids('x');
  request.set_max_tokens(3);
  EXPECT_EQ(Generate(*stub, request).finish_reason, "length");
  EXPECT_EQ(engine_->requests().back().prompt, std::vector<int32_t>{'x'});
}

TEST_F(RpcTest, TokenizeAndModels) {
  Start("x");
  const auto stub = NewStub();
  grpc::ClientContext first, second;
  v1::TokenizeRequest request;
  request.set_text("ab");
  v1::TokenizeResponse tokens;
  ASSERT_TRUE(stub->Tokenize(&first, request, &tokens).ok());
  EXPECT_EQ(std::vector<int32_t>(tokens.ids().begin(), tokens.ids().end()),
            (std::vector<int32_t>{'a', 'b'}));
  EXPECT_EQ(tokens.max_context(), 1000);
  EXPECT_EQ(first.GetServerInitialMetadata().count("x-request-id"), 1U);
  v1::ModelsResponse models;
  ASSERT_TRUE(stub->Models(&second, {}, &models).ok());
  ASSERT_EQ(models.models_size(), 1);
  EXPECT_EQ(models.models(0).name(), "fake");
  EXPECT_EQ(models.models(0).family(), "fake");
}

TEST_F(RpcTest, ErrorsAreStatusesWithOpenAisObject) {
  Start("x");
  const auto stub = NewStub();
  const auto refused = [&](const std::string& body) { return Chat(*stub, body).second; };
  EXPECT_EQ(refused("{").error_code(), grpc::INVALID_ARGUMENT);
  const grpc::Status bad =
      refused(R"({"messages":[{"role":"user","content":"x"}],"temperature":9})");
  EXPECT_EQ(bad.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(Json::parse(bad.error_details())["error"]["param"], "temperature");
  EXPECT_EQ(refused(R"({"model":"other","messages":[{"role":"user","content":"x"}]})").error_code(),
            grpc::NOT_FOUND);
  EXPECT_EQ(Generate(*stub, {}).status.error_code(), grpc::INVALID_ARGUMENT) << "no prompt";
  v1::GenerateRequest cold;
  cold.set_text("x");
  cold.set_temperature(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(Generate(*stub, cold).status.error_code(), grpc::INVALID_ARGUMENT);
  service_.SetPhase(Phase::kRefusing);
  EXPECT_EQ(refused(kHi).error_code(), grpc::UNAVAILABLE);
  EXPECT_TRUE(engine_->requests().empty());
}

TEST_F(RpcTest, AnEnginesErrorEndsTheStream) {
  StartEngine({.script = [](const engine::Request&) { return BytesThenEos("abc"); },
               .error = absl::InternalError("boom")});
  StartServer();
  const auto [pieces, status] = Chat(*NewStub(), kHiStreamed);
  EXPECT_EQ(status.error_code(), grpc::INTERNAL);
  EXPECT_EQ(status.error_message().find("boom"), std::string::npos) << "inner messages stay inside";
}

TEST_F(RpcTest, AnExceptionEndsItsCallOnly) {
  std::atomic<bool> fails = true;
  StartEngine({.script = [&](const engine::Request&) {
    if (fails) throw std::runtime_error("a secret");
    return BytesThenEos("x");
  }});
  StartServer();
  const auto stub = NewStub();
  for (const char* body : {kHi, kHiStreamed}) {
    const grpc::Status status = Chat(*stub, body).second;
    EXPECT_EQ(status.error_code(), grpc::INTERNAL) << body;
    EXPECT_EQ(status.error_message().find("secret"), std::string::npos);
  }
  fails = false;
  EXPECT_TRUE(Chat(*stub, kHi).second.ok());
}

TEST_F(RpcTest, ACancelledCallGivesItsPlaceBack) {
  StartEngine({.script = [](const engine::Request&) { return std::vector<int32_t>{'x'}; },
               .max_context = 1 << 30});
  StartServer();
  const auto stub = NewStub();
  grpc::ClientContext context;
  v1::ChatRequest request;
  request.set_json(
      R"({"messages":[{"role":"user","content":"hi"}],"stream":true,"max_tokens":100000000})");
  const auto reader = stub->Chat(&context, request);
  v1::ChatResponse piece;
  ASSERT_TRUE(reader->Read(&piece));
  context.TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::CANCELLED);
  EXPECT_TRUE(engine_->WaitUntil([](const engine::Stats& s) { return s.running == 0; }));
  EXPECT_EQ(engine_->cancelled(), 1);
}

TEST_F(RpcTest, DeadlinesReachTheEngineAndFreeTheSlot) {
  StartEngine({.script = [](const engine::Request&) { return BytesThenEos("x"); }, .held = true});
  StartServer();
  const auto stub = NewStub();
  grpc::ClientContext context;
  Limit(&context, absl::Milliseconds(200));
  v1::ChatRequest request;
  request.set_json(kHi);
  const auto reader = stub->Chat(&context, request);
  v1::ChatResponse piece;
  EXPECT_FALSE(reader->Read(&piece));
  EXPECT_EQ(reader->Finish().error_code(), grpc::DEADLINE_EXCEEDED);
  EXPECT_TRUE(engine_->WaitUntil([](const engine::Stats& s) { return s.running == 0; }));
  EXPECT_LT(engine_->requests().back().deadline, absl::Now() + absl::Seconds(1));

  grpc::ClientContext typed;
  request.mutable_context()->mutable_deadline()->set_seconds(4102444800);  // 2100
  engine_->Release();
  const auto second = stub->Chat(&typed, request);
  while (second->Read(&piece)) {
  }
  EXPECT_TRUE(second->Finish().ok());
  EXPECT_EQ(engine_->requests().back().deadline, absl::FromUnixSeconds(4102444800));
}

TEST_F(RpcTest, KeysAreAskedForEverywhereButHealth) {
  const TempDir dir("rpc_test");
  const std::string path = (dir / "keys").string();
  std::ofstream(path) << auth::HashOfKey("alice-key") << " alice tenant=acme\n"
                      << auth::HashOfKey("root-key") << " root\n"
                      << auth::HashOfKey("scraper-key") << " scraper roles=metrics\n";
  gate_ = Gate(*auth::ApiKeyFile::Open(path));
  Start("Paris");
  const auto stub = NewStub();
  const auto code = [&](const std::vector<std::pair<std::string, std::string>>& metadata) {
    return Chat(*stub, kHi, metadata).second.error_code();
  };
  EXPECT_EQ(code({{"authorization", "Bearer alice-key"}}), grpc::OK);
  EXPECT_EQ(code({}), grpc::UNAUTHENTICATED);
  EXPECT_EQ(code({{"authorization", "Bearer nobody"}}), grpc::UNAUTHENTICATED);
  EXPECT_EQ(code({{"authorization", "Bearer nobody"}, {"authorization", "Bearer alice-key"}}),
            grpc::UNAUTHENTICATED);
  EXPECT_EQ(code({{"authorization", "Bearer scraper-key"}}), grpc::PERMISSION_DENIED);
  EXPECT_EQ(Generate(*stub, {}).status.error_code(), grpc::UNAUTHENTICATED);
  grpc::ClientContext first, second;
  v1::TokenizeResponse tokens;
  v1::ModelsResponse models;
  EXPECT_EQ(stub->Tokenize(&first, {}, &tokens).error_code(), grpc::UNAUTHENTICATED);
  EXPECT_EQ(first.GetServerInitialMetadata().count("x-request-id"), 1U);
  EXPECT_EQ(stub->Models(&second, {}, &models).error_code(), grpc::UNAUTHENTICATED);
  std::string answer;
  EXPECT_TRUE(RawCall(NewChannel(), "/grpc.health.v1.Health/Check", "", &answer).ok());

  for (const auto& [key, tenant, expected] :
       std::vector<std::tuple<std::string, std::string, grpc::StatusCode>>{
           {"alice-key", "acme", grpc::OK},
           {"alice-key", "other", grpc::PERMISSION_DENIED},
           {"root-key", "other", grpc::OK}}) {
    grpc::ClientContext context;
    context.AddMetadata("authorization", StrCat("Bearer ", key));
    v1::ChatRequest request;
    request.set_json(kHi);
    request.mutable_context()->set_tenant(tenant);
    const auto reader = stub->Chat(&context, request);
    v1::ChatResponse piece;
    while (reader->Read(&piece)) {
    }
    EXPECT_EQ(reader->Finish().error_code(), expected) << key << " " << tenant;
  }
}

TEST_F(RpcTest, HealthFollowsReadinessAndReflectionTellsTheServices) {
  Start("x");
  const auto channel = NewChannel();
  const auto health = [&](const std::string& request) {
    std::string answer;
    EXPECT_TRUE(RawCall(channel, "/grpc.health.v1.Health/Check", request, &answer).ok());
    return answer;
  };
  // HealthCheckRequest.service is field 1; HealthCheckResponse.status field 1: 1 SERVING, 2 not.
  const std::string name = "deepseek.v1.Inference";
  const std::string named = StrCat("\x0a", std::string(1, static_cast<char>(name.size())), name);
  EXPECT_EQ(health(""), std::string("\x08\x01"));
  EXPECT_EQ(health(named), std::string("\x08\x01"));
  server_->SetServing(false);
  EXPECT_EQ(health(""), std::string("\x08\x02"));
  EXPECT_EQ(health(named), std::string("\x08\x02"));
  std::string services;  // ServerReflectionRequest.list_services is field 7
  RawCall(channel, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
          std::string("\x3a\x00", 2), &services);
  EXPECT_NE(services.find("deepseek.v1.Inference"), std::string::npos);
  EXPECT_NE(services.find("grpc.health.v1.Health"), std::string::npos);
}

TEST_F(RpcTest, TooLargeMessagesAndMetadataAreRefused) {
  Start("x", {.message_bytes = 100'000, .metadata_bytes = 8192});
  const auto stub = NewStub();
  EXPECT_EQ(Chat(*stub, std::string(200'000, ' ')).second.error_code(), grpc::RESOURCE_EXHAUSTED);
  // Its own connection may end with it.
  EXPECT_FALSE(Chat(*NewStub(), kHi, {{"x-bomb", std::string(20'000, 'x')}}).second.ok());
  const grpc::Status after = Chat(*stub, kHi).second;
  EXPECT_TRUE(after.ok()) << "others are served, got " << after.error_code() << " "
                          << after.error_message();
  EXPECT_EQ(engine_->requests().size(), 1);
}

TEST_F(RpcTest, OneKeyHasNoMoreThanItsAnswersInProgress) {
  const TempDir dir{"rpc_limits_test"};
  const std::string path = (dir / "keys").string();
  std::ofstream(path) << auth::HashOfKey("a") << " alice\n" << auth::HashOfKey("b") << " bob\n";
  gate_ = Gate(*auth::ApiKeyFile::Open(path));
  StartEngine({.script = [](const engine::Request&) { return BytesThenEos("x"); }, .held = true});
  StartServer();
  const auto stub = NewStub();
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer a");
  v1::ChatRequest request;
  request.set_json(R"({"messages":[{"role":"user","content":"hi"}],"n":2})");
  const auto reader = stub->Chat(&context, request);
  ASSERT_TRUE(engine_->WaitUntil([](const engine::Stats& s) { return s.running == 2; }));
  const grpc::Status refused = Chat(*stub, kHi, {{"authorization", "Bearer a"}}).second;
  EXPECT_EQ(refused.error_code(), grpc::RESOURCE_EXHAUSTED);
  EXPECT_NE(refused.error_message().find("--max-requests-per-key"), std::string::npos);
  engine_->Release();
  EXPECT_TRUE(Chat(*stub, kHi, {{"authorization", "Bearer b"}}).second.ok());
  v1::ChatResponse piece;
  while (reader->Read(&piece)) {
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_TRUE(Chat(*stub, kHi, {{"authorization", "Bearer a"}}).second.ok());
}

TEST_F(RpcTest, TooManyCallsAreRefusedAtOnce) {
  StartEngine({.script = [](const engine::Request&) { return BytesThenEos("x"); }, .held = true});
  StartServer({.max_calls = 1});
  const auto stub = NewStub();
  grpc::ClientContext context;
  v1::ChatRequest request;
  request.set_json(kHi);
  const auto reader = stub->Chat(&context, request);
  ASSERT_TRUE(engine_->WaitUntil([](const engine::Stats& s) { return s.running == 1; }));
  EXPECT_EQ(Chat(*stub, kHi).second.error_code(), grpc::RESOURCE_EXHAUSTED);
  engine_->Release();
  v1::ChatResponse piece;
  while (reader->Read(&piece)) {
  }
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(RpcTest, WhoDoesNotReadIsCutOff) {
  StartEngine({.script = [](const engine::Request&) { return std::vector<int32_t>{'x'}; },
               .max_context = 1 << 30});
  StartServer({.max_buffered_bytes = 4096});
  const auto stub = NewStub();
  grpc::ClientContext context;
  v1::ChatRequest request;
  request.set_json(
      R"({"messages":[{"role":"user","content":"hi"}],"stream":true,"max_tokens":100000000})");
  const auto reader = stub->Chat(&context, request);
  EXPECT_TRUE(
      engine_->WaitUntil([](const engine::Stats& s) { return s.steps > 0 && s.running == 0; }));
  v1::ChatResponse piece;
  while (reader->Read(&piece)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::CANCELLED);
}

TEST_F(RpcTest, ADrainLosesNoAnswerAndRefusesNewCalls) {
  StartEngine(
      {.script = [](const engine::Request&) { return BytesThenEos("Paris"); }, .held = true});
  StartServer();
  // Several connections, each with a call of its own that is the last one there.
  constexpr int kCalls = 8;
  std::vector<std::unique_ptr<v1::Inference::Stub>> stubs;
  std::vector<std::thread> running;
  std::atomic<int> whole = 0;
  for (int i = 0; i < kCalls; ++i) {
    stubs.push_back(NewStub());
    running.emplace_back([&whole, stub = stubs.back().get()] {
      const auto [pieces, status] = Chat(*stub, kHi);
      EXPECT_TRUE(status.ok()) << status.error_code() << " " << status.error_message();
      whole += pieces.size() == 1 ? 1 : 0;
    });
  }
  ASSERT_TRUE(engine_->WaitUntil([](const engine::Stats& s) { return s.running == kCalls; }));
  server_->SetServing(false);
  service_.SetPhase(Phase::kDraining);
  // Still taken, on an old connection.
  running.emplace_back([&] { EXPECT_TRUE(Chat(*stubs.front(), kHi).second.ok()); });
  ASSERT_TRUE(engine_->WaitUntil([](const engine::Stats& s) { return s.running == kCalls + 1; }));
  service_.SetPhase(Phase::kRefusing);
  EXPECT_EQ(Chat(*stubs.front(), kHi).second.error_code(), grpc::UNAVAILABLE);
  EXPECT_EQ(Chat(*NewStub(), kHi).second.error_code(), grpc::UNAVAILABLE);
  std::thread release([this] { engine_->Release(); });
  EXPECT_EQ(server_->Stop(absl::Now() + absl::Seconds(20)), 0);
  release.join();
  for (std::thread& thread : running) thread.join();
  EXPECT_EQ(whole, kCalls);
  EXPECT_EQ(Chat(*NewStub(), kHi).second.error_code(), grpc::UNAVAILABLE) << "nobody listens";
}

TEST_F(RpcTest, StopCutsAtItsDeadlineAndCounts) {
  StartEngine({.script = [](const engine::Request&) { return BytesThenEos("x"); }, .held = true});
  StartServer();
  const auto stub = NewStub();
  grpc::ClientContext context;
  v1::ChatRequest request;
  request.set_json(kHi);
  const auto cut = stub->Chat(&context, request);
  ASSERT_TRUE(engine_->WaitUntil([](const engine::Stats& s) { return s.running == 1; }));
  EXPECT_EQ(server_->Stop(absl::Now()), 1);
  EXPECT_FALSE(cut->Finish().ok());
  EXPECT_TRUE(engine_->WaitUntil([](const engine::Stats& s) { return s.running == 0; }));
}

TEST(RpcServer, MalformedAddresses) {
  metrics::Registry registry;
  Telemetry telemetry(registry, "x");
  Service service;
  Inference inference(service, telemetry, {});
  const Gate gate;
  Options options;
  options.address = "nonsense";
  EXPECT_EQ(StartServer(options, inference, gate).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace deepseek::agent::rpc
