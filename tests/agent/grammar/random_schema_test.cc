// 500 random schemas and a model that says any token it may: every answer ends within its budget
// and satisfies its schema, as an independent checker sees it.
#include "tests/agent/grammar/random_schema.h"

#include <gtest/gtest.h>

#include <bit>

#include "agent/grammar/constraint.h"
#include "agent/grammar/json_schema.h"
#include "agent/grammar/tool_grammar.h"
#include "base/json_full.h"
#include "tests/support/agent/list_tokenizer.h"
#include "tests/support/agent/schema_checker.h"

namespace deepseek::agent::grammar {
namespace {

/// Any of the set bits, each as likely.
int32_t AnyOf(const uint64_t* mask, size_t words, std::mt19937_64& random) {
  int64_t count = 0;
  for (size_t w = 0; w < words; ++w) count += std::popcount(mask[w]);
  if (count == 0) return -1;
  auto nth = static_cast<int64_t>(random() % static_cast<uint64_t>(count));
  for (size_t w = 0;; ++w) {
    const int here = std::popcount(mask[w]);
    if (nth >= here) {
      nth -= here;
      continue;
    }
    uint64_t bits = mask[w];
    for (; nth > 0; --nth) bits &= bits - 1;
    return static_cast<int32_t>(w * 64 + static_cast<size_t>(std::countr_zero(bits)));
  }
}

TEST(RandomSchema, EveryAnswerEndsAndSatisfiesItsSchema) {
  constexpr int32_t kEos = 4096;
  auto words = testing::WordsLikeBpe(4096, 1);
  words.resize(4096 - 256);
  const auto tokenizer = testing::ListTokenizer(words, {"<eos>"});
  const auto vocabulary = std::make_shared<const Vocabulary>(*tokenizer, kEos + 1);
  std::mt19937_64 random(20261128);
  int made = 0;
  for (int attempt = 0; made < 500; ++attempt) {
    ASSERT_LT(attempt, 1000) << "too few of the random schemas compile";
    const OrderedJson schema = testing::RandomSchema(random);
    AnswerShape shape;
    shape.schema = &schema;
    auto grammar = CompileAnswer(shape);
    if (!grammar.ok()) {
      // Contradictions of the generator's own making, said as such.
      ASSERT_TRUE(grammar.status().message().find("'enum'") == std::string::npos)
          << grammar.status();
      continue;
    }
    ++made;
    auto plan = std::make_shared<ConstraintPlan>();
    plan->matcher =
        std::make_shared<Matcher>(std::make_shared<const Grammar>(*std::move(grammar)), vocabulary);
    plan->stop_ids = {kEos};
    const auto constraint = MakeConstraint(plan, *tokenizer);
    std::string text;
    bool ended = constraint->Complete();
    for (int32_t left = 512; left > 0 && !ended; --left) {
      const int32_t id = AnyOf(constraint->Allowed(left), vocabulary->words(), random);
      ASSERT_GE(id, 0) << "nothing may follow " << text << "\n" << schema.dump();
      ended = id == kEos;
      if (ended) break;
      text += tokenizer->TokenBytes(id);
      constraint->Accept(id);
      ended = constraint->Complete();
    }
    ASSERT_TRUE(ended) << "not within 512 tokens: " << text << "\n" << schema.dump();
    const OrderedJson value = OrderedJson::parse(text, nullptr, false);
    ASSERT_FALSE(value.is_discarded()) << text << "\n" << schema.dump();
    EXPECT_EQ(testing::SchemaViolation(schema, schema, value), "") << text << "\n" << schema.dump();
  }
}

}  // namespace
}  // namespace deepseek::agent::grammar
