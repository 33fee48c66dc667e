#include "operator/decide/pod_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json_full.h"

namespace deepseek::decide {
namespace {

using ::testing::HasSubstr;

Json Template(const Json& more, const Defaults& defaults = {"agent:1", "IfNotPresent", "0.1.0"}) {
  Json spec = {{"model", {{"source", {{"builtin", "demo-v3"}}}}}};
  spec.merge_patch(more);
  const auto dsd = api::Parse({{"metadata", {{"name", "demo"}}}, {"spec", spec}});
  EXPECT_TRUE(dsd.ok()) << dsd.status();
  return *PodTemplate("demo", "cafe0000", dsd->intent, Resolve(dsd->intent, "demo", defaults));
}

Json Container(const Json& more) {
  return Template(more)["spec"]["containers"][0];
}

std::string Args(const Json& more) {
  std::string out;
  const Json args = Container(more)["args"];
  for (const Json& arg : args) out += arg.get<std::string>() + " ";
  return out;
}

TEST(PodTemplateTest, ArgumentsOfTheAgent) {
  EXPECT_EQ(
      Args(Json::object()),
      "serve --model /models/demo-v3 --served-name demo --http 0.0.0.0:8000 --metrics 0.0.0.0:9090 "
      "--device auto --compute auto --max-batch 32 --max-batch-delay 0s --drain-delay 5s "
      "--drain-timeout 60s "
      "--log-level info ");
  EXPECT_THAT(
      Args({{"engine",
             {{"maxContextTokens", 512}, {"kvCacheMemory", "1Gi"}, {"maxBatchDelay", "3ms"}}}}),
      HasSubstr("--max-batch-delay 3ms --drain-delay 5s --drain-timeout 60s --log-level info "
                "--max-context 512 --kv-memory 1073741824"));
}

TEST(PodTemplateTest, NumberTypesAreTheAgentsFlags) {
  EXPECT_THAT(Args({{"engine", {{"compute", "INT8"}, {"weights", "INT4"}, {"kvCache", "INT8"}}}}),
              testing::AllOf(HasSubstr("--compute int8"), HasSubstr("--weights int4 --kv int8")));
  EXPECT_THAT(Args({{"engine", {{"weights", "Native"}}}}), HasSubstr("--weights native"));
  EXPECT_THAT(Args(Json::object()), testing::Not(HasSubstr("--weights")));
}

TEST(PodTemplateTest, AVolumeIsMountedReadOnly) {
  Json source = {
      {"model",
       {{"source",
         {{"builtin", nullptr}, {"persistentVolumeClaim", {{"claimName", "weights"}}}}}}}};
  const Json root = Template(source);
  EXPECT_EQ(
      root["spec"]["volumes"][2],
      Json::parse(
          R"({"name":"model","persistentVolumeClaim":{"claimName":"weights","readOnly":true}})"));
  EXPECT_EQ(root["spec"]["containers"][0]["volumeMounts"][2],
            Json::parse(R"({"name":"model","mountPath":"/model","readOnly":true})"));
  EXPECT_EQ(root["spec"]["containers"][0]["args"][2], "/model");
  source["model"]["source"]["persistentVolumeClaim"]["path"] = "v3/fp8";
  EXPECT_EQ(Template(source)["spec"]["containers"][0]["args"][2], "/model/v3/fp8");
}

TEST(PodTemplateTest, TheDigestOfTheWeightsComesByAConfigMapThatMayBeAbsent) {
  const Json spec = Template(Json::object())["spec"];
  EXPECT_EQ(
      spec["volumes"][1],
      Json::parse(R"({"name":"revision","configMap":{"name":"demo-cafe0000","optional":true}})"));
  const Json& agent = spec["containers"][0];
  EXPECT_EQ(
      agent["volumeMounts"][1],
      Json::parse(
          R"({"name":"revision","mountPath":"/etc/deepseek-agent/revision","readOnly":true})"));
  EXPECT_EQ(agent["env"][2]["name"], "DEEPSEEK_MODEL_DIGEST_FILE");
  EXPECT_EQ(agent["env"][2]["value"], "/etc/deepseek-agent/revision/model-digest");
}

// https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
TEST(PodTemplateTest, PassesRestricted) {
  const Json spec = Template(Json::object())["spec"];
  const Json& pod = spec["securityContext"];
  EXPECT_EQ(pod["runAsNonRoot"], true);
  EXPECT_EQ(pod["seccompProfile"]["type"], "RuntimeDefault");
  for (const char* id : {"runAsUser", "runAsGroup", "fsGroup"}) EXPECT_EQ(pod[id], 65532) << id;
  const Json& container = spec["containers"][0]["securityContext"];
  EXPECT_EQ(container["allowPrivilegeEscalation"], false);
  EXPECT_EQ(container["readOnlyRootFilesystem"], true);
  EXPECT_EQ(container["capabilities"], Json::parse(R"({"drop":["ALL"]})"));
  for (const char* bad : {"hostNetwork", "hostPID", "hostIPC", "initContainers"})
    EXPECT_FALSE(spec.contains(bad));
  EXPECT_EQ(spec["automountServiceAccountToken"], false);
  EXPECT_EQ(spec["serviceAccountName"], "demo-agent");
}

TEST(PodTemplateTest, LabelsAreTheTwoOfTheSelectorOnly) {
  EXPECT_EQ(Template(Json::object())["metadata"],
            Json::parse(R"({"labels":{"serving.deepseek-operator.io/deployment":"demo",
                                     "serving.deepseek-operator.io/revision":"cafe0000"}})"));
}

TEST(PodTemplateTest, TheGracePeriodCoversTheDrain) {
  EXPECT_EQ(Template(Json::object())["spec"]["terminationGracePeriodSeconds"], 80);
  EXPECT_EQ(Template({{"workload",
                       {{"drain",
                         {{"delay", "1500ms"},
                          {"timeout", "2m"}}}}}})["spec"]["terminationGracePeriodSeconds"],
            137);
}

TEST(PodTemplateTest, Probes) {
  const Json container = Container({{"workload", {{"startup", {{"deadline", "91s"}}}}}});
  EXPECT_EQ(container["startupProbe"]["failureThreshold"], 46) << "every 2 s, rounded up";
  EXPECT_EQ(container["startupProbe"]["httpGet"]["path"], "/ready");
  EXPECT_EQ(container["readinessProbe"]["httpGet"]["path"], "/ready");
  EXPECT_EQ(container["livenessProbe"]["httpGet"]["path"], "/health");
  for (const char* probe : {"startupProbe", "readinessProbe", "livenessProbe"}) {
    EXPECT_EQ(container[probe]["httpGet"]["port"], "metrics") << probe;
  }
  EXPECT_GE(Container({{"workload",
                        {{"startup", {{"deadline", "0s"}}}}}})["startupProbe"]["failureThreshold"],
            1);
}

TEST(PodTemplateTest, PlacementIsAPreferenceUnlessTheUserSaysMore) {
  const Json plain = Template(Json::object())["spec"];
  EXPECT_FALSE(plain["affinity"]["podAntiAffinity"].contains(
      "requiredDuringSchedulingIgnoredDuringExecution"));
  EXPECT_EQ(plain["topologySpreadConstraints"][0]["whenUnsatisfiable"], "ScheduleAnyway");
  const Json own = Template(Json::parse(R"({"workload":{"affinity":{"nodeAffinity":{
      "preferredDuringSchedulingIgnoredDuringExecution":[{"weight":1,"preference":{"matchExpressions":[
          {"key":"a","operator":"Exists"}]}}]}},
      "topologySpreadConstraints":[{"maxSkew":1,"topologyKey":"kubernetes.io/hostname",
                                    "whenUnsatisfiable":"DoNotSchedule"}]}})"))["spec"];
  EXPECT_FALSE(own["affinity"].contains("podAntiAffinity"));
  ASSERT_EQ(own["topologySpreadConstraints"].size(), 1u);
  EXPECT_EQ(own["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"]
               ["serving.deepseek-operator.io/deployment"],
            "demo")
      << "a constraint without a selector means these pods";
}

TEST(PodTemplateTest, SmallByDefaultSoThatASmallMachineHoldsASurge) {
  const Json requests = Container(Json::object())["resources"]["requests"];
  EXPECT_EQ(requests, Json::parse(R"({"cpu":"100m","memory":"256Mi"})"));
  const Json own = Container(
      Json::parse(R"({"workload":{"resources":{"limits":{"nvidia.com/gpu":1}}}})"))["resources"];
  EXPECT_EQ(own, Json::parse(R"({"limits":{"nvidia.com/gpu":"1"}})"));
}

TEST(PodTemplateTest, TwoNumbersOfGpusAreRefused) {
  const char* const kWorkloads[] = {R"({"resources": {"limits": {"nvidia.com/gpu": 4}}})",
                                    R"({"template": {"spec": {"containers": [
          {"name": "agent", "resources": {"limits": {"nvidia.com/gpu": 4}}}]}}})"};
  for (const char* workload : kWorkloads) {
    const Json spec = {{"model", {{"source", {{"builtin", "demo-v3"}}}}},
                       {"engine", {{"device", "CUDA"}, {"gpusPerReplica", 2}}},
                       {"workload", Json::parse(workload)}};
    const auto dsd = api::Parse({{"metadata", {{"name", "demo"}}}, {"spec", spec}});
    ASSERT_TRUE(dsd.ok()) << dsd.status();
    const auto made =
        PodTemplate("demo", "cafe0000", dsd->intent,
                    Resolve(dsd->intent, "demo", {"agent:1", "IfNotPresent", "0.1.0"}));
    EXPECT_EQ(made.status().message(),
              "spec.engine.gpusPerReplica is 2, but the limit of nvidia.com/gpu in "
              "workload.resources or workload.template is 4 (say it once: in gpusPerReplica)");
  }
}

TEST(PodTemplateTest, IsDeterministic) {
  EXPECT_EQ(DumpJson(Template(Json::object())), DumpJson(Template(Json::object())));
}

}  // namespace
}  // namespace deepseek::decide
