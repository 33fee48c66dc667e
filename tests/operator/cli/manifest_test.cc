#include "operator/cli/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json_full.h"

namespace deepseek::cli {
namespace {

using ::testing::HasSubstr;

Json One(std::string_view text) {
  const auto documents = ReadManifest(text, "x.yaml");
  EXPECT_TRUE(documents.ok()) << documents.status();
  return documents.ok() && documents->size() == 1 ? (*documents)[0] : Json("not one document");
}

TEST(ManifestTest, ScalarsAreTypedAsKubectlDoes) {
  EXPECT_EQ(
      One("a: 1\nb: -2\nc: 1.5\nd: true\ne: null\nf: ~\ng: text\nh:\n"),
      Json::parse(R"({"a":1,"b":-2,"c":1.5,"d":true,"e":null,"f":null,"g":"text","h":null})"));
  EXPECT_EQ(One("a: '1'\nb: \"true\"\nc: \"null\"\nd: ''\n"),
            Json::parse(R"({"a":"1","b":"true","c":"null","d":""})"));
  EXPECT_EQ(One("a: 500m\nb: 1Gi\nc: 1e3\nd: 5s\ne: yes\nf: 1.2.3\n"),
            Json::parse(R"({"a":"500m","b":"1Gi","c":1000,"d":"5s","e":true,"f":"1.2.3"})"));
}

// Each of these was read by kubectl 1.32.
TEST(ManifestTest, WordsAndNumbersOfYaml11) {
  const std::pair<const char*, const char*> cases[] = {
      {"y", "true"},
      {"N", "false"},
      {"off", "false"},
      {"On", "true"},
      {"oN", R"("oN")"},
      {"0644", "420"},
      {"0o644", "420"},
      {"-0644", "-420"},
      {"0x1F", "31"},
      {"0XfF", "255"},
      {"0b11", "3"},
      {"-0b11", "-3"},
      {"0o8", R"("0o8")"},
      {"08", "8"},
      {"00", "0"},
      {"1_000", "1000"},
      {"0x_1", "1"},
      {"_1", R"("_1")"},
      {"1_0.5", "10.5"},
      {"+12", "12"},
      {"1.", "1"},
      {".5", "0.5"},
      {"+.5", "0.5"},
      {".", R"(".")"},
      {"1e", R"("1e")"},
      {"1e+3", "1000"},
      {"12.5e-3", "0.0125"},
      {"1e400", R"("1e400")"},
      {"0b", R"("0b")"},
      {"0x1p3", R"("0x1p3")"},
      {"1e21", "1e21"},
      {"2001-01-01", R"("2001-01-01")"},
      {"190:20:30", R"("190:20:30")"},
      {"-0.0", "0"},
      {"9223372036854775808", "9223372036854775808"},
      {"18446744073709551616", "18446744073709551616"},
      {"!!str 012", R"("012")"},
      {"!!int \"7\"", "7"},
      {"! 12", R"("12")"},
      {"!foo 3", R"("3")"}};
  for (const auto& [text, json] : cases) {
    EXPECT_EQ(One("a: " + std::string(text))["a"], Json::parse(json)) << text;
  }
  EXPECT_EQ(One("yes: a\n10: b\n1.5: c\n0x10: d\n'no': e\n"),
            Json::parse(R"({"true":"a","10":"b","1.5":"c","16":"d","no":"e"})"));
  for (const char* refused :
       {"a: .inf\n", "a: -.Inf\n", "a: .NaN\n", "~: 1\n", "yes: 1\ntrue: 2\n"}) {
    EXPECT_FALSE(ReadManifest(refused, "x.yaml").ok()) << refused;
  }
}

TEST(ManifestTest, MergeKeys) {
  const std::string base = "b: &b {p: 1, q: 2}\nc: &c {q: 5, r: 6}\nm: ";
  const std::pair<const char*, const char*> cases[] = {{"{<<: *b, q: 3}", R"({"p":1,"q":3})"},
                                                       {"{q: 3, <<: *b}", R"({"p":1,"q":2})"},
                                                       {"{<<: [*b, *c]}", R"({"p":1,"q":2,"r":6})"},
                                                       {"{'<<': *b}", R"({"<<":{"p":1,"q":2}})"},
                                                       {"{<<: {p: 9}, <<: {p: 3}}", R"({"p":3})"}};
  for (const auto& [text, json] : cases) {
    EXPECT_EQ(One(base + text)["m"], Json::parse(json)) << text;
  }
  EXPECT_FALSE(ReadManifest(base + "{<<: 3}", "x.yaml").ok());
  EXPECT_FALSE(ReadManifest(base + "{<<: [*b, 3]}", "x.yaml").ok());
}

TEST(ManifestTest, JsonIsYaml) {
  EXPECT_EQ(One("{\n\t\"a\": \"\\ud83d\\ude00\",\n\t\"b\": \"yes\"}"),
            Json::parse(R"({"a":"\ud83d\ude00","b":"yes"})"));
  EXPECT_EQ(One(R"({"a": [1, {"b": "c"}], "d": {}})"),
            Json::parse(R"({"a":[1,{"b":"c"}],"d":{}})"));
}

TEST(ManifestTest, SeveralDocuments) {
  const auto documents = ReadManifest("---\na: 1\n---\n---\nb: 2\n", "x.yaml");
  ASSERT_TRUE(documents.ok());
  EXPECT_EQ(documents->size(), 2u);
  const auto commented = ReadManifest("# first\n--- # one\na: 1\n---\t\nb: 2\n---", "x.yaml");
  ASSERT_TRUE(commented.ok()) << commented.status();
  EXPECT_EQ(commented->size(), 2u);
  EXPECT_THAT(std::string(ReadManifest("a: 1\n--- {b: 2}\n", "x.yaml").status().message()),
              HasSubstr("line 2: only a comment may follow ---"));
  EXPECT_FALSE(ReadManifest("a:\n\tb: 1\n", "x.yaml").ok()) << "a tab is no indentation";
  EXPECT_EQ(One("a:\t1\t# tabs elsewhere\n"), Json::parse(R"({"a":1})"));
}

TEST(ManifestTest, MistakesNameThePlace) {
  EXPECT_THAT(std::string(ReadManifest("a: [1", "x.yaml").status().message()),
              HasSubstr("x.yaml: "));
  EXPECT_THAT(std::string(ReadManifest("a: 1\na: 2\n", "x.yaml").status().message()),
              HasSubstr("line 1: key a is there twice"));
  EXPECT_FALSE(ReadManifest("[1]: 2\n", "x.yaml").ok());
}

TEST(ManifestTest, ASmallFileIsNoLargeTree) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int j = 0; j < 9; ++j) bomb += ", " + before;
    bomb += "]\n";
  }
  EXPECT_THAT(std::string(ReadManifest(bomb, "x.yaml").status().message()), HasSubstr("too large"));
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "[";
  for (int i = 0; i < 100; ++i) deep += "]";
  EXPECT_FALSE(ReadManifest(deep, "x.yaml").ok());
}

}  // namespace
}  // namespace deepseek::cli
