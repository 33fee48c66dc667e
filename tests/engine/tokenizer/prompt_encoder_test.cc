// The built-in prompt formats: what the vectors do not reach.

#include "engine/tokenizer/prompt_encoder.h"

#include "base/json_full.h"
#include "gtest/gtest.h"

namespace deepseek::engine {
namespace {

constexpr PromptFormat kV32 = PromptFormat::kDeepSeekV32, kV4 = PromptFormat::kDeepSeekV4;

absl::StatusOr<RenderedChat> Render(PromptFormat format, const OrderedJson& variables,
                                    const RenderLimits& limits = {}) {
  return MakePromptEncoder(format)->Render(variables, limits);
}

std::string Text(PromptFormat format, const OrderedJson& variables) {
  const auto chat = Render(format, variables);
  EXPECT_TRUE(chat.ok()) << chat.status();
  return chat.ok() ? chat->text : std::string();
}

OrderedJson Message(const char* role, const OrderedJson& content) {
  return {{"role", role}, {"content", content}};
}

TEST(PromptEncoder, IsFoundByTheModelType) {
  EXPECT_EQ(PromptFormatOf("deepseek_v32"), kV32);
  EXPECT_EQ(PromptFormatOf("deepseek_v4"), kV4);
  EXPECT_EQ(PromptFormatOf("deepseek_v3"), std::nullopt);
}

TEST(PromptEncoder, MarksWhatTheRequestSays) {
  for (const PromptFormat format : {kV32, kV4}) {
    const auto chat = Render(format, {{"messages", {Message("user", "<think>")}}});
    ASSERT_TRUE(chat.ok()) << chat.status();
    ASSERT_EQ(chat->marks.size(), 3u);
    EXPECT_TRUE(chat->marks[1].input);
    EXPECT_EQ(chat->text.substr(chat->marks[1].begin, 7), "<think>");
  }
}

TEST(PromptEncoder, LeavesTheLastMessageOpenWhenAsked) {
  OrderedJson variables = {{"messages", {Message("user", "a"), Message("assistant", "b")}},
                           {"continue_final_message", true}};
  for (const PromptFormat format : {kV32, kV4}) {
    EXPECT_EQ(Text(format, variables),
              "<｜begin▁of▁sentence｜><｜User｜>a<｜Assistant｜></think>b");
  }
  variables["messages"].push_back(Message("user", "c"));
  for (const PromptFormat format : {kV32, kV4}) {
    EXPECT_EQ(Render(format, variables).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(PromptEncoder, V4PutsResultsInTheOrderOfTheCalls) {
  const auto call = [](const char* id) -> OrderedJson {
    return {{"id", id}, {"function", {{"name", id}, {"arguments", "{}"}}}};
  };
  const auto result = [](const char* id) -> OrderedJson {
    return {{"role", "tool"}, {"tool_call_id", id}, {"content", id}};
  };
  OrderedJson assistant = Message("assistant", nullptr);
  assistant["tool_calls"] = {call("a"), call("b")};
  const std::string text =
      Text(kV4, {{"messages", {Message("user", "q"), assistant, result("b"), result("a")}}});
  EXPECT_LT(text.find("<tool_result>a"), text.find("<tool_result>b"));
}

TEST(PromptEncoder, RefusesWithTheNumberOfTheMessage) {
  const OrderedJson user = Message("user", "q");
  OrderedJson broken = Message("assistant", "");
  broken["tool_calls"] = {{{"function", {{"name", "f"}, {"arguments", "[1]"}}}}};
  struct Case {
    PromptFormat format;
    OrderedJson messages;
    std::string why;
  };
  const Case cases[] = {
      {kV32, {user, Message("narrator", "x")}, "messages[1]: unknown role narrator"},
      {kV4, {user, Message("narrator", "x")}, "messages[1]: unknown role narrator"},
      {kV32, {user, Message("tool", "x")}, "messages[1]: a tool result does not follow"},
      {kV32, {user, broken}, "messages[1]: a tool call's arguments are no JSON object"},
      {kV4, {user, broken}, "messages[1]: a tool call's arguments are no JSON object"},
      {kV4, {Message("user", nullptr)}, "messages[0]: a user's content must be a string"},
      {kV32, {Message("developer", "")}, "messages[0]: a developer's message has no content"},
      {kV32, {user, 3}, "messages[1]: must be an object"},
  };
  for (const auto& [format, messages, why] : cases) {
    const absl::Status status = Render(format, {{"messages", messages}}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_NE(std::string(status.message()).find(why), std::string::npos) << status;
  }
  for (const PromptFormat format : {kV32, kV4}) {
    EXPECT_FALSE(Render(format, OrderedJson::array()).ok());
    EXPECT_FALSE(Render(format, {{"messages", "x"}}).ok());
    EXPECT_FALSE(Render(format, {{"messages", {user}}, {"tools", {{"x", 1}}}}).ok());
    EXPECT_FALSE(Render(format, {{"messages", {user}}, {"tools", "x"}}).ok());
  }
  EXPECT_FALSE(Render(kV4, {{"messages", {user}}, {"reasoning_effort", "low"}}).ok());
}

TEST(PromptEncoder, KeepsToTheLimits) {
  for (const PromptFormat format : {kV32, kV4}) {
    const auto big = Render(format, {{"messages", {Message("user", std::string(2000, 'x'))}}},
                            {.max_output_bytes = 1000});
    EXPECT_EQ(big.status().code(), absl::StatusCode::kResourceExhausted);
    OrderedJson deep;
    for (int i = 0; i < 500; ++i) deep = OrderedJson::array({deep});
    EXPECT_EQ(Render(format, {{"messages", {Message("system", deep)}}}).status().code(),
              absl::StatusCode::kResourceExhausted);
  }
}

}  // namespace
}  // namespace deepseek::engine
