#include "operator/decide/difference.h"

#include <gtest/gtest.h>

#include "base/json_full.h"

namespace deepseek::decide {
namespace {

struct Case {
  const char* name;
  const char* desired;
  const char* observed;
  const char* difference;
};

class DifferenceTest : public ::testing::TestWithParam<Case> {};

TEST_P(DifferenceTest, NamesTheFirstThingThatDiffers) {
  EXPECT_EQ(FindDifference(Json::parse(GetParam().desired), Json::parse(GetParam().observed)),
            GetParam().difference);
}

INSTANTIATE_TEST_SUITE_P(
    Table, DifferenceTest,
    ::testing::Values(
        Case{"equal", R"({"a":1})", R"({"a":1})", ""},
        Case{"defaults_of_the_server_do_not_count", R"({"spec":{"a":1}})",
             R"({"spec":{"a":1,"b":2},"status":{}})", ""},
        Case{"another_value", R"({"spec":{"a":1}})", R"({"spec":{"a":2}})", "/spec/a"},
        Case{"missing", R"({"spec":{"a":1}})", R"({"spec":{}})", "/spec/a"},
        Case{"empty_map_is_absence", R"({"spec":{"a":{}}})", R"({"spec":{}})", ""},
        Case{"empty_list_is_absence", R"({"ingress":[]})", R"({})", ""},
        Case{"but_not_when_another_value_is_there", R"({"env":[{"name":"E","value":""}]})",
             R"({"env":[{"name":"E","value":"x"}]})", "/env/0/value"},
        Case{"nor_what_is_not_zero", R"({"spec":{"hostNetwork":true}})", R"({"spec":{}})",
             "/spec/hostNetwork"},
        Case{"no_replicas_are_not_absence", R"({"spec":{"replicas":0}})", R"({"spec":{}})",
             "/spec/replicas"},
        Case{"a_refusal_that_was_taken_away", R"({"spec":{"automountServiceAccountToken":false}})",
             R"({"spec":{}})", "/spec/automountServiceAccountToken"},
        Case{"an_empty_label_that_was_taken_away", R"({"labels":{"key":""}})", R"({"labels":{}})",
             "/labels/key"},
        Case{"longer_list", R"({"l":[{"a":1}]})", R"({"l":[{"a":1},{"b":1}]})", "/l"},
        Case{"items_are_subsets", R"({"l":[{"a":1}]})", R"({"l":[{"a":1,"b":1}]})", ""},
        Case{"item_differs", R"({"l":[1,2]})", R"({"l":[1,3]})", "/l/1"},
        Case{"type_differs", R"({"a":{"b":1}})", R"({"a":"x"})", "/a"},
        Case{"quantities_by_value", R"({"requests":{"cpu":"0.5","memory":"1024Mi"}})",
             R"({"requests":{"cpu":"500m","memory":"1Gi"}})", ""},
        Case{"quantities_that_differ", R"({"limits":{"cpu":"0.5"}})",
             R"({"limits":{"cpu":"501m"}})", "/limits/cpu"},
        Case{"quantities_of_volumes", R"({"emptyDir":{"sizeLimit":"1024Mi"}})",
             R"({"emptyDir":{"sizeLimit":"1Gi"}})", ""},
        Case{"what_others_add_to_a_keyed_list_stays",
             R"({"containers":[{"name":"agent","image":"a"}]})",
             R"({"containers":[{"name":"injected"},{"name":"agent","image":"a"}]})", ""},
        Case{"a_keyed_item_that_differs", R"({"containers":[{"name":"agent","image":"a"}]})",
             R"({"containers":[{"name":"injected"},{"name":"agent","image":"b"}]})",
             "/containers/0/image"},
        Case{"a_keyed_item_that_is_missing", R"({"volumes":[{"name":"tmp"}]})",
             R"({"volumes":[{"name":"other"}]})", "/volumes/0"},
        Case{"ports_by_number_and_protocol", R"({"ports":[{"name":"http","port":80}]})",
             R"({"ports":[{"name":"x","port":80,"protocol":"UDP"},
                          {"name":"http","port":80,"protocol":"TCP","nodePort":31000}]})",
             ""},
        Case{"rules_of_a_policy_are_one_value", R"({"ports":[{"port":80,"protocol":"TCP"}]})",
             R"({"ports":[{"port":80,"protocol":"TCP"},{"port":81,"protocol":"TCP"}]})", "/ports"},
        Case{"a_selector_is_one_value", R"({"spec":{"selector":{"a":"1"}}})",
             R"({"spec":{"selector":{"a":"1","b":"2"}}})", "/spec/selector"},
        Case{"a_peer_that_was_narrowed", R"({"from":[{"podSelector":{}}]})",
             R"({"from":[{"podSelector":{"matchLabels":{"a":"1"}}}]})", "/from/0/podSelector"},
        Case{"arguments_are_one_value", R"({"args":["a"]})", R"({"args":["a","b"]})", "/args"},
        Case{"other_strings_are_no_quantities", R"({"labels":{"v":"1.0"}})",
             R"({"labels":{"v":"1"}})", "/labels/v"}),
    [](const auto& info) { return std::string(info.param.name); });

// The fields whose zeros are left out are not known here: the answer to a write tells them.
TEST(ReplacedZerosTest, AreNoDifferenceAsLongAsTheyAreAsTheServerStoredThem) {
  const Json desired = Json::parse(R"({"spec":{"hostNetwork":false,"replicas":0,"labels":{"a":""},
      "containers":[{"name":"a","tty":false,"protocol":"","env":[{"name":"E","value":""}],
                     "probe":{"period":0}}], "on":true}})");
  const Json answer = Json::parse(R"({"spec":{"replicas":0,"labels":{"a":""},
      "containers":[{"name":"injected"},
                    {"name":"a","protocol":"TCP","env":[{"name":"E"}],"probe":{"period":10}}],
      "on":true}})");
  EXPECT_EQ(FindDifference(desired, answer), "/spec/containers/0/env/0/value");
  const ReplacedZeros zeros = FindReplacedZeros(desired, answer);
  EXPECT_EQ(zeros, (ReplacedZeros{{"/spec/hostNetwork", {}},
                                  {"/spec/containers/0/tty", {}},
                                  {"/spec/containers/0/protocol", "TCP"},
                                  {"/spec/containers/0/env/0/value", {}},
                                  {"/spec/containers/0/probe/period", 10}}));
  EXPECT_EQ(FindDifference(desired, answer, zeros), "");
  const std::pair<const char*, Json> changes[] = {{"/spec/hostNetwork", true},
                                                  {"/spec/containers/1/env/0/value", "x"},
                                                  {"/spec/containers/1/probe/period", 11}};
  for (const auto& [path, value] : changes) {
    Json changed = answer;
    changed[Json::json_pointer(path)] = value;
    EXPECT_NE(FindDifference(desired, changed, zeros), "") << path;
  }
  for (const char* parent : {"/spec", "/spec/labels"}) {
    Json changed = answer;
    changed[Json::json_pointer(parent)].erase("replicas");
    changed[Json::json_pointer(parent)].erase("a");
    EXPECT_NE(FindDifference(desired, changed, zeros), "") << parent << ": what is stored counts";
  }
}

TEST(ReplacedZerosTest, WhatIsNotZeroOrWasMadeTrueIsSomebodysChange) {
  EXPECT_TRUE(FindReplacedZeros(Json::parse(R"({"a":1,"b":"x","c":false,"l":[1]})"),
                                Json::parse(R"({"a":2,"c":true,"l":[]})"))
                  .empty());
}

}  // namespace
}  // namespace deepseek::decide
