// When a constraint begins to hold, and what it lets end an answer.
#include "agent/grammar/constraint.h"

#include <gtest/gtest.h>

#include "agent/grammar/tool_grammar.h"
#include "base/json_full.h"
#include "tests/support/agent/list_tokenizer.h"

namespace deepseek::agent::grammar {
namespace {

class ConstraintTest : public ::testing::Test {
 protected:
  ConstraintTest() {
    tokenizer_ = testing::ListTokenizer(
        {">x", ">\n", "k>", "k>{"},
        {"<eos>", "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>",
         "<｜tool▁call▁end｜>", "<｜tool▁sep｜>", "</think>"});
    vocabulary_ = std::make_shared<const Vocabulary>(*tokenizer_, tokenizer_->size());
    eos_ = Id("<eos>");
    EXPECT_TRUE(FindCallTokens(*tokenizer_, CallStyle::kFenced, &shape_.tokens));
  }
  int32_t Id(std::string_view token) const { return tokenizer_->TokenId(token); }

  void Make(bool begins_thinking, int32_t trigger = -1) {
    auto plan = std::make_shared<ConstraintPlan>();
    plan->matcher = std::make_shared<Matcher>(
        std::make_shared<const Grammar>(*CompileAnswer(shape_)), vocabulary_);
    plan->begins_thinking = begins_thinking;
    plan->trigger = trigger;
    plan->stop_ids = {eos_};
    plan->stop_ids.insert(plan->stop_ids.end(), more_stops_.begin(), more_stops_.end());
    constraint_ = MakeConstraint(plan, *tokenizer_);
  }
  bool May(int32_t id) {
    const uint64_t* mask = constraint_->Allowed(1000);
    return mask == nullptr || (mask[id / 64] >> (id % 64) & 1) != 0;
  }
  void Say(std::string_view text) {
    for (const int32_t id : tokenizer_->Encode(text, engine::AddedTokens::kAll)) {
      ASSERT_TRUE(May(id)) << tokenizer_->TokenBytes(id) << " of " << text;
      constraint_->Accept(id);
    }
  }

  std::unique_ptr<engine::Tokenizer> tokenizer_;
  std::shared_ptr<const Vocabulary> vocabulary_;
  std::unique_ptr<engine::TokenConstraint> constraint_;
  AnswerShape shape_;
  OrderedJson schema_ = {{"type", "integer"}};
  int32_t eos_ = 0;
  std::vector<int32_t> more_stops_;
};

TEST_F(ConstraintTest, HoldsFromTheStart) {
  shape_.schema = &schema_;
  Make(false);
  EXPECT_FALSE(May('x'));
  EXPECT_FALSE(May(eos_));
  Say("4");
  EXPECT_TRUE(May(eos_)) << "4 is an integer";
  EXPECT_TRUE(May('2')) << "and 42 too";
  EXPECT_FALSE(constraint_->Complete());
}

TEST_F(ConstraintTest, AStopIdThatIsTextEndsOnlyWhatMayEnd) {
  shape_.schema = &schema_;
  more_stops_ = {'2', '-'};
  Make(false);
  EXPECT_TRUE(May('2')) << "as text";
  EXPECT_FALSE(constraint_->MayEnd());
  Say("2");
  EXPECT_TRUE(constraint_->MayEnd());
  EXPECT_TRUE(May('-')) << "as the end";
  Make(true);
  Say("hm");
  EXPECT_FALSE(May('2')) << "nothing ends in thoughts";
}

TEST_F(ConstraintTest, IsCompleteWhenNothingCanFollow) {
  schema_ = {{"type", "boolean"}};
  shape_.schema = &schema_;
  Make(false);
  Say("true");
  EXPECT_TRUE(constraint_->Complete());
}

TEST_F(ConstraintTest, ThinkingIsFreeButMustEnd) {
  shape_.schema = &schema_;
  shape_.leading_space = true;
  Make(true);
  EXPECT_FALSE(May(eos_)) << "an answer is promised";
  Say("4 or {x>x}?");
  constraint_->Accept(Id("</think>"));
  EXPECT_FALSE(May('x'));
  Say("\n\n7");
  EXPECT_TRUE(May(eos_));
}

TEST_F(ConstraintTest, AMarkInLettersEndsThinkingToo) {
  shape_.schema = &schema_;
  shape_.leading_space = true;
  Make(true);
  EXPECT_TRUE(May(Id(">x")));
  Say("hm </thin");
  EXPECT_TRUE(May(Id("k>")));
  EXPECT_FALSE(May(Id("k>{"))) << "it would run on into the answer";
  Say("k");
  EXPECT_FALSE(May(Id(">x")));
  EXPECT_TRUE(May(Id(">\n")));
  Say(">7");
  EXPECT_TRUE(May(eos_));
}

TEST_F(ConstraintTest, CallsAreFreeUntilTheyBegin) {
  schema_ = {
      {"type", "object"}, {"properties", {{"n", {{"type", "integer"}}}}}, {"required", {"n"}}};
  shape_.tools = {{"f", &schema_, false}, {"g", nullptr, false}};
  shape_.behind_begin = true;
  Make(false, shape_.tokens.calls_begin);
  Say("Let me see.");
  EXPECT_TRUE(May(eos_));
  constraint_->Accept(shape_.tokens.calls_begin);
  EXPECT_FALSE(May('x'));
  EXPECT_FALSE(May(eos_));
  constraint_->Accept(shape_.tokens.call_begin);
  Say("function");
  EXPECT_FALSE(May('s'));
  constraint_->Accept(shape_.tokens.separator);
  EXPECT_TRUE(May('g'));
  Say("f\n```json\n{\"n\": 3}\n```");
  constraint_->Accept(shape_.tokens.call_end);
  EXPECT_TRUE(May('\n')) << "another call";
  constraint_->Accept(shape_.tokens.calls_end);
  EXPECT_TRUE(constraint_->Complete());
}

TEST_F(ConstraintTest, OneCallInThePlainStyle) {
  shape_.tools = {{"f", nullptr, false}};
  shape_.style = CallStyle::kPlain;
  shape_.parallel_calls = false;
  Make(false);
  EXPECT_FALSE(May('x')) << "a call is required";
  constraint_->Accept(shape_.tokens.calls_begin);
  constraint_->Accept(shape_.tokens.call_begin);
  Say("f");
  constraint_->Accept(shape_.tokens.separator);
  Say("{}");
  constraint_->Accept(shape_.tokens.call_end);
  EXPECT_FALSE(May(shape_.tokens.call_begin));
  EXPECT_TRUE(May(shape_.tokens.calls_end));
}

TEST_F(ConstraintTest, ASchemaOfAToolThatIsNotSupportedMeansAnyObject) {
  schema_ = {{"type", "object"}, {"minProperties", 1}};
  shape_.tools = {{"f", &schema_, false}};
  EXPECT_TRUE(CompileAnswer(shape_).ok());
  shape_.tools[0].strict = true;
  EXPECT_EQ(CompileAnswer(shape_).status().message(),
            "tools[0].function.parameters: $: 'minProperties' is not supported");
}

}  // namespace
}  // namespace deepseek::agent::grammar
