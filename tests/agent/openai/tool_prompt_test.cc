#include "agent/openai/tool_prompt.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/json_full.h"

namespace deepseek::agent {
namespace {

std::unique_ptr<engine::ChatTemplate> Template(const std::string& text) {
  auto chat = engine::ParseChatTemplate("{}", text);
  EXPECT_TRUE(chat.ok()) << chat.status();
  return *std::move(chat);
}

/// As V3.1's: system text in front, calls behind each other, nothing about tools.
std::unique_ptr<engine::ChatTemplate> Plain() {
  return Template(
      "{% for m in messages %}{% if m['role'] == 'system' %}{{ m['content'] }}"
      "{% elif m['role'] == 'user' %}<｜User｜>{{ m['content'] }}{% else %}<｜Assistant｜>"
      "{% for t in m['tool_calls'] %}<｜tool▁call▁begin｜>{{ t['function']['name'] }}"
      "<｜tool▁sep｜>{{ t['function']['arguments'] }}<｜tool▁call▁end｜>{% endfor %}{% endif %}"
      "{% endfor %}");
}

std::unique_ptr<engine::ChatTemplate> Demo() {
  std::ifstream in(std::string(TEST_SOURCE_DIR) + "/models/demo-v3/tokenizer_config.json");
  std::stringstream text;
  text << in.rdbuf();
  auto chat = engine::ParseChatTemplate(text.str());
  EXPECT_TRUE(chat.ok()) << chat.status();
  return *std::move(chat);
}

const OrderedJson kTools = OrderedJson::array({{{"type", "function"},
                                                {"function",
                                                 {{"name", "get_weather"},
                                                  {"description", "says <｜tool▁sep｜>"},
                                                  {"parameters", {{"type", "object"}}}}}}});

TEST(ToolPrompt, TheStyleIsThatOfEarlierCalls) {
  EXPECT_EQ(CallFormatOf(*Plain()), (CallFormat{grammar::CallStyle::kPlain, ""}));
  EXPECT_EQ(CallFormatOf(*Demo()), (CallFormat{grammar::CallStyle::kFenced, ""}));
  EXPECT_EQ(CallFormatOf(*Template("{{ messages[0]['content'] }}")), std::nullopt);
  EXPECT_EQ(CallFormatOf(*Template("{{ raise_exception('no') }}")), std::nullopt);
}

TEST(ToolPrompt, ATemplateThatKnowsToolsDescribesThem) {
  const OrderedJson variables = {{"messages", {{{"role", "user"}, {"content", "Hi"}}}},
                                 {"add_generation_prompt", true}};
  const auto chat = RenderWithTools(*Demo(), variables, kTools, {grammar::CallStyle::kFenced, ""});
  ASSERT_TRUE(chat.ok()) << chat.status();
  EXPECT_NE(chat->text.find("## Tools\n{\"name\": \"get_weather\""), std::string::npos)
      << chat->text;
  EXPECT_EQ(chat->text.find("### get_weather"), std::string::npos);
}

TEST(ToolPrompt, OtherwiseTheSystemTextDoes) {
  OrderedJson variables = {{"messages", {{{"role", "user"}, {"content", "TOOLSGOHERE"}}}}};
  for (const bool system : {false, true}) {
    if (system)
      variables["messages"] = {{{"role", "system"}, {"content", "Be brief."}},
                               {{"role", "user"}, {"content", "TOOLSGOHERE"}}};
    const auto chat =
        RenderWithTools(*Plain(), variables, kTools, {grammar::CallStyle::kPlain, ""});
    ASSERT_TRUE(chat.ok()) << chat.status();
    EXPECT_TRUE(chat->text.starts_with(system ? "Be brief.\n\n## Tools\n" : "## Tools\n"))
        << chat->text;
    EXPECT_TRUE(chat->text.ends_with("<｜User｜>TOOLSGOHERE"));
    EXPECT_NE(chat->text.find("### get_weather\nDescription: says <｜tool▁sep｜>\n\nParameters: "
                              "{\"type\":\"object\"}"),
              std::string::npos);
    // The marks cover the text without gaps, and only the format's own tokens are control tokens.
    size_t end = 0;
    std::string parsed;
    for (const auto& mark : chat->marks) {
      EXPECT_EQ(mark.begin, end);
      end = mark.end;
      if (!mark.input) parsed += chat->text.substr(mark.begin, mark.end - mark.begin);
    }
    EXPECT_EQ(end, chat->text.size());
    EXPECT_EQ(parsed,
              "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>tool_call_name<｜tool▁sep｜>"
              "tool_call_arguments<｜tool▁call▁end｜>{{additional_tool_calls}}<｜tool▁calls▁end｜>"
              "<｜User｜>");
  }
}

}  // namespace
}  // namespace deepseek::agent
