#include "operator/kube/event_head.h"

#include <gtest/gtest.h>

#include "base/json_full.h"

namespace deepseek::kube {
namespace {

std::string Read(std::string_view line) {
  const std::optional<EventHead> head = PeekEvent(line);
  if (!head) return "-";
  return head->type + " " + head->ns + "/" + head->name + " " + head->uid + " " +
         head->resource_version;
}

TEST(EventHead, ReadsBothOrdersThatApiServersWrite) {
  EXPECT_EQ(Read(R"({"type":"MODIFIED","object":{"kind":"Deployment","apiVersion":"apps/v1",
                 "metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"7",
                 "ownerReferences":[{"name":"o","uid":"v"}]},"spec":{}}})"),
            "MODIFIED n/a u 7");
  EXPECT_EQ(Read(R"({"type":"ADDED","object":{"apiVersion":"x/v1","kind":"Y","metadata":{
                 "annotations":{"name":"b","uid":"w"},"labels":{"namespace":"m"},
                 "managedFields":[{"resourceVersion":"1","name":["c"]}],"name":"a",
                 "namespace":"n","resourceVersion":"7","uid":"u"},"spec":{"metadata":{"uid":"z"}}}})"),
            "ADDED n/a u 7");
}

TEST(EventHead, OfAClusterWideObjectThereIsNoNamespace) {
  EXPECT_EQ(Read(R"({"type":"ADDED","object":{"metadata":{"name":"a","uid":"u",
                 "resourceVersion":"7"}}})"),
            "ADDED /a u 7");
}

TEST(EventHead, WhatDoesNotTellIsNone) {
  for (
      const char* line :
      {"", "null", "[]", "{", R"({"type":"ADDED"})",
       R"({"type":"ADDED","object":{"metadata":{"name":"a","uid":"u","resourceVersion":"7"}})",
       R"({"type":"ADDED","object":[]})",
       R"({"type":"ERROR","object":{"kind":"Status","metadata":{},"code":410}})",
       R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}})",
       R"({"type":"ADDED","object":{"metadata":{"name":"a","uid":7,"resourceVersion":"7"}}})",
       R"({"type":"ADDED","object":{"spec":{"metadata":{"name":"a","uid":"u","resourceVersion":"7"}}}})",
       R"({"type":"ADDED","object":[{"metadata":{"name":"a","uid":"u","resourceVersion":"7"}}]})",
       R"({"type":"ADDED","metadata":{"name":"a","uid":"u","resourceVersion":"7"}})"}) {
    EXPECT_EQ(Read(line), "-") << line;
  }
}

}  // namespace
}  // namespace deepseek::kube
