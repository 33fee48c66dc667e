#include "agent/cli/eval_match.h"

#include <gtest/gtest.h>

namespace deepseek::agent {
namespace {

struct Case {
  MatchRule rule;
  const char* answer;
  const char* expected;
  bool right;
};

class MatchesTable : public ::testing::TestWithParam<Case> {};

TEST_P(MatchesTable, Judges) {
  const Case& c = GetParam();
  EXPECT_EQ(Matches(c.rule, c.answer, c.expected), c.right) << c.answer << " / " << c.expected;
}

constexpr MatchRule kExact = MatchRule::kExact, kJson = MatchRule::kJson, kLabel = MatchRule::kLabel;

INSTANTIATE_TEST_SUITE_P(
    Rules, MatchesTable,
    ::testing::Values(Case{kExact, "72", "72", true}, Case{kExact, " 72\n", "72", true}, Case{kExact, "72.", "72", false},
                      Case{kExact, "Night", "night", false}, Case{kExact, "", "", true},
                      Case{kExact, "<think>\n7 + 1\n</think>\n\n8", "8", true},
                      Case{kExact, "<think>a</think>b</think> c", "c", true},
                      Case{kExact, "\xe3\x80\x80\xe4\xba\x94\xe6\x9c\x88\xc2\xa0", "\xe4\xba\x94\xe6\x9c\x88", true},
                      Case{kExact, "a b", "ab", false},
                      Case{kJson, "{\"answer\": \"Vietnam\"}", "{\"answer\":\"Vietnam\"}", true},
                      Case{kJson, "{\"b\": 1, \"a\": 2}", "{\"a\": 2, \"b\": 1}", true},
                      Case{kJson, "{\"a\": 1.0}", "{\"a\": 1}", true}, Case{kJson, "{\"a\": 1", "{\"a\": 1}", false},
                      Case{kJson, "{\"a\": 1} x", "{\"a\": 1}", false}, Case{kJson, "", "{}", false},
                      Case{kJson, "[1, 2]", "[2, 1]", false}, Case{kLabel, "Query", "query", true},
                      Case{kLabel, " TASK..\n", "task", true}, Case{kLabel, "task!", "task", false},
                      Case{kLabel, ".task", "task", false}));

TEST(ParseMatchRule, KnowsItsNames) {
  EXPECT_EQ(*ParseMatchRule("exact"), kExact);
  EXPECT_EQ(*ParseMatchRule("json"), kJson);
  EXPECT_EQ(*ParseMatchRule("label"), kLabel);
  EXPECT_EQ(ParseMatchRule("Exact").status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace deepseek::agent
