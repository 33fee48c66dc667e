// What calls may be said in the formats of V3.2, V4, Qwen and Llama, and in V3's without its
// tokens.
#include <gtest/gtest.h>

#include "agent/grammar/constraint.h"
#include "agent/grammar/tool_grammar.h"
#include "base/json_full.h"
#include "base/strings.h"
#include "tests/support/agent/list_tokenizer.h"

namespace deepseek::agent::grammar {
namespace {

class CallGrammar : public ::testing::Test {
 protected:
  void Start(CallStyle style) {
    tokenizer_ = testing::ListTokenizer({">\n", "\n\n", "</", "\">", "tr", "true", "Paris", " \"",
                                         "\": ", "\": {", "\": [", "｜>x"},
                                        {"<eos>", "<think>", "</think>", "｜DSML｜", "<tool_call>",
                                         "</tool_call>", "<|python_tag|>"});
    vocabulary_ = std::make_shared<const Vocabulary>(*tokenizer_, tokenizer_->size());
    shape_.style = style;
    shape_.block = "tool_calls";
    ASSERT_TRUE(FindCallTokens(*tokenizer_, style, &shape_.tokens));
  }
  /// `auto_choice`: behind the first token of a call.
  void Make(bool auto_choice = false) {
    shape_.behind_begin = auto_choice && !shape_.tokens.spelled;
    auto grammar = CompileAnswer(shape_);
    ASSERT_TRUE(grammar.ok()) << grammar.status();
    auto plan = std::make_shared<ConstraintPlan>();
    plan->matcher = std::make_shared<Matcher>(std::make_shared<const Grammar>(*std::move(grammar)),
                                              vocabulary_);
    if (auto_choice) {
      plan->trigger = shape_.tokens.first();
      plan->openings = CallOpenings(shape_);
      plan->opens_answer = shape_.style == CallStyle::kObject;
    }
    plan->stop_ids = {tokenizer_->TokenId("<eos>")};
    constraint_ = MakeConstraint(plan, *tokenizer_);
  }
  bool May(int32_t id, int32_t tokens_left = 1000) {
    const uint64_t* mask = constraint_->Allowed(tokens_left);
    return mask == nullptr || (mask[id / 64] >> (id % 64) & 1) != 0;
  }
  bool May(std::string_view token) { return May(tokenizer_->Encode(token, {}).front()); }
  /// Where `text` stops being allowed; its size: nowhere.
  size_t Say(std::string_view text) {
    size_t said = 0;
    for (const int32_t id : tokenizer_->Encode(text, engine::AddedTokens::kAll)) {
      if (!May(id)) return said;
      constraint_->Accept(id);
      said += tokenizer_->TokenBytes(id).size();
    }
    return said;
  }
  void SayAll(std::string_view text) {
    const size_t said = Say(text);
    ASSERT_EQ(said, text.size()) << text.substr(0, said) << " | " << text.substr(said);
  }
  bool MayEnd() { return May(tokenizer_->TokenId("<eos>")); }

  std::unique_ptr<engine::Tokenizer> tokenizer_;
  std::shared_ptr<const Vocabulary> vocabulary_;
  std::unique_ptr<engine::TokenConstraint> constraint_;
  AnswerShape shape_;
  const OrderedJson weather_ = OrderedJson::parse(R"({"type":"object","properties":{
      "city":{"type":"string"},"unit":{"enum":["C","F",1]},"days":{"type":"integer","maximum":9},
      "at":{"anyOf":[{"type":"string"},{"type":"null"}]}},"required":["city","days"]})");
};

constexpr char kInvoke[] = "<｜DSML｜invoke name=\"w\">\n";
constexpr char kEndCall[] = "</｜DSML｜invoke>\n";
constexpr char kEndBlock[] = "</｜DSML｜tool_calls>";

std::string Parameter(std::string_view name, bool text, std::string_view value) {
  return StrCat("<｜DSML｜parameter name=\"", name, "\" string=\"", text ? "true" : "false", "\">",
                value, "</｜DSML｜parameter>\n");
}

TEST_F(CallGrammar, DsmlKeepsToTheSchema) {
  Start(CallStyle::kDsml);
  shape_.tools = {{"w", &weather_, true}, {"ww", nullptr, false}};
  struct {
    std::string arguments;
    bool good;
  } cases[] = {
      {Parameter("city", true, "Zürich </b> \"x\"\n") + Parameter("days", false, "3"), true},
      {Parameter("city", true, "") + Parameter("unit", true, "F") + Parameter("days", false, "3") +
           Parameter("at", false, "null"),
       true},
      {Parameter("city", true, "a") + Parameter("unit", false, "1") +
           Parameter("days", false, "3") + Parameter("at", true, "noon"),
       true},
      {Parameter("city", true, "a"), false},
      {Parameter("city", false, "\"a\""), false},
      {Parameter("days", false, "3"), false},
      {Parameter("city", true, "a") + Parameter("unit", true, "K"), false},
      {Parameter("city", true, "a") + Parameter("days", false, "10"), false},
      {Parameter("city", true, "a") + Parameter("days", true, "3"), false},
      {Parameter("town", true, "a"), false}};
  for (const auto& c : cases) {
    for (const bool automatic : {false, true}) {
      Make(automatic);
      const std::string text =
          StrCat("\n\n<｜DSML｜tool_calls>\n", kInvoke, c.arguments, kEndCall, kEndBlock);
      EXPECT_EQ(Say(text) == text.size(), c.good) << text;
      EXPECT_EQ(constraint_->Complete(), c.good);
    }
  }
}

TEST_F(CallGrammar, DsmlSeveralCallsOrOne) {
  Start(CallStyle::kDsml);
  const OrderedJson none = OrderedJson::parse(R"({"type":"object","properties":{}})");
  shape_.tools = {{"w", &none, false}};
  const std::string call = StrCat(kInvoke, kEndCall);
  for (const bool parallel : {true, false}) {
    shape_.parallel_calls = parallel;
    Make();
    EXPECT_FALSE(May("x")) << "a call is required";
    EXPECT_FALSE(MayEnd());
    SayAll(StrCat("<｜DSML｜tool_calls>\n", call));
    EXPECT_FALSE(MayEnd());
    const std::string text = StrCat(call, kEndBlock);
    EXPECT_EQ(Say(text) == text.size(), parallel);
  }
}

TEST_F(CallGrammar, DsmlToolsWithoutAUsableSchemaTakeAnyParameters) {
  Start(CallStyle::kDsml);
  const OrderedJson odd = OrderedJson::parse(R"({"type":"object","minProperties":1})");
  const OrderedJson map =
      OrderedJson::parse(R"({"type":"object","additionalProperties":{"type":"integer"}})");
  for (const OrderedJson* schema : {&odd, static_cast<const OrderedJson*>(nullptr), &map}) {
    shape_.tools = {{"w", schema, false}};
    Make();
    SayAll(StrCat("<｜DSML｜tool_calls>\n", kInvoke, Parameter("é b", false, "7")));
    const std::string text = Parameter("x", true, "free");
    EXPECT_EQ(Say(text) == text.size(), schema != &map);
  }
}

TEST_F(CallGrammar, DsmlNamesWhatAStrictToolCannotHave) {
  Start(CallStyle::kDsml);
  for (const auto& [schema, why] :
       {std::pair{R"({"type":"object","properties":{"a":{"type":"string","pattern":"^x$"}}})",
                  "$.properties.a: 'pattern' of a text"},
        {R"({"type":"object","properties":{"a\"":{"type":"string"}}})", "the name \"a\\\"\""},
        {R"({"anyOf":[{"type":"object"}]})", "'anyOf'"},
        {R"({"type":"object","minProperties":1})", "'minProperties'"},
        {R"({"type":"object","properties":{"a":{}},"required":["b"]})", "\"b\" is required"}}) {
    const OrderedJson parameters = OrderedJson::parse(schema);
    shape_.tools = {{"w", &parameters, true}};
    const auto strict = CompileAnswer(shape_);
    EXPECT_EQ(strict.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(strict.status().message().find("tools[0].function.parameters: "),
              absl::string_view::npos);
    EXPECT_NE(strict.status().message().find(why), absl::string_view::npos) << strict.status();
    shape_.tools[0].strict = false;
    EXPECT_TRUE(CompileAnswer(shape_).ok());
  }
}

TEST_F(CallGrammar, DsmlIsLedToItsEnd) {
  Start(CallStyle::kDsml);
  shape_.tools = {{"w", &weather_, false}};
  Make();
  SayAll(StrCat("<｜DSML｜tool_calls>\n", kInvoke,
                "<｜DSML｜parameter name=\"city\" string=\"true\">a"));
  const int32_t more = tokenizer_->TokenId("Paris"), end = tokenizer_->TokenId("</");
  EXPECT_TRUE(May(more, 1000));
  bool led = false;
  for (int32_t left = 120; left > 60 && !led; --left) led = !May(more, left) && May(end, left);
  EXPECT_TRUE(led) << "the text ends where the rest of the block has just room";
}

TEST_F(CallGrammar, TaggedCalls) {
  Start(CallStyle::kTagged);
  shape_.tools = {{"w", &weather_, false}, {"now", nullptr, false}};
  const std::string call =
      "<tool_call>\n{\"name\": \"w\", \"arguments\": {\"city\": \"a\", \"days\": 2}}\n</tool_call>";
  for (const bool parallel : {true, false}) {
    shape_.parallel_calls = parallel;
    Make();
    EXPECT_FALSE(May("x"));
    EXPECT_FALSE(MayEnd());
    SayAll(call);
    EXPECT_TRUE(MayEnd());
    EXPECT_EQ(constraint_->Complete(), !parallel);
    EXPECT_EQ(Say("\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>") > 0,
              parallel);
  }
  Make();
  EXPECT_EQ(Say("<tool_call>\n{\"name\": \"w\", \"arguments\": {\"days\""),
            std::string_view("<tool_call>\n{\"name\": \"w\", \"arguments\": {\"").size());
}

TEST_F(CallGrammar, CallsInReasoningAreNone) {
  Start(CallStyle::kTagged);
  shape_.tools = {{"w", nullptr, false}};
  Make(/*auto_choice=*/true);
  SayAll("\n<think>I could say <tool_call>x</think>\n\nHm. <tool_call>");
  EXPECT_FALSE(May("x"));
  SayAll("\n{\"name\": \"w\"");
  Make(/*auto_choice=*/true);
  SayAll("No <think> <tool_call>");
  EXPECT_FALSE(May("x")) << "only the answer's first word opens reasoning";
}

TEST_F(CallGrammar, TokensOfAnotherStyleAreNotEnough) {
  CallTokens tokens;
  const auto plain = testing::ListTokenizer({"<tool_call>", "</tool_call>", "｜DSML｜"});
  EXPECT_FALSE(FindCallTokens(*plain, CallStyle::kTagged, &tokens)) << "words are no tokens";
  EXPECT_FALSE(FindCallTokens(*plain, CallStyle::kDsml, &tokens));
  EXPECT_TRUE(FindCallTokens(*plain, CallStyle::kFenced, &tokens));
  EXPECT_TRUE(tokens.spelled) << "these have letters, if the tokenizer has none of them";
  const auto some = testing::ListTokenizer({}, {"<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"});
  EXPECT_FALSE(FindCallTokens(*some, CallStyle::kFenced, &tokens));
  EXPECT_FALSE(tokens.spelled);
}

TEST_F(CallGrammar, AnObjectIsTheWholeAnswer) {
  Start(CallStyle::kObject);
  shape_.tools = {{"w", &weather_, true}, {"ww", nullptr, false}};
  for (const bool automatic : {false, true}) {
    for (const std::string tag : {"", "<|python_tag|>"}) {
      const auto says = [&](std::string_view text) {
        Make(automatic);
        const std::string all = StrCat(tag, text);
        return Say(all) == all.size();
      };
      EXPECT_TRUE(says(R"({"name": "w", "parameters": {"city": "Paris", "days": 3}})"));
      EXPECT_TRUE(constraint_->Complete());
      EXPECT_TRUE(says(R"({"name": "ww", "parameters": {"x": [1]}})"));
      EXPECT_FALSE(says(R"({"name": "w", "parameters": {"city": "Paris"}})"));
      EXPECT_FALSE(says(R"({"name": "w", "parameters": {"town": "x", "days": 3}})"));
      EXPECT_FALSE(says(R"({"name": "w", "parameters": {"city": "a", "days": 3}} x)"));
      EXPECT_EQ(says(R"({"name": "v", "parameters": {}})"), automatic && tag.empty());
    }
  }
}

TEST_F(CallGrammar, ArgumentsAreAnObjectWhateverTheSchemaSays) {
  Start(CallStyle::kObject);
  for (const char* text :
       {"{}", R"({"properties":{"a":{"type":"integer"}}})", R"({"type":["null","object"]})",
        R"({"type":"integer"})", R"({"$ref":"#/$defs/x","$defs":{"x":{"type":"object"}}})"}) {
    const OrderedJson schema = OrderedJson::parse(text);
    shape_.tools = {{"w", &schema, false}};
    const std::string head = R"({"name": "w", "parameters": )";
    for (const char* wrong : {"3", "null", "[]", "\"a\""}) {
      Make();
      EXPECT_LE(Say(head + wrong), head.size()) << text << wrong;
    }
    Make();
    SayAll(head + "{");
  }
  const OrderedJson number = OrderedJson::parse(R"({"type":"integer"})");
  shape_.tools = {{"w", &number, true}};
  EXPECT_EQ(CompileAnswer(shape_).status().message(),
            "tools[0].function.parameters: $.type: \"integer\", but the arguments of a call are an "
            "object");
}

TEST_F(CallGrammar, AFreeAnswerIsNoObject) {
  Start(CallStyle::kObject);
  shape_.tools = {{"w", &weather_, true}};
  for (const std::string text :
       {R"({"name": "Bob", "age": 7})", R"(Say {"name": "w", "parameters": {"x": 1}})",
        R"(<think>{"name": "w", "parameters": {"x": 1}}</think>no)", R"({"name":"w"})", "{}"}) {
    Make(/*auto_choice=*/true);
    SayAll(text);
    EXPECT_TRUE(MayEnd()) << text;
  }
  Make(/*auto_choice=*/true);
  SayAll("<think>hm</think>\n\n{\"name\": \"w\", \"parameters\": {\"city\": ");
  EXPECT_FALSE(MayEnd()) << "a call, behind the reasoning";
  EXPECT_FALSE(May("7"));
  Make(/*auto_choice=*/true);
  for (const char c : std::string_view("<think>hm</think>")) constraint_->Accept(c);
  SayAll("{\"name\": \"w\", \"parameters\": {\"city\": ");
  EXPECT_FALSE(MayEnd()) << "the same where the marks of reasoning are letters";
}

TEST_F(CallGrammar, ATokenThatOpensACallGoesOnAsOne) {
  Start(CallStyle::kObject);
  shape_.tools = {{"w", &weather_, true}};
  Make(/*auto_choice=*/true);
  SayAll("{\"name\": \"w\", \"parameters");
  EXPECT_FALSE(May("\": ["));
  EXPECT_TRUE(May("\": {"));
  EXPECT_TRUE(May("x")) << "then it is no call";
  SayAll("\": {\"");
  EXPECT_FALSE(May("d")) << "city comes first";
  EXPECT_TRUE(May("c"));
}

TEST_F(CallGrammar, WithoutTokensTheMarksAreWrittenOut) {
  Start(CallStyle::kFenced);
  ASSERT_TRUE(shape_.tokens.spelled);
  ASSERT_EQ(shape_.tokens.first(), -1);
  shape_.tools = {{"w", &weather_, true}};
  const auto call = [](std::string_view arguments) {
    return StrCat("<｜tool▁call▁begin｜>function<｜tool▁sep｜>w\n```json\n", arguments,
                  "\n```<｜tool▁call▁end｜>");
  };
  const std::string good = call(R"({"city": "Paris", "days": 3})"),
                    begin = "<｜tool▁calls▁begin｜>", end = "<｜tool▁calls▁end｜>";
  for (const bool automatic : {false, true}) {
    const std::string before = automatic ? "Look <｜tool▁cal" : "";
    const auto says = [&](const std::string& text) {
      Make(automatic);
      return Say(before + text) == before.size() + text.size();
    };
    EXPECT_TRUE(says(StrCat(begin, good, "\n", good, end)));
    EXPECT_TRUE(constraint_->Complete());
    EXPECT_FALSE(says(StrCat(begin, call(R"({"city": "Paris"})"), end)));
    EXPECT_FALSE(says(StrCat(begin, "x")));
    EXPECT_FALSE(says(StrCat(begin, good, "x")));
    EXPECT_EQ(says("x"), automatic);
  }
  Make(/*auto_choice=*/true);
  SayAll("<｜tool▁calls▁begin");
  EXPECT_FALSE(May("｜>x")) << "a call begins here";
  EXPECT_TRUE(May("x"));
}

}  // namespace
}  // namespace deepseek::agent::grammar
