// What is refused: features that are missing, broken templates, templates that take too much.

#include "engine/tokenizer/chat_template.h"
#include "tests/engine/tokenizer/files.h"

namespace deepseek::engine {
namespace {

using ::testing::Test;

absl::Status ParseStatus(const std::string& source) {
  return ParseChatTemplate("{}", source).status();
}

absl::Status RenderStatus(const std::string& source, RenderLimits limits = {},
                          const OrderedJson& variables = OrderedJson::object()) {
  const auto chat = ParseChatTemplate("{}", source);
  EXPECT_TRUE(chat.ok()) << chat.status();
  return (*chat)->Render(variables, limits).status();
}

struct Refusal {
  std::string source, message;
};

// Macros make expressions and blocks recurse, and outlive what they are written in.
TEST(ChatTemplate, MacrosEndWithinTheLimits) {
  for (const char* source :
       {"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f() %}{{ (((((f() ~ 1) ~ 2) ~ 3) ~ 4) ~ 5) ~ f() }}{% endmacro %}{{ f() }}",
        "{% macro f(n) %}{{ f(n + 1) ~ f(n + 2) }}{% endmacro %}{{ f(0) }}",
        "{% macro f(a=f()) %}{% endmacro %}{{ f() }}",
        "{% set ns = namespace() %}{% macro f() %}{{ ns.l.last }}{% endmacro %}"
        "{% for x in range(99999) if f() or true %}{% set ns.l = loop %}{% endfor %}"}) {
    const auto status = RenderStatus(source);
    EXPECT_TRUE(absl::IsResourceExhausted(status) || absl::IsInvalidArgument(status) || status.ok())
        << source << status;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(
      RenderStatus("{% set ns = namespace() %}{% macro f() %}{{ ns.l.last }}{% endmacro %}"
                   "{% for x in [1] %}{% for y in [1, 2] if y %}{% set ns.l = loop %}{{ f() }}"
                   "{% endfor %}{% endfor %}")));
}

TEST(ChatTemplate, NamesTheMissingFeatureAndItsLine) {
  const Refusal cases[] = {
      {"a\n{% macro x() %}{{ varargs }}{% endmacro %}", "line 2: varargs in a macro is not"},
      {"{% include 'x' %}", "line 1: {% include %}"},
      {"{% import 'x' as y %}", "{% import %}"},
      {"{% extends 'x' %}", "{% extends %}"},
      {"{% call f() %}{% endcall %}", "{% call %}"},
      {"{% filter upper %}x{% endfilter %}", "{% filter %}"},
      {"\n\n{{ x | wordwrap(3) }}", "line 3: the filter wordwrap"},
      {"{{ x is sameish }}", "the test sameish"},
      {"\n{{ x | map('wordwrap', 3) }}", "line 2: the filter wordwrap in map"},
      {"{{ x | map('map', 'upper') }}", "the filter map in map"},
      {"{{ x | select('<>', 3) }}", "the test <> in select"},
      {"{{ x | reject('sameish') }}", "the test sameish in reject"},
      {"\n\n{{ x | selectattr('a', 'upper') }}", "line 3: the test upper in selectattr"},
      {"{{ x | rejectattr('a.b', 'sameish', 1) }}", "the test sameish in rejectattr"},
      {"{{ x.format(1) }}", "the method .format()"},
      {"{{ lipsum() }}", "the function lipsum()"},
      {"{% for x in y recursive %}{% endfor %}", "a recursive for loop"},
      {"{{ f(*a) }}", "the function f()"},
      {"{{ range(*a) }}", "* in a call"},
      {"{{ '\\N{DASH}' }}", "\\N{..}"},
      {"{% set x | upper %}a{% endset %}", "a filter on a {% set %} block"},
  };
  for (const auto& [source, message] : cases) {
    const absl::Status status = ParseStatus(source);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << source;
    EXPECT_NE(std::string(status.message()).find(message), std::string::npos) << status;
  }
}

TEST(ChatTemplate, NamesTheLineOfASyntaxError) {
  const Refusal cases[] = {
      {"{{ a", "a tag is not closed"},
      {"{% if a %}x", "endif is missing"},
      {"{% for x in y %}", "endfor is missing"},
      {"x\n{% endif %}", "line 2: unexpected {% endif %}"},
      {"{% if a %}{% endfor %}", "unexpected {% endfor %}"},
      {"{% %}", "unexpected {% %} %}"},
      {"{{ }}", "unexpected"},
      {"{{ a b }}", "unexpected 'b'"},
      {"{{ (a }}", "unexpected }"},
      {"{{ 'abc }}", "a string is not closed"},
      {"{# a", "a comment"},
      {"{% raw %}x", "a raw block"},
      {"{{ a[ ] }}", "an index is missing"},
      {"{{ a[1 2] }}", "] is missing"},
      {"{{ a[1:2:3:4] }}", "] is missing"},
      {"{{ a[::::] }}", "a slice has too many parts"},
      {"{{ a. }}", "a name is missing"},
      {"{{ a $ b }}", "unexpected character '$'"},
      {"{{ é }}", "unexpected character 'é'"},
      {"{% for in x %}{% endfor %}", "lacks its 'in'"},
      {"{% set = 1 %}", "a name is missing"},
      {"{% break %}", "outside of a for loop"},
      {"{{ 99999999999999999999 }}", "too large"},
      {"{{ '\\x4' }}", "lacks digits"},
      {"{{ '\\ud800' }}", "no character"},
  };
  for (const auto& [source, message] : cases) {
    const absl::Status status = ParseStatus(source);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << source << status;
    EXPECT_NE(std::string(status.message()).find("line "), std::string::npos) << status;
    EXPECT_NE(std::string(status.message()).find(message), std::string::npos) << status;
  }
}

TEST(ChatTemplate, SaysWhatWentWrongAndWhere) {
  const Refusal cases[] = {
      {"a\n{{ 'x' + none }}", "line 2: this operator does not take str and None"},
      {"{{ 'x' + y }}", "'y' is undefined"},
      {"{{ y.z }}", "'y' is undefined"},
      {"{{ raise_exception('No tools, please.') }}", "No tools, please."},
      {"{{ 1 // 0 }}", "division by zero"},
      {"{{ 9223372036854775807 + 1 }}", "an integer is too large"},
      {"{% for x in 5 %}{% endfor %}", "cannot be looped over"},
      {"{% set x.y = 1 %}", "x is not a namespace"},
      {"{{ y | tojson }}", "the value is undefined"},
      {"{{ {1: 2} }}", "keys of a dict must be strings"},
  };
  for (const auto& [source, message] : cases) {
    const absl::Status status = RenderStatus(source);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << source << status;
    EXPECT_NE(std::string(status.message()).find(message), std::string::npos) << status;
  }
}

TEST(ChatTemplate, StopsWhatTakesTooMuch) {
  const std::string cases[] = {
      "{% for x in range(100000) %}{% for y in range(100000) %}{% endfor %}{% endfor %}",
      "{{ range(1000000000) }}",
      "{{ 'x' * 1000000000 }}",
      "{{ [1] * 1000000000 }}",
      "{{ '' * 9000000000000000000 }}{{ ('x' * 9000000000000000000) }}",
      "{% set ns = namespace(a='xxxxxxxx') %}{% for i in range(100) %}{% set ns.a = ns.a + ns.a "
      "%}{% endfor %}",
      "{% for i in range(100000) "
      "%}0123456789012345678901234567890123456789012345678901234567890123456789"
      "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901"
      "234"
      "567890123456789012345678901234567890123456789{% endfor %}",
      "{% set ns = namespace(a=[]) %}{% for i in range(1000) %}{% set ns.a = [ns.a] %}{% endfor %}",
      "{% set ns = namespace(a={}) %}{% for i in range(1000) %}{% set ns.a = {'k': ns.a} %}{% "
      "endfor %}",
      "{% set a = 'x' * 10000000 %}{{ a | replace('x', a) }}",
      "{% set a = 'x' * 1000000 %}{{ ([a] * 1000) | join }}",
      "{% set ns = namespace(a=[]) %}{% for i in range(1000) %}"
      "{% set ns.a = ns.a + ['x' * 16000000] %}{% endfor %}",
  };
  for (const std::string& source : cases) {
    const absl::Status status = RenderStatus(source);
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << source << status;
  }
  EXPECT_EQ(RenderStatus("{{ 1 }}{{ 1 }}", {.max_steps = 3}).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(RenderStatus("0123456789", {.max_output_bytes = 5}).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(
      RenderStatus("{% if true %}{% if true %}x{% endif %}{% endif %}", {.max_depth = 2}).code(),
      absl::StatusCode::kResourceExhausted);
}

TEST(ChatTemplate, RefusesDeepNestingWhenItReads) {
  std::string blocks, brackets(5000, '('), sum = "{{ 1", nots = "{{ ", dots = "{{ a";
  for (int i = 0; i < 5000; ++i) {
    blocks += "{% if a %}";
    sum += " + 1";
    nots += "not ";
    dots += ".a";
  }
  for (const std::string& source :
       {blocks, "{{ " + brackets, sum + " }}", nots + "a }}", dots + " }}",
        "{{ " + std::string(5000, '-') + "1 }}", "{{ " + std::string(5000, '[')}) {
    EXPECT_EQ(ParseStatus(source).code(), absl::StatusCode::kInvalidArgument)
        << source.substr(0, 20);
  }
}

TEST(ChatTemplate, StopsAValueThatHoldsItselfTwiceAgainAndAgain) {
  for (const std::string twice : {"[ns.l, ns.l]", "{'a': ns.l, 'b': ns.l}", "(ns.l, ns.l)"}) {
    const absl::Status status = RenderStatus(
        "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = " + twice +
        " %}{% endfor %}{{ ns.l }}");
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  }
}

// Each loop's items hold the loop before.
TEST(ChatTemplate, SurvivesALongChainOfLoops) {
  EXPECT_TRUE(RenderStatus("{% set ns = namespace(l=1) %}{% for i in range(100000) %}"
                           "{% for x in [ns.l] %}{% set ns.l = loop %}{% endfor %}{% endfor %}")
                  .ok());
}

TEST(ChatTemplate, RefusesLoopsWhoseConditionsWaitForEachOther) {
  const absl::Status status = RenderStatus(
      "{% set ns = namespace(b=none) %}{% for x in range(3) if ns.b == none or ns.b.last %}"
      "{% set a = loop %}{% for y in range(3) if y >= 0 %}{% set ns.b = loop %}{{ a.last }}"
      "{% endfor %}{% endfor %}");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
}

TEST(ChatTemplate, CountsTheStepsOfALoopsCondition) {
  RenderLimits limits;
  limits.max_steps = 1000;
  for (const std::string use : {"", "{{ loop.length }}", "{{ loop.last }}"}) {
    const absl::Status status =
        RenderStatus("{% for x in range(900) if x == 0 %}" + use + "{% endfor %}", limits);
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << use << status;
  }
}

TEST(ChatTemplate, SurvivesNamespacesThatHoldEachOther) {
  EXPECT_TRUE(
      RenderStatus("{% set a = namespace() %}{% set b = namespace(a=a) %}{% set a.b = b %}{{ a }}")
          .ok());
  EXPECT_TRUE(RenderStatus("{% set ns = namespace() %}{% for i in range(20000) %}"
                           "{% set ns.p = namespace(p=ns.p) %}{% endfor %}")
                  .ok());
}

TEST(ChatTemplate, TakesTheTimeFromTheCaller) {
  const auto chat = ParseChatTemplate("{}", "{{ strftime_now('%Y') }}");
  ASSERT_TRUE(chat.ok());
  EXPECT_EQ((*chat)->Render(OrderedJson::object(), {.now_seconds = 86400 * 200})->text, "1970");
}

TEST(ChatTemplate, ReadsItsTokensFromTheConfiguration) {
  const auto chat = ParseChatTemplate(
      R"({"bos_token": {"content": "<s>"}, "eos_token": "</s>", "pad_token": null,
          "chat_template": [{"name": "tool_use", "template": "no"},
                            {"name": "default", "template": "{{ bos_token }}{{ eos_token }}{{ pad_token }}"}]})");
  ASSERT_TRUE(chat.ok()) << chat.status();
  const auto got = (*chat)->Render({{"bos_token", "mine"}});
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->text, "<s></s>");
  ASSERT_EQ(got->marks.size(), 1u);
  EXPECT_FALSE(got->marks[0].input);
}

TEST(ChatTemplate, TakesTheTemplateNamedToolUseWhereToolsAreGiven) {
  const auto chat = ParseChatTemplate(
      R"({"bos_token": "<s>", "chat_template": [
          {"name": "rag", "template": "{% no %}"},
          {"name": "tool_use", "template": "{{ bos_token }}tools {{ tools[0] }}{{ [] | length }}"},
          {"name": "default", "template": "default {{ tools }}"}]})");
  ASSERT_TRUE(chat.ok()) << chat.status();
  const auto text = [&](const OrderedJson& variables) {
    return (*chat)->Render(variables).value_or(RenderedChat{}).text;
  };
  EXPECT_EQ(text({{"tools", {"f"}}}), "<s>tools f0");
  EXPECT_EQ(text({{"tools", OrderedJson::array()}}), "<s>tools 0");  // as in transformers
  EXPECT_EQ(text({{"tools", nullptr}}), "default None");
  EXPECT_EQ(text(OrderedJson::object()), "default None");
  RenderLimits limits;
  limits.max_steps = 4;
  EXPECT_EQ((*chat)->Render({{"tools", {"f"}}}, limits).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(ChatTemplate, ReadsTheTemplateNamedToolUseAtLoad) {
  const auto status = [](const std::string& tool_use) {
    const OrderedJson config = {{"chat_template",
                                 {{{"name", "default"}, {"template", "x"}},
                                  {{"name", "tool_use"}, {"template", tool_use}}}}};
    return ParseChatTemplate(config.dump()).status();
  };
  EXPECT_TRUE(status("y").ok());
  EXPECT_EQ(status(std::string(70000, 'x')).code(), absl::StatusCode::kDataLoss);
  const absl::Status include = status("\n{% include 'x' %}");
  EXPECT_EQ(include.code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(
      std::string(include.message()),
      "chat template: line 2: {% include %} is not supported (in the template named tool_use)");
  EXPECT_EQ(ParseChatTemplate(R"({"chat_template": [{"name": "tool_use", "template": "x"}]})")
                .status()
                .code(),
            absl::StatusCode::kNotFound);
}

TEST(ChatTemplate, RefusesAConfigurationThatItCannotRead) {
  EXPECT_EQ(ParseChatTemplate("{").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ParseChatTemplate("[]").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ParseChatTemplate("{}").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ParseChatTemplate(R"({"chat_template": 3})").status().code(),
            absl::StatusCode::kNotFound);
}

TEST(ChatTemplate, OffersReasoningAndTheThinkingSwitchUnderTheirOtherNames) {
  const auto chat = ParseChatTemplate(
      "{}",
      "{{ messages[0].thinking }}{{ messages[0].reasoning }}{{ enable_thinking }}{{ thinking }}");
  const OrderedJson message = {{"role", "assistant"}, {"reasoning_content", "r"}};
  EXPECT_EQ((*chat)->Render({{"messages", {message}}, {"thinking", true}})->text, "rrTrueTrue");
  EXPECT_EQ((*chat)->Render({{"messages", {message}}, {"enable_thinking", false}})->text,
            "rrFalseFalse");
}

TEST(ChatTemplate, ContinuesTheFinalMessage) {
  const auto chat = ParseChatTemplate(
      "{}", "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}");
  const auto render = [&](const OrderedJson& content) {
    return (*chat)->Render(
        {{"messages", {{{"role", "a"}, {"content", content}}}}, {"continue_final_message", true}});
  };
  EXPECT_EQ(render("Once upon ")->text, "<a>Once upon ");
  EXPECT_EQ(render(OrderedJson()).status().code(), absl::StatusCode::kInvalidArgument);
  const auto deaf = ParseChatTemplate("{}", "hello");
  EXPECT_EQ((*deaf)
                ->Render({{"messages", {{{"role", "a"}, {"content", "x"}}}},
                          {"continue_final_message", true}})
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
}

// Python's integers have no largest one; those of JSON that we keep end at 2^64 - 1.
TEST(ChatTemplate, IntegersOfSixtyFourBitsKeepTheirDigits) {
  const OrderedJson variables =
      OrderedJson::parse(R"({"n": 18446744073709551615, "m": 9223372036854775808,
                             "l": [9223372036854775807, 9223372036854775808], "d": {"id": 1e3}})");
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{{ n }}", "18446744073709551615"},
      {"{{ n|tojson }}", "18446744073709551615"},
      {"{{ n|string ~ n }}", "1844674407370955161518446744073709551615"},
      {"{{ l }}", "[9223372036854775807, 9223372036854775808]"},
      {"{{ l|tojson }}", "[9223372036854775807, 9223372036854775808]"},
      {"{{ n|int }} {{ n|abs }}", "18446744073709551615 18446744073709551615"},
      {"{{ n is integer }} {{ n is number }} {{ n is float }}", "True True False"},
      {"{{ n == n }} {{ n == m }} {{ m in l }} {{ n in l }}", "True False True False"},
      {"{{ n > 5 }} {{ 'yes' if n }}", "True yes"},
      {"{{ n * 1.0 }} {{ n|float }}", "1.8446744073709552e+19 1.8446744073709552e+19"},
      {"{{ d }}", "{'id': 1000.0}"},
  };
  for (const auto& [source, text] : cases) {
    const auto chat = ParseChatTemplate("{}", source);
    ASSERT_TRUE(chat.ok()) << chat.status();
    const auto got = (*chat)->Render(variables);
    ASSERT_TRUE(got.ok()) << source << ": " << got.status();
    EXPECT_EQ(got->text, text) << source;
  }
}

TEST(ChatTemplate, RefusesVariablesThatAreNoObjectOrTooDeep) {
  const auto chat = ParseChatTemplate("{}", "x");
  EXPECT_FALSE((*chat)->Render(OrderedJson::array()).ok());
  OrderedJson deep;
  for (int i = 0; i < 200; ++i) deep = OrderedJson::array({deep});
  EXPECT_EQ((*chat)->Render({{"x", deep}}).status().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace deepseek::engine
