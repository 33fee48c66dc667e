// Answers that go on with the last message, by either of its names.

#include <array>
#include <string>
#include <vector>

#include "engine/tokenizer/chat_template.h"
#include "tests/agent/openai/api_fixture.h"

namespace deepseek::agent {
namespace {

using ContinueApiTest = ApiTest;

constexpr char kChat[] = "/v1/chat/completions";

std::string Body(const std::string& last, const std::string& more) {
  return R"({"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":)" + last +
         "}]" + more + "}";
}

TEST_F(ContinueApiTest, APrefixIsContinueFinalMessage) {
  StartSaying("x");
  Post(kChat, Body(R"("ho ","prefix":true)", ""));
  Post(kChat, Body(R"("ho ")", R"(,"continue_final_message":true)"));
  Post(kChat, Body(R"("ho ","prefix":false)", ""));
  const auto requests = engine_->requests();
  ASSERT_EQ(requests.size(), 3U);
  const std::vector<int32_t>& prompt = requests[0].prompt;
  EXPECT_EQ(std::vector<int32_t>(prompt.end() - 2, prompt.end()), (std::vector<int32_t>{'h', 'o'}));
  EXPECT_EQ(prompt, requests[1].prompt);
  EXPECT_NE(prompt, requests[2].prompt) << "not asked for";
}

TEST_F(ContinueApiTest, WhatCannotBeContinuedIsToldByTheNameThatAskedForIt) {
  StartSaying("x");
  for (const auto& [last, more, param] : std::vector<std::array<std::string, 3>>{
           {R"(" ")", R"(,"continue_final_message":true)", "continue_final_message"},
           {R"(" ","prefix":true)", "", "messages[1].prefix"}}) {
    const Json error = Post(kChat, Body(last, more), 400)["error"];
    EXPECT_EQ(error["param"], param);
    EXPECT_NE(error["message"].get<std::string>().find("has no text"), std::string::npos) << error;
  }
  EXPECT_TRUE(engine_->requests().empty());
}

// V3.1's template opens the reasoning in front of a message that says "prefix", if thinking is on.
TEST_F(ContinueApiTest, APrefixMayBeTheBeginningOfTheReasoning) {
  StartSaying("y</think>so");
  model_->text.chat_template = *engine::ParseChatTemplate("{}", R"(
      {%- for m in messages %}
        {%- if m['role'] == 'assistant' %}
          {%- if m['prefix'] is defined and m['prefix'] and thinking %}{{ '<think>' }}
          {%- else %}{{ '</think>' }}
          {%- endif %}
        {%- endif %}
        {{- m['content'] }}
      {%- endfor %})");
  const auto said = [&](const std::string& last, const std::string& more) -> Json {
    return Post(kChat, Body(last, more))["choices"][0]["message"];
  };
  const Json thought = said(R"("wh","prefix":true)", R"(,"thinking":true)");
  EXPECT_EQ(thought["reasoning_content"], "y");
  EXPECT_EQ(thought["content"], "so");
  for (const Json& plain :
       {said(R"("wh","prefix":true)", ""), said(R"("wh","prefix":true)", R"(,"thinking":false)"),
        said(R"("wh")", R"(,"thinking":true,"continue_final_message":true)")}) {
    EXPECT_EQ(plain["content"], "y</think>so");
  }
  // What the model has said itself counts before the template's mark.
  EXPECT_EQ(said(R"("wh</think>","prefix":true)", R"(,"thinking":true)")["content"], "y</think>so");
  EXPECT_EQ(said(R"("a</think>b<think>wh","prefix":true)", "")["content"], "so");
}

}  // namespace
}  // namespace deepseek::agent
