// The formats of calls beside those of V3 (tool_parser_test.cc): which a template has, and reading
// them however they are cut.
#include <gtest/gtest.h>

#include "agent/openai/tool_parser.h"
#include "agent/openai/tool_prompt.h"
#include "base/json_full.h"
#include "base/strings.h"
#include "engine/tokenizer/prompt_encoder.h"

namespace deepseek::agent {
namespace {

using grammar::CallStyle;

/// The text with the spelled control tokens of `style` as marks.
std::string Marked(CallStyle style, std::string text) {
  const auto replace = [&](std::string_view token, char code) {
    for (size_t at = text.find(token); at != std::string::npos; at = text.find(token, at))
      text.replace(at, token.size(), std::string{kMarkByte, code});
  };
  if (style == CallStyle::kDsml) {
    replace("｜DSML｜", 'D');
  } else if (style == CallStyle::kTagged) {
    replace("<tool_call>", 'T');
    replace("</tool_call>", 't');
  } else {
    replace("<|python_tag|>", 'P');
  }
  return text;
}

struct Parsed {
  std::string content;
  std::string calls;  ///< name arguments|name arguments
  bool called = false;
};

Parsed Parse(const ToolSyntax& syntax, std::string_view spelled, size_t chunk) {
  const std::string text = Marked(syntax.style, std::string(spelled));
  ToolParser parser(syntax);
  Parsed out;
  std::vector<ToolDelta> calls;
  for (size_t i = 0; i < text.size(); i += chunk)
    parser.Push(std::string_view(text).substr(i, chunk), &out.content, &calls);
  parser.Flush(&out.content, &calls);
  out.called = parser.called();
  for (const ToolDelta& delta : calls) {
    if (!delta.name.empty()) StrAppend(&out.calls, out.calls.empty() ? "" : "|", delta.name, " ");
    out.calls += delta.arguments;
  }
  return out;
}

ToolSyntax Syntax(CallStyle style, bool constrained, std::string block = "tool_calls") {
  ToolSyntax syntax;
  syntax.style = style;
  syntax.block = std::move(block);
  syntax.names = {"get_weather", "now", "f"};
  syntax.constrained = constrained;
  return syntax;
}

struct Case {
  const char* text;
  const char* content;
  const char* calls;
};

void Check(CallStyle style, const Case& c, const std::string& block = "tool_calls") {
  for (const bool constrained : {false, true}) {
    const ToolSyntax syntax = Syntax(style, constrained, block);
    for (size_t chunk = 1; chunk <= std::string_view(c.text).size(); ++chunk) {
      const Parsed parsed = Parse(syntax, c.text, chunk);
      ASSERT_EQ(parsed.content, c.content) << c.text << " by " << chunk;
      ASSERT_EQ(parsed.calls, c.calls) << c.text << " by " << chunk;
      ASSERT_EQ(parsed.called, *c.calls != 0);
    }
  }
}

TEST(DsmlCalls, AreReadAsTheReferenceReadsThem) {
  const Case cases[] = {
      {"I will look.\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"get_weather\">\n"
       "<｜DSML｜parameter name=\"city\" string=\"true\">Zürich</｜DSML｜parameter>\n"
       "<｜DSML｜parameter name=\"days\" string=\"false\">3</｜DSML｜parameter>\n"
       "</｜DSML｜invoke>\n</｜DSML｜tool_calls>",
       "I will look.", R"(get_weather {"city": "Zürich", "days": 3})"},
      {"\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"now\">\n</｜DSML｜invoke>\n"
       "</｜DSML｜tool_calls>",
       "", "now {}"},
      {"\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"get_weather\">\n"
       "<｜DSML｜parameter name=\"city\" string=\"true\">北京 \"x\" \\ "
       "<b>\nline</｜DSML｜parameter>\n"
       "</｜DSML｜invoke>\n<｜DSML｜invoke name=\"f\">\n"
       "<｜DSML｜parameter name=\"a\" string=\"false\">[1, {\"b\": null}]</｜DSML｜parameter>\n"
       "<｜DSML｜parameter name=\"c\" string=\"false\">true</｜DSML｜parameter>\n"
       "</｜DSML｜invoke>\n</｜DSML｜tool_calls>",
       "",
       R"(get_weather {"city": "北京 \"x\" \\ <b>\nline"}|f {"a": [1, {"b": null}], "c": true})"},
      {"\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"now\">\n</｜DSML｜invoke>\n</", "",
       "now {}"},
      {"\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"now\">\n</｜DSML｜invoke>\n"
       "</｜DSML｜tool_calls> trailing words",
       " trailing words", "now {}"},
      {"<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n"
       "<｜DSML｜parameter name=\"a\" string=\"true\">a<</｜DSML｜parameter>\n"
       "<｜DSML｜parameter name=\"e\" string=\"true\"></｜DSML｜parameter>\n"
       "</｜DSML｜invoke>\n</｜DSML｜tool_calls>",
       "", R"(f {"a": "a<", "e": ""})"},
      {"Write <tool_calls> or <|DSML|tool_calls> in text, or < | DSML | >.",
       "Write <tool_calls> or <|DSML|tool_calls> in text, or < | DSML | >.", ""},
      {"a <", "a <", ""}};
  for (const Case& c : cases) Check(CallStyle::kDsml, c);
}

TEST(DsmlCalls, TheBlockIsTheTemplates) {
  const Case v32 = {
      "\n\n<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"now\">\n</｜DSML｜invoke>\n"
      "</｜DSML｜function_calls>",
      "", "now {}"};
  Check(CallStyle::kDsml, v32, "function_calls");
}

TEST(DsmlCalls, WhatIsNoCallStaysText) {
  for (const char* text :
       {"<｜DSML｜function_calls>\n", "a\n\n<｜DSML｜tool_calls>\n", "｜DSML｜",
        "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"unknown\">\n</｜DSML｜invoke>\n",
        "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"now\">\nwords</｜DSML｜invoke>\n",
        "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n"
        "<｜DSML｜parameter name=\"a\" string=\"false\">nonsense</｜DSML｜parameter>\n"
        "</｜DSML｜invoke>\n</｜DSML｜tool_calls>",
        "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n"
        "<｜DSML｜parameter name=\"a\" string=\"true\">x｜DSML｜",
        "<｜DSML｜tool_calls>\n</｜DSML｜invoke>"}) {
    for (const size_t chunk : {size_t{1}, std::string_view(text).size()}) {
      const Parsed parsed = Parse(Syntax(CallStyle::kDsml, false), text, chunk);
      EXPECT_EQ(parsed.content, text);
      EXPECT_EQ(parsed.calls, "");
      EXPECT_FALSE(parsed.called);
    }
  }
}

TEST(DsmlCalls, ArgumentsStreamAndACutOffCallKeepsWhatItHas) {
  const std::string half =
      "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n"
      "<｜DSML｜parameter name=\"a\" string=\"true\">he\"y<";
  const Parsed parsed = Parse(Syntax(CallStyle::kDsml, true), half, 1);
  EXPECT_EQ(parsed.calls, R"(f {"a": "he\"y)");
  EXPECT_FALSE(parsed.called);
  EXPECT_EQ(Parse(Syntax(CallStyle::kDsml, true),
                  "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"get_weather\">\n<｜DSM", 1)
                .calls,
            "get_weather ");
  EXPECT_EQ(Parse(Syntax(CallStyle::kDsml, false), half, 1).content, half);
}

TEST(TaggedCalls, AreRead) {
  const Case cases[] = {
      {"Look.\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Rome }\\n\"}}\n"
       "</tool_call>",
       "Look.", R"(get_weather {"city": "Rome }\n"})"},
      {"<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>\n"
       "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": {\"b\": {}}}}\n</tool_call>\n",
       "", R"(now {}|f {"a": {"b": {}}})"},
      {"<tool_call", "<tool_call", ""}};
  for (const Case& c : cases) {
    for (const bool constrained : {false, true}) {
      const ToolSyntax syntax = Syntax(CallStyle::kTagged, constrained);
      for (size_t chunk = 1; chunk <= std::string_view(c.text).size(); ++chunk) {
        const Parsed parsed = Parse(syntax, c.text, chunk);
        ASSERT_EQ(parsed.content, c.content);
        std::string calls = parsed.calls;
        std::erase(calls, ' ');
        std::string expected = c.calls;
        std::erase(expected, ' ');
        ASSERT_EQ(calls, expected) << "by " << chunk;
        ASSERT_EQ(parsed.called, *c.calls != 0);
      }
    }
  }
}

TEST(TaggedCalls, OtherJsonOfTheSameMeaningIsReadToo) {
  const ToolSyntax syntax = Syntax(CallStyle::kTagged, false);
  EXPECT_EQ(
      Parse(syntax, "<tool_call>{\"arguments\":{\"a\":1},\"name\":\"f\"}</tool_call>", 3).calls,
      "f {\"a\":1}");
  EXPECT_EQ(Parse(syntax, "<tool_call>{\"name\":\"now\"}</tool_call>", 3).calls, "now {}");
}

TEST(TaggedCalls, WhatIsNoCallStaysText) {
  for (const char* text :
       {"<tool_call>\nwords",
        "<tool_call>\n{\"name\": \"unknown\", \"arguments\": {}}\n</tool_call>",
        "<tool_call>\n{\"name\": \"f\", \"arguments\": [1]}\n</tool_call>", "</tool_call>",
        "<tool_call>\n{\"name\": \"f\", \"arguments\": {}\n</tool_call>",
        "x <tool_call><tool_call>"}) {
    const Parsed parsed = Parse(Syntax(CallStyle::kTagged, false), text, 1);
    EXPECT_EQ(parsed.content, text);
    EXPECT_EQ(parsed.calls, "");
    EXPECT_FALSE(parsed.called);
  }
}

TEST(TaggedCalls, ACutOffCallKeepsWhatItHas) {
  const ToolSyntax syntax = Syntax(CallStyle::kTagged, true);
  const std::string head = "<tool_call>\n{\"name\": \"f\", \"arguments\": ";
  for (const auto& [rest, arguments] : {std::pair{"", ""},
                                        {"{\"a\": {\"b\": 1}", "{\"a\": {\"b\": 1}"},
                                        {"{\"a\": {\"b\": 1}}}\n", "{\"a\": {\"b\": 1}}"}}) {
    const Parsed parsed = Parse(syntax, StrCat(head, rest), 1);
    EXPECT_EQ(parsed.calls, StrCat("f ", arguments));
    EXPECT_FALSE(parsed.called);
  }
}

void CheckObject(const Case& c) {
  for (const bool constrained : {false, true}) {
    const ToolSyntax syntax = Syntax(CallStyle::kObject, constrained);
    for (size_t chunk = 1; chunk <= std::string_view(c.text).size(); ++chunk) {
      const Parsed parsed = Parse(syntax, c.text, chunk);
      ASSERT_EQ(parsed.content, c.content) << c.text << " by " << chunk;
      std::string calls = parsed.calls, expected = c.calls;
      std::erase(calls, ' ');
      std::erase(expected, ' ');
      ASSERT_EQ(calls, expected) << c.text << " by " << chunk;
      ASSERT_EQ(parsed.called, *c.calls != 0);
    }
  }
}

TEST(ObjectCalls, AreRead) {
  const Case cases[] = {
      {R"({"name": "f", "parameters": {"a": "}{\"", "b": [{}, "\\"]}})", "",
       R"(f {"a": "}{\"", "b": [{}, "\\"]})"},
      {"<|python_tag|>{\"name\": \"now\", \"parameters\": {}}", "", "now {}"},
      {"\n {\"name\": \"now\", \"parameters\": {}}\n", "", "now {}"},
      {R"({"type": "function", "name": "f", "parameters": {"a": 1}})", "", R"(f {"a": 1})"},
      {R"({"name":"f","arguments":{"a":1}})", "", R"(f {"a":1})"},
      {R"({"parameters": {"a": 1}, "name": "f"})", "", R"(f {"a": 1})"},
      {R"({"name": "now"})", "", "now {}"}};
  for (const Case& c : cases) CheckObject(c);
}

TEST(ObjectCalls, WhatIsNoCallStaysText) {
  for (const char* text :
       {R"({"name": "Bob", "age": 7})", R"({"name": "unknown", "parameters": {}})", "{", "{}", " {",
        R"({"temperature": 20})", "a <b> {c}", R"(Say {"name": "f", "parameters": {"a": 1}})",
        R"({"name": "f"}, {"name": "f"})", "<|python_tag|>print(1)",
        R"([{"name": "f", "parameters": {}}])"}) {
    CheckObject({text, text, ""});
  }
}

TEST(ObjectCalls, ArgumentsThatAreNoObjectAreText) {
  for (const char* text :
       {R"({"name": "f", "parameters": [1]})", R"({"name": "f", "parameters": 1})",
        R"({"name": "f", "arguments": null})", R"({"name": "f", "parameters": {})"}) {
    const Parsed parsed = Parse(Syntax(CallStyle::kObject, false), text, 1);
    EXPECT_EQ(parsed.content, text);
    EXPECT_FALSE(parsed.called);
  }
}

TEST(ObjectCalls, OtherObjectsStreamAtOnce) {
  const ToolSyntax syntax = Syntax(CallStyle::kObject, true);
  ToolParser parser(syntax);
  std::string content;
  std::vector<ToolDelta> calls;
  parser.Push(R"({"na)", &content, &calls);
  EXPECT_EQ(content, "");
  parser.Push(R"(ils": )", &content, &calls);
  EXPECT_EQ(content, R"({"nails": )");
  parser.Push(R"({"name": "f")", &content, &calls);
  EXPECT_EQ(content, R"({"nails": {"name": "f")");
}

TEST(ObjectCalls, ArgumentsStreamAndACutOffCallKeepsWhatItHas) {
  const ToolSyntax syntax = Syntax(CallStyle::kObject, true);
  const std::string head = R"({"name": "f", "parameters": )";
  for (const auto& [rest, arguments] : {std::pair{"", ""},
                                        {R"({"a": {"b": 1})", R"({"a": {"b": 1})"},
                                        {R"({"a": 1})", R"({"a": 1})"}}) {
    const Parsed parsed = Parse(syntax, StrCat(head, rest), 1);
    EXPECT_EQ(parsed.calls, StrCat("f ", arguments));
    EXPECT_FALSE(parsed.called);
  }
  const std::string half = R"({"name": "f", "par)";
  EXPECT_EQ(Parse(syntax, half, 1).content, half);
}

TEST(CutCalls, ShowNoneOfTheirMarks) {
  const std::pair<CallStyle, std::string> answers[] = {
      {CallStyle::kDsml,
       "Hm.\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n"
       "<｜DSML｜parameter name=\"a\" string=\"true\">x</｜DSML｜parameter>\n"
       "</｜DSML｜invoke>\n<｜DSML｜invoke "
       "name=\"now\">\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>"},
      {CallStyle::kTagged,
       "Hm.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>\n"
       "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>"},
      {CallStyle::kObject, "<|python_tag|>{\"name\": \"f\", \"parameters\": {}}"}};
  for (const auto& [style, spelled] : answers) {
    const ToolSyntax syntax = Syntax(style, true);
    const std::string text = Marked(style, spelled);
    for (size_t cut = text.find(kMarkByte) + 2; cut <= text.size(); ++cut) {
      if (text[cut - 1] == kMarkByte) continue;  // within a token
      ToolParser parser(syntax);
      std::string content;
      std::vector<ToolDelta> calls;
      parser.Push(std::string_view(text).substr(0, cut), &content, &calls);
      parser.Flush(&content, &calls);
      EXPECT_EQ(content, style == CallStyle::kObject ? "" : "Hm.") << spelled << " cut at " << cut;
    }
  }
}

/// R1's calls as the distills write them.
TEST(SpelledCalls, AreReadHoweverTheyAreCut) {
  ToolSyntax syntax = Syntax(CallStyle::kFenced, true);
  syntax.tokens.spelled = true;
  const std::string begin = "<｜tool▁calls▁begin｜>",
                    head = "<｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n",
                    tail = "\n```<｜tool▁call▁end｜>", end = "<｜tool▁calls▁end｜>";
  const std::string quoted = R"({"a": "<｜tool▁call▁end｜>\n```"})";
  for (const bool constrained : {false, true}) {
    syntax.constrained = constrained;
    const std::string text =
        StrCat("a <｜tool▁ b\n", begin, head, quoted, tail, "\n", head, "{}", tail, end);
    for (size_t chunk = 1; chunk <= text.size(); ++chunk) {
      const Parsed parsed = Parse(syntax, text, chunk);
      ASSERT_EQ(parsed.content, "a <｜tool▁ b") << chunk;
      ASSERT_EQ(parsed.calls, StrCat("f ", quoted, "|f {}")) << chunk;
      ASSERT_TRUE(parsed.called);
    }
  }
  syntax.constrained = false;
  for (const std::string& text : {begin, StrCat(begin, "x"), StrCat("<", begin.substr(0, 9)),
                                  StrCat(begin, head, "[]", tail, end), StrCat(tail, end)}) {
    EXPECT_EQ(Parse(syntax, text, 1).content, text);
    EXPECT_FALSE(Parse(syntax, text, 1).called);
  }
}

constexpr char kQwen[] =
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}"
    "{% for t in m['tool_calls'] %}\n<tool_call>\n{\"name\": \"{{ t['function']['name'] }}\", "
    "\"arguments\": {{ t['function']['arguments'] | tojson }}}\n</tool_call>{% endfor %}"
    "<|im_end|>{% endfor %}{{ tools | tojson }}";

TEST(CallFormat, IsWhatTheTemplateWrites) {
  using engine::MakePromptEncoder;
  using engine::PromptFormat;
  EXPECT_EQ(CallFormatOf(*MakePromptEncoder(PromptFormat::kDeepSeekV32)),
            (CallFormat{CallStyle::kDsml, "function_calls"}));
  EXPECT_EQ(CallFormatOf(*MakePromptEncoder(PromptFormat::kDeepSeekV4)),
            (CallFormat{CallStyle::kDsml, "tool_calls"}));
  const auto qwen = engine::ParseChatTemplate("{}", kQwen);
  ASSERT_TRUE(qwen.ok()) << qwen.status();
  EXPECT_EQ(CallFormatOf(**qwen), (CallFormat{CallStyle::kTagged, "", true}));
  const auto picky = engine::ParseChatTemplate(
      "{}", StrCat("{% if '</think>' in messages[1]['content'] %}x{% endif %}", kQwen));
  ASSERT_TRUE(picky.ok()) << picky.status();
  EXPECT_EQ(CallFormatOf(**picky), (CallFormat{CallStyle::kTagged, "", true, true}));
}

TEST(CallFormat, AnObjectIsLlamas) {
  const std::string llama =
      "{% for m in messages %}{% if 'tool_calls' in m %}{{ '{\"name\": \"' }}"
      "{{ m.tool_calls[0].function.name }}{{ '\", \"parameters\": ' }}"
      "{{ m.tool_calls[0].function.arguments | tojson }}{{ '}' }}{% endif %}{% endfor %}";
  const auto chat = engine::ParseChatTemplate("{}", llama);
  ASSERT_TRUE(chat.ok()) << chat.status();
  EXPECT_EQ(CallFormatOf(**chat), (CallFormat{CallStyle::kObject, "", true}));
}

TEST(CallFormat, EarlierCallsAreGivenAsTheTemplateWantsThem) {
  const OrderedJson variables = {
      {"messages",
       OrderedJson::array(
           {{{"role", "user"}, {"content", "<tool_call>"}},
            {{"role", "assistant"},
             {"content", nullptr},
             {"tool_calls",
              OrderedJson::array(
                  {{{"function", {{"name", "f"}, {"arguments", "{\"a\": \"</tool_call>\"}"}}}},
                   {{"function", {{"name", "f"}, {"arguments", "no json"}}}}})}}})}};
  EXPECT_TRUE(HasCalls(variables));
  const OrderedJson given = WithCallsAs({CallStyle::kTagged, "", true, true}, variables);
  const OrderedJson& calls = given["messages"][1]["tool_calls"];
  EXPECT_EQ(calls[0]["function"]["arguments"].dump(), R"({"a":"</tool_call>"})");
  EXPECT_EQ(calls[1]["function"]["arguments"], "no json");
  EXPECT_EQ(given["messages"][1]["content"], "");
  const auto qwen = engine::ParseChatTemplate("{}", kQwen);
  const auto chat = (*qwen)->Render(given);
  ASSERT_TRUE(chat.ok()) << chat.status();
  std::string parsed;
  for (const auto& mark : chat->marks) {
    if (!mark.input) parsed += chat->text.substr(mark.begin, mark.end - mark.begin);
  }
  // What the request wrote is no token, whatever it says.
  for (const char* token : {"<tool_call>", "</tool_call>"}) {
    int count = 0;
    for (size_t at = parsed.find(token); at != std::string::npos; at = parsed.find(token, at + 1))
      ++count;
    EXPECT_EQ(count, 2) << parsed;
  }
}

}  // namespace
}  // namespace deepseek::agent
