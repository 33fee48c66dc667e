#include "operator/api/crd.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "base/json_full.h"
#include "base/strings.h"
#include "operator/api/field.h"
#include "operator/api/reference.h"

namespace deepseek::api {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(StrCat(TEST_SOURCE_DIR, "/", path), std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

const OrderedJson& SchemaOf(const OrderedJson& crd) {
  return crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
}

// Calls f(path, schema) for a schema and all below it.
template <typename F>
void Walk(const OrderedJson& schema, const std::string& path, const F& f) {
  f(path, schema);
  if (schema.contains("properties")) {
    for (const auto& [name, child] : schema["properties"].items())
      Walk(child, StrCat(path, ".", name), f);
  }
  if (schema.contains("items")) Walk(schema["items"], path + "[]", f);
  if (schema.contains("additionalProperties")) Walk(schema["additionalProperties"], path + "{}", f);
}

TEST(CrdTest, TheFilesInTheTreeAreWhatTheGeneratorWrites) {
  const char* how = "run: ninja -C build/release crdgen && build/release/bin/crdgen FILE";
  EXPECT_EQ(ReadFile("crds/serving.deepseek-operator.io_deepseekdeployments.yaml"), CrdYaml())
      << how;
  EXPECT_EQ(ReadFile("docs/reference/deepseekdeployment.md"), ReferenceMarkdown()) << how;
}

TEST(CrdTest, NamesAreTheContract) {
  const OrderedJson crd = Crd();
  EXPECT_EQ(crd["metadata"]["name"], "deepseekdeployments.serving.deepseek-operator.io");
  EXPECT_EQ(crd["spec"]["names"]["shortNames"][0], "dsd");
  const OrderedJson& version = crd["spec"]["versions"][0];
  EXPECT_EQ(version["name"], "v1alpha1");
  EXPECT_TRUE(version["subresources"].contains("status"));
  EXPECT_EQ(version["subresources"]["scale"]["labelSelectorPath"], ".status.selector");
  std::string columns;
  for (const auto& column : version["additionalPrinterColumns"]) {
    StrAppend(&columns, column["name"].get<std::string>(),
              column.value("priority", 0) > 0 ? "* " : " ");
  }
  EXPECT_EQ(columns, "MODEL READY REVISION ROLLOUT AGE DEVICE* WEIGHT* SCALE* MESSAGE* ");
}

TEST(CrdTest, EveryFieldIsDescribedAndTyped) {
  const OrderedJson crd = Crd();
  int fields = 0;
  Walk(SchemaOf(crd), "", [&](const std::string& path, const OrderedJson& schema) {
    ++fields;
    EXPECT_TRUE(schema.contains("type") || schema.contains("x-kubernetes-int-or-string")) << path;
    if (path != ".metadata") {
      EXPECT_FALSE(schema.value("description", "").empty()) << path;
    }
    // The overlay's pod spec is checked by decide/floor.h and by a dry run of the API server.
    EXPECT_EQ(schema.contains("x-kubernetes-preserve-unknown-fields"),
              path == ".spec.workload.template.spec")
        << path << ": nothing is taken unchecked";
  });
  EXPECT_GT(fields, 150);
}

TEST(CrdTest, StringsListsAndMapsAreBounded) {
  const OrderedJson crd = Crd();
  Walk(SchemaOf(crd)["properties"]["spec"], "spec",
       [](const std::string& path, const OrderedJson& schema) {
         const std::string type = schema.value("type", "");
         if (type == "string" && !schema.contains("enum")) {
           EXPECT_TRUE(schema.contains("maxLength")) << path;
         }
         if (type == "array") {
           EXPECT_TRUE(schema.contains("maxItems")) << path;
         }
         if (schema.contains("additionalProperties")) {
           EXPECT_TRUE(schema.contains("maxProperties")) << path;
         }
       });
}

TEST(CrdTest, RulesHaveFixedMessages) {
  const OrderedJson crd = Crd();
  int rules = 0;
  Walk(SchemaOf(crd), "", [&](const std::string& path, const OrderedJson& schema) {
    if (!schema.contains("x-kubernetes-validations")) return;
    for (const auto& rule : schema["x-kubernetes-validations"]) {
      ++rules;
      EXPECT_FALSE(rule.value("message", "").empty()) << path;
      EXPECT_FALSE(rule.contains("messageExpression")) << path;
    }
  });
  EXPECT_EQ(rules, 9);
}

TEST(CrdTest, OnlyReplicasAndAStatusThatNobodyWroteHaveASchemaDefault) {
  const OrderedJson crd = Crd();
  std::set<std::string> defaults;
  Walk(SchemaOf(crd), "", [&](const std::string& path, const OrderedJson& schema) {
    if (schema.contains("default")) defaults.insert(path);
  });
  EXPECT_EQ(defaults, (std::set<std::string>{".spec.replicas", ".status"}));
}

TEST(CrdTest, KeysOfListsAreRequired) {
  const OrderedJson crd = Crd();
  Walk(SchemaOf(crd), "", [](const std::string& path, const OrderedJson& schema) {
    if (!schema.contains("x-kubernetes-list-map-keys")) return;
    for (const auto& key : schema["x-kubernetes-list-map-keys"]) {
      const auto& required = schema["items"]["required"];
      EXPECT_NE(std::find(required.begin(), required.end(), key), required.end())
          << path << " " << key;
    }
  });
}

TEST(FieldTest, SegmentsOfPaths) {
  EXPECT_EQ(Segments("a"), (std::vector<std::string>{"a"}));
  EXPECT_EQ(Segments("a.b[].c"), (std::vector<std::string>{"a", "b", "[]", "c"}));
  EXPECT_EQ(Segments("a{}"), (std::vector<std::string>{"a", "{}"}));
  EXPECT_EQ(Segments("a[].b[]"), (std::vector<std::string>{"a", "[]", "b", "[]"}));
}

TEST(FieldTest, ParentsComeBeforeChildren) {
  for (const Fields* fields : {&SpecFields(), &StatusFields()}) {
    std::set<std::vector<std::string>> seen = {{}};
    for (const Field& field : *fields) {
      std::vector<std::string> segments = Segments(field.path);
      EXPECT_TRUE(seen.insert(segments).second) << field.path << " is there twice";
      segments.pop_back();
      EXPECT_TRUE(seen.contains(segments)) << field.path;
    }
  }
}

}  // namespace
}  // namespace deepseek::api
