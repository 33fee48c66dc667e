// Prompts that come back with the answer, and their log-probs.
#include "base/strings.h"
#include "tests/agent/openai/api_fixture.h"

namespace deepseek::agent {
namespace {

// Text, logs and end of each choice.
Json Choices(const Json& answer) {
  Json out = Json::object();
  for (const Json& choice : answer["choices"]) {
    out[std::to_string(choice["index"].get<int>())] = {choice["text"], choice["logprobs"],
                                                       choice["finish_reason"]};
  }
  return out;
}
// The same, put together from a stream.
Json Whole(const std::vector<Json>& chunks) {
  Json out = Json::object();
  for (const Json& chunk : chunks) {
    for (const Json& piece : chunk["choices"]) {
      Json& choice = out[std::to_string(piece["index"].get<int>())];
      if (choice.is_null()) choice = {"", nullptr, nullptr};
      choice[0] = choice[0].get<std::string>() + piece["text"].get<std::string>();
      if (!piece["finish_reason"].is_null()) choice[2] = piece["finish_reason"];
      if (piece["logprobs"].is_null()) continue;
      if (choice[1].is_null()) choice[1] = Json::object();
      for (const auto& [key, values] : piece["logprobs"].items()) {
        for (const Json& value : values) choice[1][key].push_back(value);
      }
    }
  }
  return out;
}

using EchoApiTest = ApiTest;

TEST_F(EchoApiTest, EchoPutsThePromptInFront) {
  StartSaying("out");
  const Json answer = Post("/v1/completions", R"({"prompt":["a ",[98,99]],"echo":true,"n":2})");
  EXPECT_EQ(answer["choices"][1]["text"], "a out");
  EXPECT_EQ(answer["choices"][2]["text"], "bcout");
  std::string text;
  for (const Json& chunk :
       Stream("/v1/completions", R"({"prompt":"a ","echo":true,"stream":true})")) {
    text += chunk["choices"][0]["text"].get<std::string>();
  }
  EXPECT_EQ(text, "a out");
}

TEST_F(EchoApiTest, EchoWithLogprobsTellsOfThePromptToo) {
  StartSaying("xy");
  const Json answer =
      Post("/v1/completions", R"({"prompt":["é!",[66]],"echo":true,"logprobs":2,"max_tokens":1})");
  ASSERT_EQ(answer["choices"].size(), 2U);
  const Json& first = answer["choices"][0];
  EXPECT_EQ(first["text"], "é!x");
  const Json& logs = first["logprobs"];
  EXPECT_EQ(logs["tokens"].size(), 4U) << "é is two tokens of this tokenizer";
  EXPECT_EQ(logs["tokens"][2], "!");
  EXPECT_EQ(logs["tokens"][3], "x");
  EXPECT_EQ(logs["token_logprobs"], Json::parse("[null,-1.0,-2.0,-0.5]"));
  EXPECT_EQ(logs["text_offset"], Json::parse("[0,0,1,2]")) << "characters of the text";
  EXPECT_EQ(logs["top_logprobs"][0], nullptr);
  EXPECT_EQ(logs["top_logprobs"][2], Json::parse(R"({"A":-0.25,"B":-1.25,"!":-2.0})"))
      << "the token itself is among them";
  EXPECT_EQ(answer["choices"][1]["text"], "Bx");
  EXPECT_EQ(answer["choices"][1]["logprobs"]["token_logprobs"], Json::parse("[null,-0.5]"));
}

TEST_F(EchoApiTest, APromptCanBeScoredAlone) {
  StartSaying("xy");
  const char* body =
      R"({"prompt":[[65,66,67,68]],"echo":true,"logprobs":1,"max_tokens":0,"n":2,"stream":)";
  const Json answer = Post("/v1/completions", StrCat(body, "false}"));
  ASSERT_EQ(answer["choices"].size(), 2U);
  for (const Json& choice : answer["choices"]) {
    EXPECT_EQ(choice["text"], "ABCD");
    EXPECT_EQ(choice["finish_reason"], "length");
    EXPECT_EQ(choice["logprobs"]["tokens"], Json::array({"A", "B", "C", "D"}));
    EXPECT_EQ(choice["logprobs"]["token_logprobs"], Json::parse("[null,-1.0,-2.0,-3.0]"));
    EXPECT_EQ(choice["logprobs"]["text_offset"], Json::parse("[0,1,2,3]"));
  }
  EXPECT_EQ(answer["usage"]["prompt_tokens"], 4);
  EXPECT_EQ(answer["usage"]["completion_tokens"], 0);
  EXPECT_EQ(engine_->requests().size(), 1U) << "the second answer is the first's";
  EXPECT_EQ(Whole(Stream("/v1/completions", StrCat(body, "true}"))), Choices(answer));
  const Json plain = Post("/v1/completions", R"({"prompt":"AB","echo":true,"max_tokens":0})");
  EXPECT_EQ(plain["choices"][0]["text"], "AB");
  EXPECT_EQ(plain["choices"][0]["logprobs"], nullptr);
  EXPECT_EQ(engine_->requests().back().prompt_logprobs, -1);
}

TEST_F(EchoApiTest, AStreamWithThePromptsLogprobsIsTheWholeAnswerInPieces) {
  StartSaying("xyz");
  for (const char* prompt : {R"("é and more")", "[[65,66],[67,68,69]]", "[[65]]"}) {
    const std::string body =
        StrCat(R"({"n":3,"echo":true,"logprobs":1,"prompt":)", prompt, R"(,"stream":)");
    const Json answer = Post("/v1/completions", StrCat(body, "false}"));
    const size_t before = engine_->requests().size();
    EXPECT_EQ(Whole(Stream("/v1/completions", StrCat(body, "true}"))), Choices(answer));
    const auto requests = engine_->requests();
    for (size_t i = before; i < requests.size(); ++i)
      EXPECT_EQ(requests[i].prompt_logprobs, (i - before) % 3 == 0 ? 1 : -1) << "computed once";
    const Json& logs = answer["choices"][2]["logprobs"];
    EXPECT_EQ(logs["tokens"].size(), logs["text_offset"].size());
    EXPECT_EQ(logs["tokens"].back(), "<|eos|>") << "as many entries as usage has tokens";
    EXPECT_EQ(answer["choices"][0]["finish_reason"], "stop");
  }
}

TEST_F(EchoApiTest, TooManyEchoedLogprobsAreRefused) {
  Start(
      {.script = [](const engine::Request&) { return BytesThenEos("x"); }, .max_context = 100'000});
  const std::string text(30'000, 'x');
  const Json error = Post(
      "/v1/completions",
      StrCat(R"({"echo":true,"logprobs":20,"max_tokens":0,"prompt":")", text, "\"}"), 400)["error"];
  EXPECT_EQ(error["param"], "logprobs");
  EXPECT_NE(error["message"].get<std::string>().find("630000"), std::string::npos) << error;
  EXPECT_TRUE(engine_->requests().empty());
}

TEST_F(EchoApiTest, AScoredPromptMayFillTheContext) {
  Start({.script = [](const engine::Request&) { return BytesThenEos("x"); }, .max_context = 4});
  const char* body = R"({"echo":true,"logprobs":1,"prompt":"abcd","max_tokens":)";
  Post("/v1/completions", StrCat(body, "0}"));
  EXPECT_EQ(Post("/v1/completions", StrCat(body, "1}"), 400)["error"]["code"],
            "context_length_exceeded");
  Post("/v1/completions", R"({"echo":true,"logprobs":1,"prompt":"abcde","max_tokens":0})", 400);
}

}  // namespace
}  // namespace deepseek::agent
