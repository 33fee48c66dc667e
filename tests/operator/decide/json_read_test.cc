#include "operator/decide/json_read.h"

#include <gtest/gtest.h>

#include "base/json_full.h"

namespace deepseek::decide {
namespace {

const Json kJson = Json::parse(R"({
    "a": {"b": "x", "n": 3, "f": 2.5, "t": true, "no": false, "l": [1], "null": null, "": "empty"},
    "when": "2023-01-01T00:00:00Z", "fraction": "2023-01-01T00:00:00.25Z",
    "zone": "2023-01-01T02:00:00+02:00", "day": "2023-01-01"})");

TEST(JsonReadTest, FindFollowsObjectsOnly) {
  EXPECT_EQ(*Find(kJson, "/a/b"), "x");
  EXPECT_EQ(Find(kJson, ""), &kJson) << "the empty pointer is the whole";
  EXPECT_EQ(*Find(kJson, "/a/"), "empty") << "a key may be empty";
  EXPECT_TRUE(Find(kJson, "/a/null")->is_null()) << "null is there";
  for (const char* nowhere : {"/b", "/a/x", "/a/b/c", "/a/l/0", "/a/b/c/d", "/aa", "/"}) {
    EXPECT_EQ(Find(kJson, nowhere), nullptr) << nowhere;
  }
  EXPECT_EQ(Find("text", "/a"), nullptr);
}

TEST(JsonReadTest, AtIsNullWhereNothingIs) {
  EXPECT_EQ(At(kJson, "when"), "2023-01-01T00:00:00Z");
  EXPECT_TRUE(At(kJson, "who").is_null());
  EXPECT_TRUE(At("text", "when").is_null());
  EXPECT_TRUE(At(Json::array({1}), "0").is_null());
}

TEST(JsonReadTest, OtherTypesAreDefaults) {
  EXPECT_EQ(TextAt(kJson, "/a/b"), "x");
  for (const char* path : {"/a/n", "/a/t", "/a/l", "/a/null", "/a/x"})
    EXPECT_EQ(TextAt(kJson, path), "") << path;
  EXPECT_EQ(IntegerAt(kJson, "/a/n"), 3);
  for (const char* path : {"/a/b", "/a/f", "/a/t", "/a/null", "/a/x"}) {
    EXPECT_EQ(IntegerAt(kJson, path), 0) << path;
    EXPECT_EQ(IntegerAt(kJson, path, 7), 7) << path;
  }
  EXPECT_TRUE(BoolAt(kJson, "/a/t"));
  for (const char* path : {"/a/no", "/a/b", "/a/n", "/a/x"}) EXPECT_FALSE(BoolAt(kJson, path));
}

TEST(JsonReadTest, TimesAreRfc3339) {
  const absl::Time new_year = absl::FromUnixSeconds(1672531200);
  EXPECT_EQ(TimeAt(kJson, "/when"), new_year);
  EXPECT_EQ(TimeAt(kJson, "/fraction"), new_year + absl::Milliseconds(250));
  EXPECT_EQ(TimeAt(kJson, "/zone"), new_year);
  for (const char* path : {"/day", "/a/b", "/a/n", "/a/x"}) EXPECT_FALSE(TimeAt(kJson, path));
  EXPECT_FALSE(ParseTime(""));
  EXPECT_FALSE(ParseTime("2023-01-01T00:00:00Z and more"));
}

TEST(JsonReadTest, KeysOfMetadataMayHoldSlashes) {
  const Json object =
      Json::parse(R"({"metadata":{"labels":{"a/b":"x","n":1},"annotations":{"a/b":"y"}},"odd":1})");
  EXPECT_EQ(MetadataAt(object, "labels", "a/b"), "x");
  EXPECT_EQ(MetadataAt(object, "annotations", "a/b"), "y");
  EXPECT_EQ(MetadataAt(object, "labels", "n"), "") << "no text";
  EXPECT_EQ(MetadataAt(object, "labels", "c"), "");
  EXPECT_EQ(MetadataAt({{"metadata", {{"labels", "text"}}}}, "labels", "a"), "");
  EXPECT_EQ(MetadataAt({{"metadata", {{"labels", {"a"}}}}}, "labels", "a"), "");
}

TEST(JsonReadTest, ConditionsByType) {
  const Json object = Json::parse(R"({"status":{"conditions":[
      "text", {"status":"True"}, {"type":"Ready","status":"False"}, {"type":"Ready","status":"True"}]}})");
  EXPECT_EQ((*FindCondition(object, "Ready"))["status"], "False") << "the first of its type";
  EXPECT_EQ(FindCondition(object, "Other"), nullptr);
  EXPECT_EQ(FindCondition({{"status", {{"conditions", {{"type", "Ready"}}}}}}, "Ready"), nullptr)
      << "an object is no list";
  EXPECT_EQ(FindCondition(Json(), "Ready"), nullptr);
}

}  // namespace
}  // namespace deepseek::decide
