// Which texts the grammar of a schema lets through, and what it refuses to compile.
#include "agent/grammar/json_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/grammar/matcher.h"
#include "agent/grammar/tool_grammar.h"
#include "base/json_full.h"
#include "tests/support/agent/list_tokenizer.h"

namespace deepseek::agent::grammar {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<Grammar> Compile(std::string_view schema) {
  const OrderedJson json = OrderedJson::parse(schema);
  AnswerShape shape;
  shape.schema = &json;
  return CompileAnswer(shape);
}

bool Says(const std::shared_ptr<const Grammar>& grammar, std::string_view text) {
  static const auto tokenizer = testing::ListTokenizer({});
  static const auto vocabulary = std::make_shared<const Vocabulary>(*tokenizer, 256);
  Matcher matcher(grammar, vocabulary);
  const Matcher::Position at = matcher.AdvanceBytes(matcher.Start(), text);
  return at != Matcher::kNowhere && matcher.CanEnd(at);
}

struct Case {
  const char* schema;
  std::vector<const char*> yes;
  std::vector<const char*> no;
};

class SchemaTexts : public ::testing::TestWithParam<Case> {};

TEST_P(SchemaTexts, AreLetThroughOrNot) {
  auto compiled = Compile(GetParam().schema);
  ASSERT_TRUE(compiled.ok()) << compiled.status();
  const auto grammar = std::make_shared<const Grammar>(*std::move(compiled));
  for (const char* text : GetParam().yes) EXPECT_TRUE(Says(grammar, text)) << text;
  for (const char* text : GetParam().no) EXPECT_FALSE(Says(grammar, text)) << text;
}

INSTANTIATE_TEST_SUITE_P(
    Types, SchemaTexts,
    ::testing::Values(
        Case{R"({"type":"boolean"})", {"true", "false"}, {"null", "True", "", "true "}},
        Case{R"({"type":"null"})", {"null"}, {"nul", "0"}},
        Case{R"({"type":"integer"})",
             {"0", "-1", "123456789012345"},
             {"00", "01", "+1", "1.0", "1e3", "1234567890123456", "-"}},
        Case{R"({"type":"number"})",
             {"0", "-0.5", "12.25", "1e5", "1E-07", "3.0e+10"},
             {".5", "1.", "1e", "--1", "NaN", "1e999"}},
        Case{R"({"type":"string"})",
             {R"("")", R"("a b")", R"("\n\"\\")", R"("\u00e9")", "\"天气🙂\""},
             {"\"", "\"\n\"", R"("\x")", R"("\ud800")", "\"\xC0\x80\"", "\"\xED\xA0\x80\"",
              "\"\xF5\x80\x80\x80\"", "'a'"}},
        Case{R"({"type":["integer","null"]})", {"4", "null"}, {"\"4\""}},
        Case{R"({})", {"1", "[]", "{}", R"({"a": [1, {"b": null}]})", "\"x\""}, {"[1,]", "{1:2}"}},
        Case{R"(true)", {"[[], [[]]]"}, {"[", "]"}}));

INSTANTIATE_TEST_SUITE_P(
    Bounds, SchemaTexts,
    ::testing::Values(
        Case{R"({"type":"integer","minimum":0,"maximum":255})",
             {"0", "9", "10", "99", "100", "199", "255"},
             {"256", "-1", "300", "1000", "007"}},
        Case{R"({"type":"integer","minimum":-17,"maximum":8})",
             {"-17", "-16", "-9", "-1", "0", "8"},
             {"-18", "-20", "9", "-170"}},
        Case{R"({"type":"integer","exclusiveMinimum":99,"exclusiveMaximum":10001})",
             {"100", "5000", "10000"},
             {"99", "10001"}},
        Case{R"({"type":"integer","minimum":0.5,"maximum":2.5})", {"1", "2"}, {"0", "3"}},
        Case{R"({"type":"integer","minimum":1000000})", {"1000000", "999999999999"}, {"999999"}},
        Case{R"({"type":"number","minimum":0,"maximum":1})",
             {"0", "1", "0.5", "0.999999", "1.00"},
             {"1.01", "-0.1", "2"}},
        Case{R"({"type":"number","minimum":0.25,"maximum":0.75})",
             {"0.25", "0.50", "0.75"},
             {"0.24", "0.76", "0", "1"}},
        Case{R"({"type":"number","minimum":-1.5,"maximum":2.25})",
             {"-1.50", "-1", "-0.5", "0", "2", "2.25", "1.999"},
             {"-1.51", "-2", "2.26", "3"}},
        Case{R"({"type":"number","exclusiveMinimum":0})", {"0.01", "1", "17.5"}, {"0", "-1"}},
        Case{R"({"type":"string","minLength":2,"maxLength":3})",
             {R"("ab")", "\"天气\"", R"("a\nb")", R"("\u00e9a")"},
             {R"("a")", R"("abcd")", "\"天\""}},
        Case{R"({"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":3})",
             {"[1]", "[1, 2]", "[1,2,3]"},
             {"[]", "[1,2,3,4]", "[1,]", "[\"1\"]"}},
        Case{R"({"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}]})",
             {"[]", "[1]", "[1, \"a\"]"},
             {"[1, \"a\", 2]", "[\"a\"]"}},
        Case{R"({"type":"array","maxItems":0})", {"[]"}, {"[1]"}}));

INSTANTIATE_TEST_SUITE_P(
    Objects, SchemaTexts,
    ::testing::Values(
        Case{R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"null"}},
                 "required":["a"]})",
             {R"({"a": 1})", R"({"a":1,"b":null})", R"({"a": 1, "b": null})"},
             {R"({})", R"({"b": null})", R"({"a": 1, "c": 1})", R"({"b": null, "a": 1})",
              R"({"a": 1,})", R"({ "a": 1})"}},
        Case{R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}}})",
             {"{}", R"({"a": 1})", R"({"b": 1})", R"({"a": 1, "b": 2})"},
             {R"({, "b": 1})", R"({"c": 1})"}},
        Case{R"({"type":"object","properties":{"ab":{"type":"null"}},
                 "additionalProperties":{"type":"integer"}})",
             {"{}", R"({"ab": null})", R"({"ab": null, "a": 1, "abc": 2})", R"({"b": 1})",
              R"({"b\n": 1})"},
             {R"({"ab": 1})", R"({"x": null})", R"({"\u0061b": 1})", R"({"a\u0062": 1})"}},
        Case{R"({"type":"object","additionalProperties":{"type":"integer"}})",
             {"{}", R"({"x": 1, "y": 2})"},
             {R"({"x": "1"})"}},
        Case{R"({"type":"object"})", {"{}", R"({"x": [1]})"}, {"[]"}},
        Case{R"({"type":"object","properties":{}})", {"{}"}, {R"({"x": 1})"}},
        Case{R"({"required":["k"],"type":"object"})", {R"({"k": 1})"}, {"{}"}},
        Case{R"({"properties":{"a\"ü":{"const":1}},"required":["a\"ü"]})",
             {R"({"a\"ü": 1})"},
             {R"({"a": 1})"}}));

INSTANTIATE_TEST_SUITE_P(
    Unions, SchemaTexts,
    ::testing::Values(
        Case{R"({"enum":["a","ab",1,null,{"k":[1]}]})",
             {R"("a")", R"("ab")", "1", "null", R"({"k":[1]})"},
             {R"("abc")", "2"}},
        Case{R"({"enum":["a",1],"type":"string"})", {R"("a")"}, {"1"}},
        Case{R"({"const":"x","enum":["x","y"]})", {R"("x")"}, {R"("y")"}},
        Case{R"({"anyOf":[{"type":"integer"},{"type":"string","maxLength":1}]})",
             {"12", R"("a")"},
             {R"("ab")", "null"}},
        Case{R"({"oneOf":[{"type":"object","properties":{"kind":{"const":"a"},"n":{"type":"null"}},
                           "required":["kind","n"]},
                          {"type":"object","properties":{"kind":{"const":"b"}},"required":["kind"]}]})",
             {R"({"kind": "a", "n": null})", R"({"kind": "b"})"},
             {R"({"kind": "a"})", R"({"kind": "c"})"}},
        Case{R"({"allOf":[{"type":"integer","minimum":3},{"maximum":5}]})", {"3", "5"}, {"2", "6"}},
        Case{R"({"type":"object","anyOf":[{"properties":{"a":{"const":1}},"required":["a"]},
                                          {"properties":{"b":{"const":2}},"required":["b"]}]})",
             {R"({"a": 1})", R"({"b": 2})"},
             {"{}"}},
        Case{R"({"$ref":"#/$defs/t","$defs":{"t":{"type":"array","items":{"$ref":"#/$defs/t"}}}})",
             {"[]", "[[], [[]]]"},
             {"[1]"}},
        Case{R"({"type":"object","properties":{"next":{"anyOf":[{"$ref":"#"},{"type":"null"}]}},
                 "required":["next"]})",
             {R"({"next": null})", R"({"next": {"next": null}})"},
             {R"({"next": {}})"}},
        Case{R"({"$ref":"#/definitions/a~1b","definitions":{"a/b":{"const":7}}})", {"7"}, {"8"}}));

INSTANTIATE_TEST_SUITE_P(
    Patterns, SchemaTexts,
    ::testing::Values(
        Case{R"({"type":"string","pattern":"^[a-c]{2,3}$"})",
             {R"("ab")", R"("abc")"},
             {R"("a")", R"("abcd")", R"("xab")"}},
        Case{R"({"type":"string","pattern":"b+"})",
             {R"("b")", R"("abba")", "\"天b\""},
             {R"("a")", R"("")"}},
        Case{R"({"type":"string","pattern":"^https?://"})",
             {R"("http://x")", R"("https://")"},
             {R"("ftp://")"}},
        Case{R"({"type":"string","pattern":"^(a|bc)*d?$"})",
             {R"("")", R"("abca")", R"("d")"},
             {R"("b")", R"("dd")"}},
        Case{R"({"type":"string","pattern":"^[^a]$"})",
             {R"("b")", "\"天\"", R"("\"")", R"("\\")", R"("\n")"},
             {R"("a")", R"("")", R"("bb")"}},
        Case{R"({"type":"string","pattern":"^\\d{3}-\\w\\s$"})", {R"("123-a ")"}, {R"("123-- ")"}},
        Case{R"({"type":"string","pattern":"^a$|^b"})", {R"("a")", R"("bx")"}, {R"("ax")"}},
        Case{R"({"type":"string","pattern":"^[\\u4e00-\\u9fa5]{1,2}$"})", {"\"天气\""}, {R"("a")"}},
        Case{
            R"({"type":"string","pattern":"^[a-z]{1,8}$","maxLength":8})", {R"("abc")"}, {R"("")"}},
        Case{R"({"type":"string","format":"date"})",
             {R"("2024-12-31")"},
             {R"("2024-13-01")", R"("2024-02-30")"}},
        Case{R"({"type":"string","format":"date-time"})",
             {R"("2024-12-31T23:59:59Z")", R"("2024-01-01T00:00:00.5+02:00")"},
             {R"("2024-12-31")"}},
        Case{R"({"type":"string","format":"uuid"})",
             {R"("123e4567-e89b-12d3-a456-426614174000")"},
             {R"("123e4567")"}},
        Case{R"({"type":"string","format":"ipv4"})", {R"("10.0.255.1")"}, {R"("256.1.1.1")"}},
        Case{R"({"type":"string","format":"email"})", {R"("a.b@x.org")"}, {R"("a@")"}},
        Case{R"({"type":"string","format":"uri"})", {R"("https://a.de/x")"}, {R"("a b")"}}));

struct Refusal {
  const char* schema;
  const char* says;
};

class SchemaRefusals : public ::testing::TestWithParam<Refusal> {};

TEST_P(SchemaRefusals, NameWhatIsWrong) {
  const auto grammar = Compile(GetParam().schema);
  ASSERT_EQ(grammar.status().code(), absl::StatusCode::kInvalidArgument) << GetParam().schema;
  EXPECT_THAT(std::string(grammar.status().message()), HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    All, SchemaRefusals,
    ::testing::Values(
        Refusal{R"({"type":"integer","multipleOf":3})", "$: 'multipleOf'"},
        Refusal{R"({"type":"object","properties":{"a":{"not":{}}}})", "$.a: 'not'"},
        Refusal{R"({"type":"object","patternProperties":{}})", "patternProperties"},
        Refusal{R"({"type":"object","minProperties":1})", "minProperties"},
        Refusal{R"({"type":"object","propertyNames":{}})", "propertyNames"},
        Refusal{R"({"if":{},"then":{}})", "'if'"},
        Refusal{R"({"type":"array","contains":{}})", "contains"},
        Refusal{R"({"type":"array","uniqueItems":true})", "uniqueItems"},
        Refusal{R"({"type":"string","format":"regex"})", "'format' 'regex'"},
        Refusal{R"-({"type":"string","pattern":"(?=a)"})-", "look-around"},
        Refusal{R"({"type":"string","pattern":"(a)\\1"})", "'\\1'"},
        Refusal{R"({"type":"string","pattern":"\\bx"})", "'\\b'"},
        Refusal{R"({"type":"string","pattern":"a**"})", "repetition"},
        Refusal{R"({"type":"string","pattern":"(a"})", "'('"},
        Refusal{R"({"type":"string","pattern":"[a"})", "'['"},
        Refusal{R"({"type":"string","pattern":"^(((a{1,99}){1,99}){1,99})$"})", "too large"},
        Refusal{R"({"type":"string","pattern":"^a*$","maxLength":3})", "'minLength'"},
        Refusal{R"({"type":"string","pattern":3})", "must be a string"},
        Refusal{R"({"type":"strnig"})", "strnig"}, Refusal{R"({"type":7})", "'type' 7"},
        Refusal{R"({"oneOf":[{"type":"integer"},{"type":"number"}]})", "'oneOf'"},
        Refusal{R"({"$ref":"https://example.org/s"})", "$ref"},
        Refusal{R"({"$ref":"#/$defs/none"})", "$ref"},
        Refusal{R"({"$ref":"#"})", "leads back to itself"},
        Refusal{
            R"({"$defs":{"a":{"anyOf":[{"$ref":"#/$defs/a"},{"type":"null"}]}},"$ref":"#/$defs/a"})",
            "leads back to itself"},
        Refusal{R"({"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]})",
                "nothing can satisfy"},
        Refusal{R"(false)", "nothing can satisfy"},
        Refusal{R"({"enum":[]})", "nothing can satisfy"},
        Refusal{R"({"type":"integer","minimum":3,"maximum":2})", "between its bounds"},
        Refusal{R"({"type":"number","minimum":1e300})", "'minimum'"},
        Refusal{R"({"type":"string","minLength":3,"maxLength":2})", "'minLength'"},
        Refusal{R"({"type":"string","minLength":-1})", "'minLength'"},
        Refusal{R"({"type":"array","minItems":2,"maxItems":1})", "'minItems'"},
        Refusal{R"({"type":"object","required":"a"})", "'required'"},
        Refusal{R"({"type":"object","properties":[]})", "'properties'"},
        Refusal{R"({"anyOf":{}})", "'anyOf'"}, Refusal{R"({"allOf":[]})", "'allOf'"},
        Refusal{R"({"type":"object","properties":{"a":5}})", "$.a"},
        Refusal{R"([1])", "must be an object"}));

TEST(Schema, WhatWouldMultiplyIsRefusedInTime) {
  // Each level doubles the one below; nothing of it adds a state.
  OrderedJson schema = {{"$defs", OrderedJson::object()}, {"$ref", "#/$defs/d0"}};
  for (int i = 0; i < 40; ++i) {
    const OrderedJson next = {{"$ref", "#/$defs/d" + std::to_string(i + 1)}};
    schema["$defs"]["d" + std::to_string(i)] = {
        {"anyOf", {{{"allOf", {next, {{"title", "a"}}}}}, {{"allOf", {next, {{"title", "b"}}}}}}}};
  }
  schema["$defs"]["d40"] = false;
  AnswerShape shape;
  shape.schema = &schema;
  EXPECT_FALSE(CompileAnswer(shape).ok());
}

TEST(Schema, NestingEndsBeforeParsersGiveUp) {
  const auto grammar = std::make_shared<const Grammar>(*Compile("{}"));
  std::string deep;
  for (int i = 0; i < 40; ++i) deep += "[";
  EXPECT_TRUE(Says(grammar, deep + std::string(40, ']')));
  EXPECT_FALSE(Says(grammar, std::string(200, '[') + std::string(200, ']')));
}

}  // namespace
}  // namespace deepseek::agent::grammar
