#include "base/json.h"

#include <gtest/gtest.h>

#include "base/json_full.h"
#include "base/strings.h"

namespace deepseek {
namespace {

std::string Repeated(std::string_view text, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += text;
  return out;
}

TEST(ParseJson, ReadsWhatTheLibraryReads) {
  for (const char* text :
       {"null", "true", "-0", "1.5e3", "18446744073709551615", "-9223372036854775808",
        R"("a\u00e9\n")", "[]", "{}", R"([1,[2,{"a":[{}]}],"x"])",
        R"({"b":1,"a":{"c":[null,false]},"":""})"}) {
    const auto got = ParseJson(text, "t");
    ASSERT_TRUE(got.ok()) << text << got.status();
    EXPECT_EQ(*got, Json::parse(text)) << text;
    const auto ordered = ParseOrderedJson(text, "t");
    ASSERT_TRUE(ordered.ok());
    EXPECT_EQ(ordered->dump(), OrderedJson::parse(text).dump());
  }
}

TEST(ParseJson, TheLastOfSeveralMembersOfOneNameCounts) {
  EXPECT_EQ(ParseJson(R"({"a":1,"b":2,"a":[3]})", "t")->dump(), R"({"a":[3],"b":2})");
  EXPECT_EQ(ParseOrderedJson(R"({"b":1,"a":2,"b":[3]})", "t")->dump(), R"({"b":[3],"a":2})");
}

TEST(ParseJson, RefusesWhatIsNoJson) {
  for (const char* text :
       {"", "{", "[1,]", "nul", "1 2", "{\"a\"}", "1e999", "\"\xff\"", "\"\n\"", "NaN", "\"abc"}) {
    const auto got = ParseJson(text, "the file");
    ASSERT_FALSE(got.ok()) << text;
    EXPECT_TRUE(absl::IsInvalidArgument(got.status()));
    EXPECT_NE(ToStd(got.status().message()).find("the file: not valid JSON"), std::string::npos);
  }
}

TEST(ParseJson, NothingIsReadOrOverlookedBehindANul) {
  for (const std::string_view text : {std::string_view("{}\0", 3), std::string_view("{}\0]]", 5),
                                      std::string_view("[1,\0 2]", 7)}) {
    EXPECT_NE(ParseJson(text, "t").status().message().find("NUL"), absl::string_view::npos);
  }
  EXPECT_TRUE(ParseJson(R"(["\u0000"])", "t").ok());
}

TEST(ParseJson, AMessageDoesNotQuoteALongToken) {
  const auto got = ParseJson("[\"" + std::string(100000, 'x'), "t");
  ASSERT_FALSE(got.ok());
  EXPECT_LT(got.status().message().size(), 300U);
}

TEST(ParseJson, ALargeObjectKeepsItsOrderAndIsNotQuadratic) {
  std::string text = "{";
  for (int i = 0; i < 300000; ++i) StrAppend(&text, "\"k", i % 200000, "\":", i, ",");
  text.back() = '}';
  const auto got = ParseOrderedJson(text, "t");
  ASSERT_TRUE(got.ok());
  ASSERT_EQ(got->size(), 200000U);
  EXPECT_EQ(got->items().begin().key(), "k0");
  EXPECT_EQ(got->items().begin().value(), 200000);
  EXPECT_EQ((*got)["k199999"], 199999);
}

TEST(ParseJson, ALargeObjectInNoOrderIsSortedOnce) {
  // Adding them one by one would move 200,000 members 200,000 times.
  constexpr int kMembers = 200000;
  std::string text = "{";
  for (int i = kMembers; i-- > 0;) StrAppend(&text, "\"k", i, "\":", i, ",");
  StrAppend(&text, R"("k7":"the last one counts"})");
  const auto got = ParseJson(text, "t");
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->size(), kMembers);
  EXPECT_EQ((*got)["k199999"], 199999);
  EXPECT_EQ((*got)["k7"], "the last one counts");
}

TEST(JsonOf, SortsAndKeepsTheLastOfOneName) {
  EXPECT_EQ(JsonOf({}).dump(), "{}");
  EXPECT_EQ(JsonOf({{"a", 1}, {"b", 2}}).dump(), R"({"a":1,"b":2})");
  EXPECT_EQ(JsonOf({{"c", 1}, {"a", 2}, {"c", 3}, {"b", 4}, {"c", 5}, {"a", 6}}).dump(),
            R"({"a":6,"b":4,"c":5})");
  EXPECT_EQ(JsonOf({{"x", 1}, {"x", 2}}).dump(), R"({"x":2})");
}

TEST(ParseJson, LimitsOfTextDepthAndStrings) {
  EXPECT_FALSE(ParseJson("[1,2,3]", "t", {.max_bytes = 6}).ok());
  EXPECT_TRUE(ParseJson("[[[]]]", "t", {.max_depth = 3}).ok());
  EXPECT_FALSE(ParseJson("[[[]]]", "t", {.max_depth = 2}).ok());
  EXPECT_TRUE(ParseJson(R"(["[[[["])", "t", {.max_depth = 1}).ok()) << "brackets in strings";
  EXPECT_TRUE(ParseJson(R"(["\"[[["])", "t", {.max_depth = 1}).ok());
  EXPECT_TRUE(ParseJson(R"({"abc":"de"})", "t", {.max_string_bytes = 3}).ok());
  EXPECT_FALSE(ParseJson(R"({"abcd":"de"})", "t", {.max_string_bytes = 3}).ok());
  EXPECT_FALSE(ParseJson(R"("abcd)", "t", {.max_string_bytes = 3}).ok());
}

TEST(ParseJson, TheTreeStaysWithinItsLimit) {
  constexpr size_t kLimit = size_t{1} << 20;
  for (const char* element : {"0", "[]", "{}", "\"\"", "[0]", R"({"":0})"}) {
    const std::string few = "[" + Repeated(StrCat(element, ","), 1000) + "0]";
    EXPECT_TRUE(ParseJson(few, "t", {.max_tree_bytes = kLimit}).ok()) << element;
    const std::string many = "[" + Repeated(StrCat(element, ","), 100000) + "0]";
    const auto got = ParseJson(many, "t", {.max_tree_bytes = kLimit});
    ASSERT_FALSE(got.ok()) << element;
    EXPECT_NE(ToStd(got.status().message()).find("1048576 bytes of memory"), std::string::npos);
  }
}

TEST(ParseJsonStream, HandsOverMembersAndElements) {
  std::string seen;
  const auto note = [&](std::string_view name) {
    return [&seen, name](const std::string& key, const Json& value) {
      StrAppend(&seen, name, " ", key, "=", value.dump(), "; ");
      return absl::OkStatus();
    };
  };
  const auto got = ParseJsonStream(
      R"({"a":{"v":{"x":1,"y":[2,{"v":3}]},"m":[["p","q"],"r"]},"v":{"z":0},"m":[4]})", "t", {},
      {{{"a", "v"}, note("v")}, {{"a", "m"}, note("m")}});
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(seen, R"(v x=1; v y=[2,{"v":3}]; m =["p","q"]; m ="r"; )");
  EXPECT_EQ(got->dump(), R"({"a":{"m":[],"v":{}},"m":[4],"v":{"z":0}})");
}

TEST(ParseJsonStream, TheRootCanBeStreamed) {
  int count = 0;
  const auto got = ParseJsonStream(R"({"a":{"b":1},"c":2})", "t", {},
                                   {{{}, [&](const std::string&, const Json&) {
                                       ++count;
                                       return absl::OkStatus();
                                     }}});
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(count, 2);
  EXPECT_EQ(got->dump(), "{}");
}

TEST(ParseJsonStream, AnErrorOfTheReceiverEndsIt) {
  int count = 0;
  const auto got = ParseJsonStream("[1,2,3", "t", {}, {{{}, [&](const std::string&, const Json&) {
                                                          ++count;
                                                          return absl::DataLossError("enough");
                                                        }}});
  EXPECT_EQ(got.status(), absl::DataLossError("enough"));
  EXPECT_EQ(count, 1);
}

TEST(ParseJsonStream, StreamedValuesDoNotAddUp) {
  const std::string text = R"({"v":[)" + Repeated(R"({"a":["b"]},)", 100000) + R"(0],"w":[0]})";
  const auto ignore = [](const std::string&, const Json&) { return absl::OkStatus(); };
  const JsonLimits limits = {.max_tree_bytes = 10000};
  EXPECT_TRUE(ParseJsonStream(text, "t", limits, {{{"v"}, ignore}}).ok());
  EXPECT_FALSE(ParseJsonStream(text, "t", limits, {{{"w"}, ignore}}).ok());
}

}  // namespace
}  // namespace deepseek
