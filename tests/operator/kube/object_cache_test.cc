#include "operator/kube/object_cache.h"

#include <gtest/gtest.h>

#include "base/json_full.h"
#include "base/strings.h"

namespace deepseek::kube {
namespace {

Json Item(const std::string& name, int version, const std::string& uid = "",
          const std::string& owner = "o") {
  return {{"metadata",
           {{"namespace", "ns"},
            {"name", name},
            {"uid", uid.empty() ? name : uid},
            {"resourceVersion", StrCat(version)},
            {"labels", {{"owner", owner}}}}},
          {"spec", {{"v", version}}}};
}

class ObjectCacheTest : public ::testing::Test {
 protected:
  int Value(const std::string& name) const {
    const Object object = cache_.Get(StrCat("ns/", name));
    return object == nullptr ? 0 : object->value("/spec/v"_json_pointer, 0);
  }
  ObjectCache cache_{{.index =
                          [](const Json& object) {
                            return object.value("/metadata/labels/owner"_json_pointer, "");
                          },
                      .trim = nullptr}};
};

TEST_F(ObjectCacheTest, NeverGoesBackInTime) {
  EXPECT_TRUE(cache_.Put(Item("a", 5)).changed);
  EXPECT_FALSE(cache_.Put(Item("a", 5)).changed);
  EXPECT_FALSE(cache_.Put(Item("a", 4)).changed);
  EXPECT_EQ(Value("a"), 5);
  EXPECT_TRUE(cache_.Put(Item("a", 10)).changed);  // as numbers, not as text
  EXPECT_EQ(Value("a"), 10);
}

TEST_F(ObjectCacheTest, VersionsThatAreNoNumbersComeInTheirOrder) {
  Json object = Item("a", 1);
  object["metadata"]["resourceVersion"] = "b";
  EXPECT_TRUE(cache_.Put(object).changed);
  object["metadata"]["resourceVersion"] = "a";
  object["spec"]["v"] = 7;
  EXPECT_TRUE(cache_.Put(object).changed);
  EXPECT_EQ(Value("a"), 7);
}

TEST_F(ObjectCacheTest, WhatIsGoneDoesNotComeBack) {
  cache_.Put(Item("a", 5));
  EXPECT_TRUE(cache_.Forget("ns/a", "a"));
  EXPECT_FALSE(cache_.Put(Item("a", 6)).changed) << "an event that our delete has overtaken";
  EXPECT_EQ(Value("a"), 0);
  EXPECT_TRUE(cache_.Put(Item("a", 7, "made anew")).changed);
  EXPECT_EQ(cache_.Remove(Item("a", 6)), nullptr) << "the late news of the first one's end";
  EXPECT_EQ(Value("a"), 7);
}

TEST_F(ObjectCacheTest, AnAnswerThatADeletionHasOvertakenIsNoGhost) {
  cache_.Put(Item("a", 5));
  EXPECT_NE(cache_.Remove(Item("a", 8)), nullptr);
  EXPECT_FALSE(cache_.Put(Item("a", 7)).changed);
  EXPECT_EQ(cache_.size(), 0u);
}

TEST_F(ObjectCacheTest, WhatMatchesTheSelectorAgainIsBack) {
  cache_.Put(Item("a", 5));
  cache_.Remove(Item("a", 6));  // its label was taken off
  EXPECT_TRUE(cache_.Put(Item("a", 7)).changed);
  EXPECT_EQ(Value("a"), 7);
}

TEST_F(ObjectCacheTest, AListTakesAwayWhatItDoesNotHave) {
  cache_.Put(Item("a", 5));
  cache_.Put(Item("b", 6));
  cache_.Put(Item("written meanwhile", 12));
  cache_.BeginList();
  cache_.Put(Item("b", 6));
  const std::vector<Object> went = cache_.EndList("10");
  ASSERT_EQ(went.size(), 1u);
  EXPECT_EQ(KeyOf(*went[0]), "ns/a");
  EXPECT_EQ(cache_.size(), 2u) << "what is newer than the list stays";
}

TEST_F(ObjectCacheTest, AListOfOneOwnerTouchesNoOther) {
  cache_.Put(Item("a", 5));
  cache_.Put(Item("b", 5));
  cache_.Put(Item("c", 5, "", "another"));
  const std::vector<Object> listed = {std::make_shared<const Json>(Item("b", 5))};
  EXPECT_EQ(cache_.EndListOf("o", listed, "10").size(), 1u);
  EXPECT_EQ(Value("a"), 0);
  EXPECT_EQ(Value("b"), 5);
  EXPECT_EQ(Value("c"), 5);
}

TEST_F(ObjectCacheTest, TheIndexFollows) {
  cache_.Put(Item("a", 1));
  cache_.Put(Item("b", 2));
  EXPECT_EQ(cache_.ByIndex("o").size(), 2u);
  const ObjectCache::Change moved = cache_.Put(Item("a", 3, "", "p"));
  ASSERT_NE(moved.moved_from, nullptr) << "the old owner has to know";
  EXPECT_EQ(moved.moved_from->at("metadata").at("labels").at("owner"), "o");
  EXPECT_EQ(cache_.ByIndex("o").size(), 1u);
  EXPECT_EQ(cache_.ByIndex("p").size(), 1u);
  cache_.Remove(Item("a", 4));
  EXPECT_TRUE(cache_.ByIndex("p").empty());
}

TEST_F(ObjectCacheTest, BytesAreThoseOfWhatIsHere) {
  EXPECT_EQ(cache_.bytes(), 0u);
  cache_.Put(Item("a", 1));
  const size_t one = cache_.bytes();
  EXPECT_GT(one, 0u);
  cache_.Put(Item("a", 2));
  EXPECT_EQ(cache_.bytes(), one);
  cache_.Remove(Item("a", 3));
  EXPECT_EQ(cache_.bytes(), 0u);
}

// A new version of what nobody reads (managedFields, a trimmed status) is no news.
TEST_F(ObjectCacheTest, AnotherVersionOfTheSameIsNoChange) {
  EXPECT_TRUE(cache_.Put(Item("a", 9)).changed);
  Json same = Item("a", 9);
  same["metadata"]["resourceVersion"] = "10";
  EXPECT_FALSE(cache_.Put(same).changed);
  EXPECT_EQ(cache_.Get("ns/a")->at("/metadata/resourceVersion"_json_pointer), "10")
      << "writes rest on it";
  EXPECT_FALSE(cache_.Put(Item("a", 9)).changed) << "it never goes back";
  same["metadata"]["resourceVersion"] = "11";
  same["spec"]["v"] = 8;
  EXPECT_TRUE(cache_.Put(same).changed);
  same["metadata"]["resourceVersion"] = "12";
  same["metadata"]["labels"]["owner"] = "p";
  EXPECT_TRUE(cache_.Put(same).changed);
  // Said in data, before the metadata.
  Json data = Item("b", 1);
  data["data"] = {{"resourceVersion", "7"}};
  cache_.Put(data);
  data["metadata"]["resourceVersion"] = "2";
  data["data"]["resourceVersion"] = "8";
  EXPECT_TRUE(cache_.Put(data).changed);
}

TEST(ObjectCacheTrim, KeepsWhatIsRead) {
  ObjectCache cache({.index = nullptr, .trim = [](Json* object) { object->erase("spec"); }});
  cache.Put(Item("a", 1));
  EXPECT_FALSE(cache.Get("ns/a")->contains("spec"));
  EXPECT_TRUE(cache.Get("ns/a")->contains("metadata"));
}

}  // namespace
}  // namespace deepseek::kube
