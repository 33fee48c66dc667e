// Overlays that are merged: what workload.template makes of the pod template, by the table of merge
// keys.

#include "operator/decide/overlay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json_full.h"
#include "base/strings.h"
#include "operator/decide/json_read.h"
#include "operator/decide/pod_template.h"

namespace deepseek::decide {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

absl::StatusOr<Json> TemplateWith(const Json& overlay) {
  Json spec = {{"model", {{"source", {{"builtin", "demo-v3"}}}}},
               {"workload", {{"template", overlay}}}};
  const auto dsd = api::Parse({{"metadata", {{"name", "demo"}}}, {"spec", spec}});
  if (!dsd.ok()) return dsd.status();
  const Defaults defaults{"agent:1", "IfNotPresent", "0.1.0"};
  return PodTemplate("demo", "cafe0000", dsd->intent, Resolve(dsd->intent, "demo", defaults));
}

Json Plain() {
  return *TemplateWith(Json::object());
}

// A container that keeps to Pod Security restricted.
Json Sidecar(const std::string& name) {
  return {{"name", name},
          {"image", "sidecar:1"},
          {"securityContext",
           {{"allowPrivilegeEscalation", false}, {"capabilities", {{"drop", {"ALL"}}}}}}};
}

struct Good {
  const char* name;
  const char* overlay;
  const char* patch;  // RFC 6902, from the plain template to the merged one
};

class GoodOverlayTest : public ::testing::TestWithParam<Good> {};

TEST_P(GoodOverlayTest, IsMergedAsTheTableSays) {
  const auto merged = TemplateWith(Json::parse(GetParam().overlay));
  ASSERT_TRUE(merged.ok()) << merged.status();
  EXPECT_EQ(*merged, Plain().patch(Json::parse(GetParam().patch)))
      << Json::diff(Plain(), *merged).dump(1);
}

const Good kGood[] = {
    {"Labels", R"({"metadata":{"labels":{"team":"a"}}})",
     R"([{"op":"add","path":"/metadata/labels/team","value":"a"}])"},
    {"Annotations", R"({"metadata":{"annotations":{"a/b":"c"}}})",
     R"([{"op":"add","path":"/metadata/annotations","value":{"a/b":"c"}}])"},
    {"NewField", R"({"spec":{"dnsPolicy":"None","dnsConfig":{"nameservers":["10.0.0.1"]}}})",
     R"([{"op":"add","path":"/spec/dnsPolicy","value":"None"},
         {"op":"add","path":"/spec/dnsConfig","value":{"nameservers":["10.0.0.1"]}}])"},
    {"EnvAdded",
     R"({"spec":{"containers":[{"name":"agent","env":[{"name":"TZ","value":"UTC"}]}]}})",
     R"([{"op":"add","path":"/spec/containers/0/env/-","value":{"name":"TZ","value":"UTC"}}])"},
    {"ResourcesMerge",
     R"({"spec":{"containers":[{"name":"agent","resources":{"limits":{"cpu":"2"}}}]}})",
     R"([{"op":"add","path":"/spec/containers/0/resources/limits","value":{"cpu":"2"}}])"},
    {"ResourceReplaced",
     R"({"spec":{"containers":[{"name":"agent","resources":{"requests":{"cpu":"2"}}}]}})",
     R"([{"op":"replace","path":"/spec/containers/0/resources/requests/cpu","value":"2"}])"},
    {"VolumeAndItsMount",
     R"({"spec":{"volumes":[{"name":"more","emptyDir":{}}],
         "containers":[{"name":"agent","volumeMounts":[{"mountPath":"/more","name":"more"}]}]}})",
     R"([{"op":"add","path":"/spec/volumes/-","value":{"name":"more","emptyDir":{}}},
         {"op":"add","path":"/spec/containers/0/volumeMounts/-",
          "value":{"mountPath":"/more","name":"more"}}])"},
    {"VolumeMergesByName",
     R"({"spec":{"volumes":[{"name":"tmp","emptyDir":{"medium":"Memory","sizeLimit":"1Gi"}}]}})",
     R"([{"op":"replace","path":"/spec/volumes/0/emptyDir",
          "value":{"medium":"Memory","sizeLimit":"1Gi"}}])"},
    {"MountMergesByPath",
     R"({"spec":{"containers":[{"name":"agent","volumeMounts":[{"mountPath":"/tmp","subPath":"x"}]}]}})",
     R"([{"op":"add","path":"/spec/containers/0/volumeMounts/0/subPath","value":"x"}])"},
    {"PortAdded",
     R"({"spec":{"containers":[{"name":"agent","ports":[{"containerPort":7000,"name":"debug"}]}]}})",
     R"([{"op":"add","path":"/spec/containers/0/ports/-","value":{"containerPort":7000,"name":"debug"}}])"},
    {"PortMergesByNumberAndProtocol",
     R"({"spec":{"containers":[{"name":"agent","ports":[{"containerPort":9090,"name":"metrics"},
                                                       {"containerPort":9090,"protocol":"UDP"}]}]}})",
     R"([{"op":"add","path":"/spec/containers/0/ports/-","value":{"containerPort":9090,"protocol":"UDP"}}])"},
    {"PullSecretsMergeByName", R"({"spec":{"imagePullSecrets":[{"name":"s"}]}})",
     R"([{"op":"add","path":"/spec/imagePullSecrets","value":[{"name":"s"}]}])"},
    {"OtherListsAreReplaced",
     R"({"spec":{"topologySpreadConstraints":[{"maxSkew":2,"topologyKey":"rack",
         "whenUnsatisfiable":"ScheduleAnyway"}]}})",
     R"([{"op":"replace","path":"/spec/topologySpreadConstraints","value":[{"maxSkew":2,
         "topologyKey":"rack","whenUnsatisfiable":"ScheduleAnyway"}]}])"},
    {"AnEmptyListReplaces", R"({"spec":{"topologySpreadConstraints":[]}})",
     R"([{"op":"replace","path":"/spec/topologySpreadConstraints","value":[]}])"},
    {"NullRemoves", R"({"spec":{"affinity":null}})",
     R"([{"op":"remove","path":"/spec/affinity"}])"},
    {"NullOfNothing", R"({"spec":{"hostAliases":null}})", "[]"},
    {"NullsInNewPartsVanish",
     R"({"spec":{"dnsConfig":{"nameservers":["1.1.1.1"],"searches":null}}})",
     R"([{"op":"add","path":"/spec/dnsConfig","value":{"nameservers":["1.1.1.1"]}}])"},
    {"Tolerations", R"({"spec":{"tolerations":[{"key":"gpu","operator":"Exists"}]}})",
     R"([{"op":"add","path":"/spec/tolerations","value":[{"key":"gpu","operator":"Exists"}]}])"},
    {"AnotherUser",
     R"({"spec":{"securityContext":{"runAsUser":1000,"runAsGroup":1000,"fsGroup":1000}}})",
     R"([{"op":"replace","path":"/spec/securityContext/runAsUser","value":1000},
         {"op":"replace","path":"/spec/securityContext/runAsGroup","value":1000},
         {"op":"replace","path":"/spec/securityContext/fsGroup","value":1000}])"},
    {"SafeSysctl",
     R"({"spec":{"securityContext":{"sysctls":[{"name":"net.ipv4.tcp_keepalive_time","value":"60"}]}}})",
     R"([{"op":"add","path":"/spec/securityContext/sysctls",
          "value":[{"name":"net.ipv4.tcp_keepalive_time","value":"60"}]}])"},
    {"LongerGracePeriod", R"({"spec":{"terminationGracePeriodSeconds":600}})",
     R"([{"op":"replace","path":"/spec/terminationGracePeriodSeconds","value":600}])"},
    {"ProbePeriod",
     R"({"spec":{"containers":[{"name":"agent","readinessProbe":{"periodSeconds":9}}]}})",
     R"([{"op":"replace","path":"/spec/containers/0/readinessProbe/periodSeconds","value":9}])"},
    {"OurTokenAudience",
     R"({"spec":{"volumes":[{"name":"id","projected":{"sources":[{"serviceAccountToken":
         {"audience":"serving.deepseek-operator.io","path":"token"}}]}}]}})",
     R"([{"op":"add","path":"/spec/volumes/-","value":{"name":"id","projected":{"sources":
         [{"serviceAccountToken":{"audience":"serving.deepseek-operator.io","path":"token"}}]}}}])"},
    {"BindService",
     R"({"spec":{"containers":[{"name":"agent","securityContext":{"capabilities":{"add":["NET_BIND_SERVICE"]}}}]}})",
     R"([{"op":"add","path":"/spec/containers/0/securityContext/capabilities/add","value":["NET_BIND_SERVICE"]}])"},
    {"SaidAgain", R"({"spec":{"serviceAccountName":"demo-agent","hostNetwork":false}})",
     R"([{"op":"add","path":"/spec/hostNetwork","value":false}])"},
    {"Empty", R"({"spec":{},"metadata":{"labels":{}}})", "[]"},
};

INSTANTIATE_TEST_SUITE_P(Table, GoodOverlayTest, ::testing::ValuesIn(kGood),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(OverlayTest, ASidecarComesLast) {
  const auto merged = TemplateWith({{"spec", {{"containers", {Sidecar("log")}}}}});
  ASSERT_TRUE(merged.ok()) << merged.status();
  ASSERT_EQ((*merged)["spec"]["containers"].size(), 2u);
  EXPECT_EQ((*merged)["spec"]["containers"][0], Plain()["spec"]["containers"][0]);
  EXPECT_EQ((*merged)["spec"]["containers"][1], Sidecar("log"));
}

TEST(OverlayTest, AnInitContainer) {
  const auto merged = TemplateWith({{"spec", {{"initContainers", {Sidecar("copy")}}}}});
  ASSERT_TRUE(merged.ok()) << merged.status();
  EXPECT_EQ((*merged)["spec"]["initContainers"][0], Sidecar("copy"));
}

TEST(OverlayTest, TheAgentsImageIsTheOneThatStatusTells) {
  const auto dsd = api::Parse(Json::parse(
      R"({"metadata":{"name":"demo"},"spec":{"model":{"source":{"builtin":"demo-v3"}},"workload":
          {"template":{"spec":{"containers":[{"name":"agent","image":"mine:2"}]}}}}})"));
  ASSERT_TRUE(dsd.ok()) << dsd.status();
  EXPECT_EQ(Resolve(dsd->intent, "demo", {"agent:1", "IfNotPresent", "1"}).image, "mine:2");
}

struct Malformed {
  const char* name;
  const char* overlay;
  const char* path;
};
class MalformedOverlayTest : public ::testing::TestWithParam<Malformed> {};
TEST_P(MalformedOverlayTest, IsRefusedWithItsPath) {
  const auto merged = TemplateWith(Json::parse(GetParam().overlay));
  ASSERT_FALSE(merged.ok());
  EXPECT_THAT(std::string(merged.status().message()),
              StartsWith(StrCat("spec.workload.template", GetParam().path, ": ")));
}
const Malformed kMalformed[] = {
    {"ObjectForAList", R"({"spec":{"containers":{"name":"agent"}}})", ".spec.containers"},
    {"TextForAList", R"({"spec":{"volumes":"x"}})", ".spec.volumes"},
    {"ItemWithoutName", R"({"spec":{"containers":[{"image":"x"}]}})", ".spec.containers[0].name"},
    {"ItemThatIsText", R"({"spec":{"volumes":["x"]}})", ".spec.volumes[0]"},
    {"ItemThatIsNull", R"({"spec":{"tolerations":[null]}})", ".spec.tolerations[0]"},
    {"Twice", R"({"spec":{"volumes":[{"name":"a"},{"name":"a"}]}})", ".spec.volumes[a]"},
    {"Directive", R"({"spec":{"$patch":"replace"}})", ".spec.$patch"},
    {"DirectiveInNewParts", R"({"spec":{"dnsConfig":{"$retainKeys":[]}}})",
     ".spec.dnsConfig.$retainKeys"},
    {"DirectiveInAList", R"({"spec":{"tolerations":[{"$patch":"delete"}]}})",
     ".spec.tolerations[0].$patch"},
    {"ListForAnObject", R"({"spec":{"securityContext":[]}})", ".spec.securityContext"},
    {"TextForAnObject", R"({"spec":{"securityContext":"none"}})", ".spec.securityContext"},
    {"ObjectForANumber", R"({"spec":{"terminationGracePeriodSeconds":{}}})",
     ".spec.terminationGracePeriodSeconds"},
    {"PortWithoutNumber", R"({"spec":{"containers":[{"name":"agent","ports":[{"name":"x"}]}]}})",
     ".spec.containers[agent].ports[0].containerPort"},
    {"MountWithoutPath",
     R"({"spec":{"containers":[{"name":"agent","volumeMounts":[{"name":"tmp"}]}]}})",
     ".spec.containers[agent].volumeMounts[0].mountPath"},
};
INSTANTIATE_TEST_SUITE_P(Table, MalformedOverlayTest, ::testing::ValuesIn(kMalformed),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(OverlayTest, DepthIsBounded) {
  Json deep = "x";
  for (int i = 0; i < 50; ++i) deep = {{"a", deep}};
  EXPECT_THAT(std::string(TemplateWith({{"spec", {{"b", deep}}}}).status().message()),
              HasSubstr("nested too deeply"));
  Json list = "x";
  for (int i = 0; i < 50; ++i) list = Json::array({list});
  EXPECT_THAT(std::string(TemplateWith({{"spec", {{"b", list}}}}).status().message()),
              HasSubstr("nested too deeply"));
  EXPECT_FALSE(MergeOverlay(Json::object(), "text").ok());
  EXPECT_EQ(*MergeOverlay({{"a", 1}}, Json()), Json({{"a", 1}}));
}

// `levels` objects or lists inside one another.
Json Nested(int levels, bool lists) {
  Json out = 1;
  for (int i = 0; i < levels; ++i) out = lists ? Json::array({out}) : Json({{"a", out}});
  return lists ? Json({{"a", out}}) : out;
}

TEST(OverlayTest, ThirtyTwoLevelsAreTheMost) {
  EXPECT_TRUE(MergeOverlay(Json::object(), Nested(32, false)).ok());
  EXPECT_FALSE(MergeOverlay(Json::object(), Nested(33, false)).ok());
  EXPECT_TRUE(MergeOverlay(Nested(32, false), Nested(32, false)).ok());
  EXPECT_FALSE(MergeOverlay(Nested(33, false), Nested(33, false)).ok()) << "over what is there";
  EXPECT_TRUE(MergeOverlay(Json::object(), Nested(31, true)).ok());
  EXPECT_FALSE(MergeOverlay(Json::object(), Nested(32, true)).ok()) << "within an object";
  EXPECT_EQ(MergeOverlay(Json::object(), "text").status().message(),
            "spec.workload.template: must be an object");
}

TEST(OverlayTest, APodSpecIsOneOnlyAtTheTop) {
  const Json claim = Json::parse(
      R"({"volumeClaimTemplate":{"metadata":{"labels":{"a":"b"}},"spec":{"volumes":"mine"}}})");
  const auto merged =
      TemplateWith({{"spec", {{"volumes", {{{"name", "v"}, {"ephemeral", claim}}}}}}});
  ASSERT_TRUE(merged.ok()) << merged.status();
  EXPECT_EQ((*merged)["spec"]["volumes"].back()["ephemeral"], claim);
}

TEST(OverlayTest, LongKeysAreCutInErrors) {
  EXPECT_EQ(MergeOverlay(Json::object(), {{"$" + std::string(200, 'x'), 1}}).status().message(),
            StrCat("spec.workload.template.$", std::string(63, 'x'),
                   ": directives of a strategic merge patch are not understood here (null "
                   "removes)"));
}

TEST(OverlayTest, IsPartOfTheRevision) {
  const auto intent = [](const Json& overlay) {
    return api::Parse({{"metadata", {{"name", "demo"}}},
                       {"spec",
                        {{"model", {{"source", {{"builtin", "demo-v3"}}}}},
                         {"workload", {{"template", overlay}}}}}})
        ->canonical_intent;
  };
  EXPECT_NE(intent({{"metadata", {{"labels", {{"a", "b"}}}}}}), intent(Json::object()));
  EXPECT_EQ(intent({{"metadata", {{"labels", Json::object()}}}, {"spec", Json::object()}}),
            intent(Json::object()))
      << "what says nothing makes no revision";
  EXPECT_NE(intent({{"spec", {{"affinity", nullptr}}}}), intent(Json::object()))
      << "null removes something";
}

}  // namespace
}  // namespace deepseek::decide
