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
  EXPECT_EQ(One("a: 500m\nb: 1Gi\nc: 1e3\nd: 5s\ne: yes\nf: 1.2.3\ng: .inf\n"),
            Json::parse(R"({"a":"500m","b":"1Gi","c":1000.0,"d":"5s","e":"yes","f":"1.2.3",
                            "g":".inf"})"));
}

TEST(ManifestTest, JsonIsYaml) {
  EXPECT_EQ(One(R"({"a": [1, {"b": "c"}], "d": {}})"),
            Json::parse(R"({"a":[1,{"b":"c"}],"d":{}})"));
}

TEST(ManifestTest, SeveralDocuments) {
  const auto documents = ReadManifest("---\na: 1\n---\n---\nb: 2\n", "x.yaml");
  ASSERT_TRUE(documents.ok());
  EXPECT_EQ(documents->size(), 2u);
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
