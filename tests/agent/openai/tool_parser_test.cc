#include "agent/openai/tool_parser.h"

#include <gtest/gtest.h>

#include "base/strings.h"

namespace deepseek::agent {
namespace {

const std::string kBegin = {kMarkByte, 'B'}, kEnd = {kMarkByte, 'E'}, kCall = {kMarkByte, 'b'},
                  kCallEnd = {kMarkByte, 'e'}, kSep = {kMarkByte, 's'};

struct Parsed {
  std::string content;
  std::vector<ToolDelta> calls;
  bool called = false;
  /// Name(arguments) of each call.
  std::string Calls() const {
    std::string out;
    for (const ToolDelta& delta : calls) {
      if (!delta.name.empty()) StrAppend(&out, out.empty() ? "" : "|", delta.name, " ");
      out += delta.arguments;
    }
    return out;
  }
};

Parsed Parse(const ToolSyntax& syntax, std::string_view text, size_t chunk = 1) {
  ToolParser parser(syntax);
  Parsed out;
  for (size_t i = 0; i < text.size(); i += chunk)
    parser.Push(text.substr(i, chunk), &out.content, &out.calls);
  parser.Flush(&out.content, &out.calls);
  out.called = parser.called();
  return out;
}

ToolSyntax Syntax(grammar::CallStyle style, bool constrained) {
  ToolSyntax syntax;
  syntax.style = style;
  syntax.names = {"get_weather", "now"};
  syntax.constrained = constrained;
  return syntax;
}

std::string Fenced(std::string_view name, std::string_view arguments) {
  return StrCat(kCall, "function", kSep, name, "\n```json\n", arguments, "\n```", kCallEnd);
}

TEST(ToolParser, FindsFencedCallsHoweverTheyAreCut) {
  const std::string text =
      StrCat("I look.\n\n", kBegin, Fenced("get_weather", R"({"city": "Rome"})"), "\n",
             Fenced("now", "{}"), kEnd);
  for (const bool constrained : {false, true}) {
    const ToolSyntax syntax = Syntax(grammar::CallStyle::kFenced, constrained);
    for (size_t chunk = 1; chunk <= text.size(); ++chunk) {
      const Parsed parsed = Parse(syntax, text, chunk);
      EXPECT_EQ(parsed.content, "I look.");
      EXPECT_EQ(parsed.Calls(), R"(get_weather {"city": "Rome"}|now {})") << chunk;
      EXPECT_TRUE(parsed.called);
      EXPECT_EQ(parsed.calls.back().index, 1);
    }
  }
}

TEST(ToolParser, FindsPlainCalls) {
  const ToolSyntax syntax = Syntax(grammar::CallStyle::kPlain, true);
  const Parsed parsed =
      Parse(syntax, StrCat(kBegin, kCall, "now", kSep, "{}", kCallEnd, kCall, "get_weather", kSep,
                           R"({"city":"```"})", kCallEnd, kEnd));
  EXPECT_EQ(parsed.content, "");
  EXPECT_EQ(parsed.Calls(), R"(now {}|get_weather {"city":"```"})");
}

TEST(ToolParser, StreamsArgumentsOnlyWhenTheyAreSureToBeRight) {
  const std::string half = StrCat(kBegin, kCall, "now", kSep, R"({"a": 1)");
  for (const bool constrained : {false, true}) {
    const ToolSyntax syntax = Syntax(grammar::CallStyle::kPlain, constrained);
    ToolParser parser(syntax);
    std::string content;
    std::vector<ToolDelta> calls;
    parser.Push(half, &content, &calls);
    EXPECT_EQ(calls.empty(), !constrained);
    EXPECT_EQ(content, "");
  }
}

TEST(ToolParser, ACallThatIsCutOffKeepsWhatItHas) {
  const Parsed parsed = Parse(Syntax(grammar::CallStyle::kPlain, true),
                              StrCat(kBegin, kCall, "now", kSep, R"({"a": 1)"));
  EXPECT_EQ(parsed.Calls(), R"(now {"a": 1)");
  EXPECT_FALSE(parsed.called);
}

TEST(ToolParser, ACallThatIsCutOffInItsHeadIsNoText) {
  const std::string head = StrCat("I look.\n\n", kBegin);
  for (const auto& [style, calls] :
       {std::pair{grammar::CallStyle::kFenced,
                  StrCat(Fenced("get_weather", "{}"), "\n", Fenced("now", "{}"), kEnd)},
        {grammar::CallStyle::kPlain,
         StrCat(kCall, "now", kSep, "{}", kCallEnd, kCall, "now", kSep, "{}", kCallEnd, kEnd)}}) {
    for (size_t cut = 0; cut <= calls.size(); ++cut) {
      if (cut > 0 && calls[cut - 1] == kMarkByte) continue;  // within a token
      const Parsed parsed = Parse(Syntax(style, true), StrCat(head, calls.substr(0, cut)));
      EXPECT_EQ(parsed.content, "I look.") << cut;
    }
  }
}

TEST(ToolParser, WhatIsNoCallStaysText) {
  const std::string plain[] = {StrCat(kBegin, "no call"),
                               StrCat(kBegin, Fenced("unknown", "{}"), kEnd),
                               StrCat(kBegin, Fenced("now", "{"), kEnd),
                               StrCat(kBegin, Fenced("now", "[1]"), kEnd),
                               StrCat(kBegin, kCall, "function", kSep, "now\n{}", kCallEnd, kEnd),
                               StrCat(kBegin, kCallEnd, kEnd),
                               StrCat(kSep, "now"),
                               StrCat(kBegin, kCall, "function"),
                               StrCat("x ", kBegin, kBegin)};
  for (const std::string& text : plain) {
    for (const size_t chunk : {size_t{1}, text.size()}) {
      const Parsed parsed = Parse(Syntax(grammar::CallStyle::kFenced, false), text, chunk);
      EXPECT_EQ(parsed.content, SpellMarks(text));
      EXPECT_TRUE(parsed.calls.empty());
      EXPECT_FALSE(parsed.called);
    }
  }
}

TEST(ToolParser, WordsThatLookLikeTokensAreText) {
  const std::string text = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function";
  EXPECT_EQ(Parse(Syntax(grammar::CallStyle::kFenced, false), text).content, text);
}

TEST(ToolParser, WhiteSpaceInTextIsKept) {
  const Parsed parsed = Parse(Syntax(grammar::CallStyle::kPlain, true), "a \n b\n");
  EXPECT_EQ(parsed.content, "a \n b\n");
}

}  // namespace
}  // namespace deepseek::agent
