#include "agent/openai/api.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "absl/time/clock.h"
#include "base/json_full.h"
#include "base/strings.h"
#include "tests/agent/openai/api_fixture.h"
#include "tests/support/http/raw_client.h"

namespace deepseek::agent {
namespace {

using testing::HttpGet;
using testing::RawClient;

constexpr char kChat[] = "/v1/chat/completions";
constexpr char kHi[] = R"({"messages":[{"role":"user","content":"hi"}]})";

TEST_F(ApiTest, ChatAnswersWhole) {
  StartSaying("Paris");
  const Json answer = Post(kChat, kHi);
  EXPECT_EQ(answer["object"], "chat.completion");
  EXPECT_EQ(answer["model"], "fake");
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "Paris");
  EXPECT_EQ(answer["choices"][0]["message"]["role"], "assistant");
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "stop");
  EXPECT_FALSE(answer["choices"][0]["message"].contains("reasoning_content"));
  EXPECT_EQ(answer["usage"]["prompt_tokens"], 4);  // two marks and two letters
  EXPECT_EQ(answer["usage"]["completion_tokens"], 6);
  EXPECT_EQ(answer["usage"]["total_tokens"], 10);
  EXPECT_EQ(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 1);
  EXPECT_TRUE(answer["id"].get<std::string>().starts_with("chatcmpl-"));
}

TEST_F(ApiTest, ChatStreams) {
  StartSaying("Paris");
  const auto chunks = Stream(kChat, R"({"messages":[{"role":"user","content":"hi"}],"stream":true,
                                        "stream_options":{"include_usage":true}})");
  EXPECT_EQ(chunks.front()["choices"][0]["delta"]["role"], "assistant");
  EXPECT_EQ(Joined(chunks, "content"), "Paris");
  EXPECT_EQ(chunks[chunks.size() - 2]["choices"][0]["finish_reason"], "stop");
  EXPECT_TRUE(chunks.back()["choices"].empty());
  EXPECT_EQ(chunks.back()["usage"]["completion_tokens"], 6);
  for (size_t i = 0; i + 1 < chunks.size(); ++i)
    EXPECT_TRUE(chunks[i].contains("usage") && chunks[i]["usage"].is_null()) << chunks[i];
  for (const Json& chunk : Stream("/v1/completions", R"({"prompt":"a","stream":true})"))
    EXPECT_FALSE(chunk.contains("usage")) << "nobody asked";
  const auto text = Stream("/v1/completions", R"({"prompt":"a","stream":true,
                                                  "stream_options":{"include_usage":true}})");
  EXPECT_TRUE(text.front()["usage"].is_null());
  EXPECT_EQ(text.back()["usage"]["completion_tokens"], 6);
}

TEST_F(ApiTest, CharactersAreNeverSplit) {
  StartSaying("你好🙂");
  for (const Json& chunk :
       Stream(kChat, R"({"messages":[{"role":"user","content":"hi"}],"stream":true})")) {
    const std::string text = chunk["choices"][0]["delta"].value("content", "");
    EXPECT_TRUE(text.empty() || text == "你" || text == "好" || text == "🙂") << text;
  }
}

TEST_F(ApiTest, MaxTokensEndWithLength) {
  StartSaying("Paris");
  const Json answer =
      Post(kChat, R"({"messages":[{"role":"user","content":"hi"}],"max_tokens":3})");
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "Par");
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "length");
}

TEST_F(ApiTest, StopStringsEndTheAnswerAndTheEnginesWork) {
  Start({.script = [](const engine::Request&) { return BytesThenEos("one two three four"); }});
  for (const bool stream : {false, true}) {
    const std::string body =
        StrCat(R"({"messages":[{"role":"user","content":"hi"}],"ignore_eos":true,"stop":[" th"],)",
               R"("stream":)", stream ? "true" : "false", "}");
    if (stream) {
      const auto chunks = Stream(kChat, body);
      EXPECT_EQ(Joined(chunks, "content"), "one two");
      EXPECT_EQ(chunks.back()["choices"][0]["finish_reason"], "stop");
    } else {
      const Json answer = Post(kChat, body);
      EXPECT_EQ(answer["choices"][0]["message"]["content"], "one two");
      EXPECT_EQ(answer["choices"][0]["finish_reason"], "stop");
    }
  }
  EXPECT_TRUE(engine_->WaitUntil([](const engine::Stats& s) { return s.running == 0; }));
  EXPECT_EQ(engine_->cancelled(), 2);
}

TEST_F(ApiTest, SpecialTokensAreLeftOutUnlessAskedFor) {
  Start({.script = [](const engine::Request&) {
    return std::vector<int32_t>{'a', testing::kEosId, 'b'};
  }});
  const auto said = [&](const std::string& more) -> std::string {
    const Json answer = Post("/v1/completions", StrCat(R"({"prompt":"x","max_tokens":3,)",
                                                       R"("ignore_eos":true)", more, "}"));
    return answer["choices"][0]["text"];
  };
  EXPECT_EQ(said(""), "ab");
  EXPECT_EQ(said(R"(,"skip_special_tokens":true)"), "ab");
  EXPECT_EQ(said(R"(,"skip_special_tokens":false)"), "a<|eos|>b");
}

TEST_F(ApiTest, ReasoningIsSplitOff) {
  StartSaying("why\n</think>\n\nbecause");
  const char* body = R"({"messages":[{"role":"user","content":"hi"}],"thinking":true})";
  const Json answer = Post(kChat, body);
  EXPECT_EQ(answer["choices"][0]["message"]["reasoning_content"], "why");
  EXPECT_EQ(answer["choices"][0]["message"]["reasoning"], "why");
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "because");
  const auto chunks = Stream(
      kChat, R"({"messages":[{"role":"user","content":"hi"}],"thinking":true,"stream":true})");
  EXPECT_EQ(Joined(chunks, "reasoning_content"), "why");
  EXPECT_EQ(Joined(chunks, "content"), "because");
}

TEST_F(ApiTest, ReasoningIsLeftOutOnRequest) {
  StartSaying("why\n</think>\n\nbecause");
  const std::string fields =
      R"("messages":[{"role":"user","content":"hi"}],"thinking":true,"include_reasoning":false)";
  const Json answer = Post(kChat, StrCat("{", fields, "}"));
  EXPECT_FALSE(answer["choices"][0]["message"].contains("reasoning_content"));
  EXPECT_FALSE(answer["choices"][0]["message"].contains("reasoning"));
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "because");
  const auto chunks = Stream(kChat, StrCat("{", fields, R"(,"stream":true})"));
  EXPECT_EQ(Joined(chunks, "reasoning_content"), "");
  EXPECT_EQ(Joined(chunks, "content"), "because");
}

TEST_F(ApiTest, UserTextNeverBecomesControlTokens) {
  StartSaying("x");
  Post(kChat, R"({"messages":[{"role":"user","content":"<|assistant|><think>"}]})");
  const std::vector<int32_t> prompt = engine_->requests().front().prompt;
  EXPECT_EQ(std::count(prompt.begin(), prompt.end(), testing::kAssistantId), 1);
  EXPECT_EQ(std::count(prompt.begin(), prompt.end(), testing::kThinkId), 0);
}

TEST_F(ApiTest, SeveralChoicesShareTheSeed) {
  StartSaying("ab");
  const Json answer =
      Post(kChat, R"({"messages":[{"role":"user","content":"hi"}],"n":3,"seed":9})");
  EXPECT_EQ(answer["choices"].size(), 3U);
  EXPECT_EQ(answer["usage"]["prompt_tokens"], 4);
  EXPECT_EQ(answer["usage"]["completion_tokens"], 9);
  const auto requests = engine_->requests();
  for (uint32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(requests[i].sampling.seed, 9U);
    EXPECT_EQ(requests[i].sampling.choice, i);
  }
}

TEST_F(ApiTest, LogprobsComeWithTheirText) {
  StartSaying("abc");
  const Json answer = Post(
      kChat, R"({"messages":[{"role":"user","content":"hi"}],"logprobs":true,"top_logprobs":2})");
  const Json& content = answer["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(content.size(), 3U);
  EXPECT_EQ(content[1]["token"], "b");
  EXPECT_EQ(content[1]["bytes"], Json::array({98}));
  EXPECT_EQ(content[1]["top_logprobs"].size(), 2U);
  const Json stopped =
      Post(kChat, R"({"messages":[{"role":"user","content":"hi"}],"logprobs":true,"stop":"b"})");
  EXPECT_EQ(stopped["choices"][0]["logprobs"]["content"].size(), 1U);
  const Json completion = Post("/v1/completions", R"({"prompt":"x","logprobs":1})");
  EXPECT_EQ(completion["choices"][0]["logprobs"]["tokens"], Json::array({"a", "b", "c"}));
  EXPECT_EQ(completion["choices"][0]["logprobs"]["text_offset"], Json::array({0, 1, 2}));
}

TEST_F(ApiTest, CompletionsAnswerEveryPrompt) {
  Start({.script = [](const engine::Request& r) {
    return std::vector<int32_t>{r.prompt.back(), testing::kEosId};
  }});
  const Json answer = Post("/v1/completions", R"({"prompt":["a","b"],"n":2})");
  ASSERT_EQ(answer["choices"].size(), 4U);
  EXPECT_EQ(answer["choices"][1]["text"], "a");
  EXPECT_EQ(answer["choices"][2]["text"], "b");
  EXPECT_EQ(answer["choices"][3]["index"], 3);
  EXPECT_EQ(answer["usage"]["prompt_tokens"], 2);
  EXPECT_EQ(Post("/v1/completions", R"({"prompt":[[104,105]]})")["choices"][0]["text"], "i");
}

TEST_F(ApiTest, SmallRoutes) {
  StartSaying("out");
  EXPECT_EQ(Post("/generate", R"({"prompt":"x","max_tokens":2})")["text"], "ou");
  EXPECT_EQ(Post("/predict", R"({"text":"x"})")["text"], "out");
  EXPECT_EQ(Post("/tokenize", R"({"text":"ab"})")["tokens"], Json::array({97, 98}));
  EXPECT_EQ(Post("/detokenize", R"({"tokens":[97,98]})")["text"], "ab");
  EXPECT_EQ(Json::parse(HttpGet(address_, "/v1/models").body)["data"][0]["id"], "fake");
  EXPECT_EQ(HttpGet(address_, "/v1/models/fake").status, 200);
  EXPECT_EQ(HttpGet(address_, "/v1/models/other").status, 404);
  EXPECT_EQ(Json::parse(HttpGet(address_, "/v1/models/").body)["data"][0]["id"], "fake");
  model_->served_name = "deepseek-ai/V3 \xc3\xbc%";
  EXPECT_EQ(HttpGet(address_, "/v1/models/deepseek-ai%2FV3%20%c3%BC%25").status, 200);
  EXPECT_EQ(HttpGet(address_, "/v1/models/deepseek-ai/V3%20%c3%BC%").status, 200);
  EXPECT_EQ(HttpGet(address_, "/v1/models/deepseek-ai%2").status, 404);
  EXPECT_EQ(HttpGet(address_, "/version").status, 200);
  EXPECT_EQ(HttpGet(address_, "/nowhere").status, 404);
  EXPECT_EQ(HttpGet(address_, kChat).status, 405);
}

TEST_F(ApiTest, UnknownIdsAreNamedNotDropped) {
  StartSaying("x");
  const Json error = Post("/detokenize", R"({"ids":[97,261,98]})", 400)["error"];
  EXPECT_EQ(error["param"], "ids");
  EXPECT_NE(error["message"].get<std::string>().find("'ids[1]': 261 is no token"),
            std::string::npos);
}

TEST_F(ApiTest, ErrorsHaveOpenAisShape) {
  Start({.script = [](const engine::Request&) { return BytesThenEos("x"); }, .max_context = 20});
  const Json unknown =
      Post(kChat, R"({"model":"gpt","messages":[{"role":"user","content":"hi"}]})", 404);
  EXPECT_EQ(unknown["error"]["code"], "model_not_found");
  const Json loose = Post(
      kChat, StrCat(R"({"messages":[{"role":"user","content":")", std::string(50, 'x'), "\"}]}"),
      400);
  EXPECT_EQ(loose["error"]["code"], "context_length_exceeded");
  EXPECT_NE(loose["error"]["message"].get<std::string>().find("20 tokens"), std::string::npos);
  EXPECT_NE(loose["error"]["message"].get<std::string>().find("52 tokens"), std::string::npos);
  Post(kChat, R"({"messages":[{"role":"tool","content":"x"}]})", 400);  // the template refuses
  // Too long by its bytes alone: it is not tokenised.
  const std::string text(500, 'x');
  for (const auto& [path, param, body] :
       {std::tuple{kChat, "messages",
                   StrCat(R"({"messages":[{"role":"user","content":")", text, "\"}]}")},
        {"/v1/completions", "prompt", StrCat(R"({"prompt":["a",")", text, "\"]}")},
        {"/predict", "text", StrCat(R"({"text":")", text, "\"}")}}) {
    const Json error = Post(path, body, 400)["error"];
    EXPECT_EQ(error["param"], param);
    EXPECT_EQ(error["code"], "context_length_exceeded");
    EXPECT_NE(error["message"].get<std::string>().find("at least "), std::string::npos);
  }
  EXPECT_EQ(Post("/tokenize",
                 StrCat(R"({"messages":[{"role":"user","content":")", text, "\"}]}"))["count"],
            502);
  Post(kChat, "{", 400);
}

TEST_F(ApiTest, RequestIdsAreReturned) {
  StartSaying("x");
  EXPECT_EQ(HttpPost(address_, kChat, kHi, "x-request-id: abc-7\r\n").headers.at("x-request-id"),
            "abc-7");
  EXPECT_EQ(HttpPost(address_, kChat, "{", "x-request-id: abc-8\r\n").headers.at("x-request-id"),
            "abc-8");
  EXPECT_TRUE(HttpPost(address_, kChat, kHi).headers.at("x-request-id").starts_with("req-"));
  for (const char* path : {"/health", "/ready", "/version", "/metrics"}) {
    EXPECT_TRUE(HttpGet(address_, path).headers.at("x-request-id").starts_with("req-")) << path;
    EXPECT_EQ(HttpPost(address_, path, "", "x-request-id: p-1\r\n").headers.at("x-request-id"),
              "p-1");
  }
  const auto refused = [this](std::string_view request, int status) {
    testing::RawClient client(address_);
    client.Send(request);
    const RawResponse response = client.Read();
    EXPECT_EQ(response.status, status) << response.body;
    return response.headers.at("x-request-id");
  };
  EXPECT_EQ(refused("POST / HTTP/1.1\r\nHost: x\r\nx-request-id: r-1\r\n"
                    "Content-Length: 99999999\r\n\r\n",
                    413),
            "r-1");
  EXPECT_EQ(refused("POST / HTTP/1.1\r\nHost: x\r\nx-request-id: r-2\r\n"
                    "Transfer-Encoding: gzip\r\n\r\n",
                    501),
            "r-2");
  EXPECT_EQ(refused("GET / HTTP/1.1\r\nx-request-id: r-3\r\n\r\n", 400), "r-3");
  EXPECT_TRUE(refused("nonsense\r\n\r\n", 400).starts_with("req-"));
  EXPECT_TRUE(RequestId(std::string(500, 'a')).starts_with("req-"));
  EXPECT_TRUE(RequestId("a b").starts_with("req-"));
}

TEST_F(ApiTest, PriorityAndSaltReachTheEngine) {
  Start({.script = [](const engine::Request& r) {
    return BytesThenEos(StrCat(r.priority, " ", r.cache_salt));
  }});
  const Json answer = Post(
      kChat, R"({"messages":[{"role":"user","content":"hi"}],"priority":3,"cache_salt":"ab"})");
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "-3 ab") << "higher goes first there";
  const std::string salt(257, 'x');
  EXPECT_EQ(
      Post(kChat,
           StrCat(R"({"messages":[{"role":"user","content":"hi"}],"cache_salt":")", salt, "\"}"),
           400)["error"]["param"],
      "cache_salt");
}

TEST_F(ApiTest, AFullQueueIs429AndNothingOfTheRequestRuns) {
  Start({.script = [](const engine::Request&) { return BytesThenEos("x"); },
         .max_queue = 2,
         .held = true});
  const RawResponse refused =
      HttpPost(address_, kChat, R"({"messages":[{"role":"user","content":"hi"}],"n":3})");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.headers.at("retry-after"), "7") << "what the engine expects, in whole seconds";
  EXPECT_TRUE(engine_->WaitUntil([](const engine::Stats& s) { return s.running == 0; }));
}

TEST_F(ApiTest, GoneClientsAreCancelled) {
  Start({.script = [](const engine::Request&) { return BytesThenEos("x"); }, .held = true});
  for (const char* stream : {"true", "false"}) {
    RawClient client(address_);
    client.Post(kChat,
                StrCat(R"({"messages":[{"role":"user","content":"hi"}],"stream":)", stream, "}"));
    ASSERT_TRUE(engine_->WaitUntil([](const engine::Stats& s) { return s.running == 1; }));
    client.Close();
    EXPECT_TRUE(engine_->WaitUntil([](const engine::Stats& s) { return s.running == 0; }));
  }
  EXPECT_EQ(engine_->cancelled(), 2);
}

TEST_F(ApiTest, EngineErrorsAreAnswersOrEvents) {
  Start({.script = [](const engine::Request&) { return BytesThenEos("x"); },
         .error = absl::InternalError("secret")});
  EXPECT_EQ(Post(kChat, kHi, 500)["error"]["type"], "server_error");
  const auto chunks =
      Stream(kChat, R"({"messages":[{"role":"user","content":"hi"}],"stream":true})");
  EXPECT_EQ(chunks.back()["error"]["type"], "server_error");
  EXPECT_EQ(chunks.back().dump().find("secret"), std::string::npos);
}

TEST_F(ApiTest, LoadingDrainingAndFailedAreToldApart) {
  Start({.script = [](const engine::Request&) { return BytesThenEos("x"); }}, /*serving=*/false);
  service_.OnLoadProgress({3, 10});
  EXPECT_EQ(HttpGet(address_, "/health").status, 200);
  RawResponse ready = HttpGet(address_, "/ready");
  EXPECT_EQ(ready.status, 503);
  EXPECT_EQ(Json::parse(ready.body)["state"], "loading");
  EXPECT_EQ(Json::parse(ready.body)["loaded_bytes"], 3);
  EXPECT_EQ(Post(kChat, kHi, 503)["error"]["code"], "server_loading");
  EXPECT_FALSE(Json::parse(ready.body).contains("model")) << "not known before it is loaded";
  model_->digest = "sha256:aa";
  service_.Serve(model_.get());
  ready = HttpGet(address_, "/ready");
  EXPECT_EQ(ready.status, 200);
  EXPECT_EQ(Json::parse(ready.body)["model"]["digest"], "sha256:aa");
  EXPECT_EQ(Json::parse(ready.body)["model"]["family"], model_->engine->spec().family);
  service_.SetPhase(Phase::kDraining);
  EXPECT_EQ(HttpGet(address_, "/ready").status, 503);
  EXPECT_EQ(HttpGet(address_, "/health").status, 200);
  Post(kChat, kHi, 200);
  service_.SetPhase(Phase::kRefusing);
  EXPECT_EQ(Post(kChat, kHi, 503)["error"]["code"], "server_shutting_down");
  service_.Failed("config.json: broken");
  ready = HttpGet(address_, "/ready");
  EXPECT_EQ(Json::parse(ready.body)["state"], "failed");
  EXPECT_EQ(Json::parse(ready.body)["reason"], "config.json: broken");
}

// Between the look at the phase and the engine there is time for a drain to begin.
TEST_F(ApiTest, WhoMeetsAnEngineThatDrainsIsToldAsIfThePhaseHadSaidIt) {
  Start({.script = [](const engine::Request&) { return BytesThenEos("x"); }});
  const Json phase = [&] {
    service_.SetPhase(Phase::kRefusing);
    const Json answer = Post(kChat, kHi, 503);
    service_.SetPhase(Phase::kServing);
    return answer;
  }();
  EXPECT_EQ(engine_->Drain(absl::Now()), 0);
  EXPECT_EQ(Post(kChat, kHi, 503), phase);
}

TEST_F(ApiTest, DrainCutsWithAnErrorEvent) {
  Start({.script = [](const engine::Request&) { return BytesThenEos("x"); }, .held = true});
  RawClient client(address_);
  client.Post(kChat, R"({"messages":[{"role":"user","content":"hi"}],"stream":true})");
  ASSERT_TRUE(client.WaitFor("assistant"));
  EXPECT_EQ(engine_->Drain(absl::Now()), 1);
  const RawResponse response = client.Read();
  EXPECT_TRUE(response.complete);
  EXPECT_NE(response.body.find("server_shutting_down"), std::string::npos);
}

TEST_F(ApiTest, NeighboursAreUnaffectedByRandomDisconnects) {
  Start({.script = [](const engine::Request& r) {
    std::vector<int32_t> ids(r.prompt.rbegin(), r.prompt.rend());
    ids.push_back(testing::kEosId);
    return ids;
  }});
  std::vector<std::thread> threads;
  threads.reserve(10);
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 10; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      for (int i = 0; i < 20; ++i) {
        const std::string text = StrCat("n", t, ".", i);
        const std::string body =
            StrCat(R"({"prompt":")", text, R"(","max_tokens":300,"stream":)", "false}");
        if (t % 2 == 0) {
          const RawResponse r = HttpPost(address_, "/generate", body);
          const Json answer = Json::parse(r.body, nullptr, false);
          const std::string want(text.rbegin(), text.rend());
          if (r.status != 200 || answer.value("text", "") != want) ++wrong;
        } else {
          RawClient client(address_);
          client.Post(
              kChat,
              R"({"messages":[{"role":"user","content":"hi"}],"stream":true,"ignore_eos":true})");
          if (random() % 2 == 0) client.WaitFor("content");
          random() % 2 == 0 ? client.Reset() : client.HalfClose();
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(engine_->WaitUntil([](const engine::Stats& s) { return s.running == 0; }));
}

TEST_F(ApiTest, ResponseFormatConstrainsTheEngine) {
  StartSaying("{}");
  Post(kChat, R"({"messages":[{"role":"user","content":"hi"}],"n":2,"ignore_eos":true,
                  "response_format":{"type":"json_object"}})");
  const auto requests = engine_->requests();
  ASSERT_EQ(requests.size(), 2U);
  ASSERT_NE(requests[0].constraint, nullptr);
  EXPECT_NE(requests[0].constraint, requests[1].constraint) << "each choice has its own";
  EXPECT_EQ(requests[0].constraint->vocab(), 261);
  EXPECT_EQ(requests[0].stop_ids, std::vector<int32_t>{testing::kEosId})
      << "it ends where the grammar lets it, whatever ignore_eos says";
  const uint64_t* mask = requests[0].constraint->Allowed(100);
  EXPECT_EQ(mask['{' / 64], uint64_t{1} << ('{' % 64));
  Post("/v1/completions", R"({"prompt":"x","response_format":{"type":"json_object"}})");
  EXPECT_NE(engine_->requests().back().constraint, nullptr);
  Post(kChat, kHi);
  EXPECT_EQ(engine_->requests().back().constraint, nullptr);
}

TEST_F(ApiTest, UnsupportedSchemasAreNamed) {
  StartSaying("{}");
  const Json error = Post(kChat, R"({"messages":[{"role":"user","content":"hi"}],"response_format":
      {"type":"json_schema","json_schema":{"name":"x","schema":{"type":"integer","multipleOf":2}}}})",
                          400)["error"];
  EXPECT_EQ(error["param"], "response_format");
  EXPECT_EQ(error["code"], "unsupported_schema");
  EXPECT_NE(error["message"].get<std::string>().find("'multipleOf'"), std::string::npos);
  EXPECT_TRUE(engine_->requests().empty());
}

TEST_F(ApiTest, ToolsNeedAFormatThatCallsThem) {
  StartSaying("x");
  const Json error = Post(kChat, R"({"messages":[{"role":"user","content":"hi"}],
      "tools":[{"type":"function","function":{"name":"f"}}]})",
                          400)["error"];
  EXPECT_EQ(error["param"], "tools");
  EXPECT_EQ(error["code"], "unsupported_parameter");
  Post(kChat, R"({"messages":[{"role":"user","content":"hi"}],"tool_choice":"none",
                  "tools":[{"type":"function","function":{"name":"f"}}]})");
}

TEST_F(ApiTest, TheLastMessageIsContinued) {
  StartSaying("x");
  Post(kChat, R"({"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"ho "}],
                  "continue_final_message":true})");
  const std::vector<int32_t> prompt = engine_->requests().back().prompt;
  EXPECT_EQ(std::vector<int32_t>(prompt.end() - 2, prompt.end()), (std::vector<int32_t>{'h', 'o'}))
      << "no mark of the template behind it";
  Post(kChat, R"({"messages":[{"role":"assistant","content":" "}],"continue_final_message":true})",
       400);
}

TEST_F(ApiTest, RoutesOfOtherApisAreRefusedByName) {
  StartSaying("x");
  for (const char* path : {"/v1/responses", "/v1/messages", "/v1/responses/resp_1/cancel"}) {
    const Json error = Post(path, "{}", 404)["error"];
    EXPECT_EQ(error["code"], "unsupported_endpoint") << path;
    EXPECT_NE(error["message"].get<std::string>().find("/v1/chat/completions"), std::string::npos);
  }
}

TEST_F(ApiTest, MetricsCountWhatHappened) {
  StartSaying("abc");
  telemetry_.SetEngine(model_->engine.get(), absl::Seconds(2));
  Post(kChat, kHi);
  Post(kChat, "{", 400);
  EXPECT_TRUE(engine_->WaitUntil([](const engine::Stats& s) { return s.running == 0; }));
  const std::string text = HttpGet(address_, "/metrics").body;
  for (const char* line :
       {"vllm:generation_tokens_total{model_name=\"fake\"} 4",
        "vllm:prompt_tokens_total{model_name=\"fake\"} 4",
        "vllm:request_success_total{finished_reason=\"stop\",model_name=\"fake\"} 1",
        "deepseek_request_refused_total{model_name=\"fake\",reason=\"invalid_request\"} 1",
        "deepseek_tokens_in_flight{model_name=\"fake\"} 0",
        "vllm:time_to_first_token_seconds_bucket{model_name=\"fake\",le=\"0.5\"} 1",
        "deepseek_model_load_seconds{model_name=\"fake\"} 2"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  }
  telemetry_.SetEngine(nullptr, absl::ZeroDuration());
}

}  // namespace
}  // namespace deepseek::agent
