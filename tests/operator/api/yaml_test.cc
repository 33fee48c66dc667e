#include "operator/api/yaml.h"

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include "base/json_full.h"
#include "operator/api/crd.h"

namespace deepseek::api {
namespace {

TEST(YamlTest, Blocks) {
  const auto json = OrderedJson::parse(
      R"({"a":1,"m":{"x":"y"},"l":["p",{"q":true,"r":[1]}],"e":{},"z":null,"s":"two words","no":"on"})");
  EXPECT_EQ(ToYaml(json),
            "a: 1\n"
            "m:\n"
            "  x: \"y\"\n"
            "l:\n"
            "- p\n"
            "- q: true\n"
            "  r:\n"
            "  - 1\n"
            "e: {}\n"
            "z: null\n"
            "s: \"two words\"\n"
            "\"no\": \"on\"\n");
}

// The value that a YAML reader sees, quoted scalars being strings.
void ExpectSame(const YAML::Node& yaml, const OrderedJson& json, const std::string& path) {
  if (json.is_object()) {
    ASSERT_EQ(yaml.size(), json.size()) << path;
    for (const auto& [key, value] : json.items()) ExpectSame(yaml[key], value, path + "/" + key);
  } else if (json.is_array()) {
    ASSERT_TRUE(yaml.IsSequence()) << path;
    ASSERT_EQ(yaml.size(), json.size()) << path;
    for (size_t i = 0; i < json.size(); ++i)
      ExpectSame(yaml[i], json[i], path + "/" + std::to_string(i));
  } else if (json.is_string()) {
    EXPECT_EQ(yaml.as<std::string>(), json.get<std::string>()) << path;
  } else if (json.is_boolean()) {
    EXPECT_EQ(yaml.as<bool>(), json.get<bool>()) << path;
  } else {
    EXPECT_EQ(yaml.as<int64_t>(), json.get<int64_t>()) << path;
  }
}

TEST(YamlTest, AReaderSeesTheCrd) {
  ExpectSame(YAML::Load(CrdYaml()), Crd(), "");
}

}  // namespace
}  // namespace deepseek::api
