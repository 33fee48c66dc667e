// Each field of the spec against the pod template that it changes: exactly this, and nothing
// beside it.

#include <gtest/gtest.h>

#include "base/json_full.h"
#include "operator/decide/pod_template.h"

namespace deepseek::decide {
namespace {

Json Template(const Json& more) {
  Json spec = {{"model", {{"source", {{"builtin", "demo-v3"}}}}}};
  spec.merge_patch(more);
  const auto dsd = api::Parse({{"metadata", {{"name", "demo"}}}, {"spec", spec}});
  EXPECT_TRUE(dsd.ok()) << dsd.status();
  const Defaults defaults{"agent:1", "IfNotPresent", "0.1.0"};
  return *PodTemplate("demo", "cafe0000", dsd->intent, Resolve(dsd->intent, "demo", defaults));
}

struct Field {
  const char* name;
  const char* spec;   // merged over a builtin model
  const char* patch;  // RFC 6902, from the template of the builtin model alone
};

class PodFieldTest : public ::testing::TestWithParam<Field> {};

TEST_P(PodFieldTest, ChangesThisAndNothingElse) {
  const Json plain = Template(Json::object()), changed = Template(Json::parse(GetParam().spec));
  EXPECT_EQ(changed, plain.patch(Json::parse(GetParam().patch)))
      << Json::diff(plain, changed).dump(1);
}

#define AGENT "/spec/containers/0/"
#define ARG(at, value) \
  R"([{"op":"replace","path":")" AGENT "args/" at R"(","value":")" value R"("}])"
#define ARGS_ADDED(flag, value)                                         \
  R"([{"op":"add","path":")" AGENT R"(args/-","value":")" flag R"("},)" \
  R"({"op":"add","path":")" AGENT R"(args/-","value":")" value R"("}])"
#define ADDED(path, value) R"([{"op":"add","path":")" path R"(","value":)" value "}]"
#define REPLACED(path, value) R"([{"op":"replace","path":")" path R"(","value":)" value "}]"

#define GPU_TAINT R"({"key":"nvidia.com/gpu","operator":"Exists","effect":"NoSchedule"})"
#define GPUS(count, tolerations)                                      \
  R"([{"op":"replace","path":")" AGENT R"(args/10","value":"cuda"},)" \
  R"({"op":"add","path":")" AGENT R"(resources/limits","value":)"     \
  R"({"nvidia.com/gpu":")" count R"("}},)"                            \
  R"({"op":"add","path":")" AGENT R"(env/5","value":)"                \
  R"({"name":"DEEPSEEK_GPU_METRICS","value":"auto"}},)"               \
  R"({"op":"add","path":"/spec/tolerations","value":[)" tolerations R"(]}])"

#define GPUS_OF_RESOURCES(limits)                                               \
  R"([{"op":"replace","path":")" AGENT R"(args/10","value":"cuda"},)"           \
  R"({"op":"add","path":")" AGENT R"(env/5","value":)"                          \
  R"({"name":"DEEPSEEK_GPU_METRICS","value":"auto"}},)"                         \
  R"({"op":"replace","path":")" AGENT R"(resources","value":{"limits":)" limits \
  R"(}},{"op":"add","path":"/spec/tolerations","value":[)" GPU_TAINT "]}]"

const Field kFields[] = {
    {"Name", R"({"model":{"name":"m"}})", ARG("4", "m")},
    {"Image", R"({"engine":{"image":"mine:1"}})", REPLACED(AGENT "image", R"("mine:1")")},
    {"PullPolicy", R"({"engine":{"imagePullPolicy":"Always"}})",
     REPLACED(AGENT "imagePullPolicy", R"("Always")")},
    {"PullSecrets", R"({"engine":{"imagePullSecrets":[{"name":"a"},{"name":"b"}]}})",
     ADDED("/spec/imagePullSecrets", R"([{"name":"a"},{"name":"b"}])")},
    {"Device", R"({"engine":{"device":"CPU"}})", ARG("10", "cpu")},
    {"DeviceAuto", R"({"engine":{"device":"Auto"}})", "[]"},
    {"DeviceCuda", R"({"engine":{"device":"CUDA"}})", GPUS("1", GPU_TAINT)},
    {"Gpus", R"({"engine":{"device":"CUDA","gpusPerReplica":8}})", GPUS("8", GPU_TAINT)},
    {"GpusSaidTwice",
     R"({"engine":{"device":"CUDA","gpusPerReplica":2},
         "workload":{"resources":{"limits":{"nvidia.com/gpu":2}}}})",
     GPUS_OF_RESOURCES(R"({"nvidia.com/gpu":"2"})")},
    {"GpusOfTheResources",
     R"({"engine":{"device":"CUDA"},
         "workload":{"resources":{"limits":{"nvidia.com/gpu":4}}}})",
     GPUS_OF_RESOURCES(R"({"nvidia.com/gpu":"4"})")},
    {"SlicesOfGpus",
     R"({"engine":{"device":"CUDA"},
         "workload":{"resources":{"limits":{"nvidia.com/mig-1g.10gb":1}}}})",
     GPUS_OF_RESOURCES(R"({"nvidia.com/mig-1g.10gb":"1"})")},
    {"GpusBesideATolerationOfAll",
     R"({"engine":{"device":"CUDA"},"workload":{"tolerations":[{"operator":"Exists"}]}})",
     GPUS("1", R"({"operator":"Exists"})")},
    {"GpusBesideATolerationOfTheirOwn",
     R"({"engine":{"device":"CUDA"},
         "workload":{"tolerations":[{"key":"nvidia.com/gpu","operator":"Equal","value":"h200"}]}})",
     GPUS("1", R"({"key":"nvidia.com/gpu","operator":"Equal","value":"h200"})")},
    {"GpusBesideAnotherToleration",
     R"({"engine":{"device":"CUDA"},"workload":{"tolerations":[{"key":"a","operator":"Exists"}]}})",
     GPUS("1", R"({"key":"a","operator":"Exists"},)" GPU_TAINT)},
    {"GpusBesideATolerationOfAnotherEffect",
     R"({"engine":{"device":"CUDA"},
         "workload":{"tolerations":[{"operator":"Exists","effect":"NoExecute"}]}})",
     GPUS("1", R"({"operator":"Exists","effect":"NoExecute"},)" GPU_TAINT)},
    {"GpusBesideATolerationOfAllNoSchedule",
     R"({"engine":{"device":"CUDA"},
         "workload":{"tolerations":[{"operator":"Exists","effect":"NoSchedule"}]}})",
     GPUS("1", R"({"operator":"Exists","effect":"NoSchedule"})")},
    {"Compute", R"({"engine":{"compute":"BF16"}})", ARG("12", "bf16")},
    {"Weights", R"({"engine":{"weights":"INT8"}})", ARGS_ADDED("--weights", "int8")},
    {"KvCache", R"({"engine":{"kvCache":"BF16"}})", ARGS_ADDED("--kv", "bf16")},
    {"MaxContext", R"({"engine":{"maxContextTokens":4096}})", ARGS_ADDED("--max-context", "4096")},
    {"KvMemory", R"({"engine":{"kvCacheMemory":"2Ki"}})", ARGS_ADDED("--kv-memory", "2048")},
    {"MaxBatch", R"({"engine":{"maxBatch":7}})", ARG("14", "7")},
    {"MaxBatchDelay", R"({"engine":{"maxBatchDelay":"1500ms"}})", ARG("16", "1500ms")},
    {"MaxBatchDelayInSeconds", R"({"engine":{"maxBatchDelay":"2000ms"}})", ARG("16", "2s")},
    {"LogLevel", R"({"observability":{"logLevel":"debug"}})", ARG("22", "debug")},
    {"GpuMetricsWithoutGpus", R"({"observability":{"gpuMetrics":"Auto"}})", "[]"},
    {"GpuMetricsOff", R"({"observability":{"gpuMetrics":"Off"}})", "[]"},
    {"GpuMetrics", R"({"observability":{"gpuMetrics":"On"}})",
     R"([{"op":"add","path":")" AGENT R"(env/5",
          "value":{"name":"DEEPSEEK_GPU_METRICS","value":"on"}}])"},
    {"DrainDelay", R"({"workload":{"drain":{"delay":"6s"}}})",
     R"([{"op":"replace","path":")" AGENT R"(args/18","value":"6s"},
         {"op":"replace","path":"/spec/terminationGracePeriodSeconds","value":81}])"},
    {"DrainTimeout", R"({"workload":{"drain":{"timeout":"2m"}}})",
     R"([{"op":"replace","path":")" AGENT R"(args/20","value":"120s"},
         {"op":"replace","path":"/spec/terminationGracePeriodSeconds","value":140}])"},
    {"NoDrain", R"({"workload":{"drain":{"delay":"0s","timeout":"0s"}}})",
     R"([{"op":"replace","path":")" AGENT R"(args/18","value":"0s"},
         {"op":"replace","path":")" AGENT R"(args/20","value":"0s"},
         {"op":"replace","path":"/spec/terminationGracePeriodSeconds","value":15}])"},
    {"GraceIsRoundedUp", R"({"workload":{"drain":{"delay":"5001ms"}}})",
     R"([{"op":"replace","path":")" AGENT R"(args/18","value":"5001ms"},
         {"op":"replace","path":"/spec/terminationGracePeriodSeconds","value":81}])"},
    {"StartupDeadline", R"({"workload":{"startup":{"deadline":"10m"}}})",
     REPLACED(AGENT "startupProbe/failureThreshold", "300")},
    {"StartupDeadlineOdd", R"({"workload":{"startup":{"deadline":"3s"}}})",
     REPLACED(AGENT "startupProbe/failureThreshold", "2")},
    {"StartupDeadlineFraction", R"({"workload":{"startup":{"deadline":"4001ms"}}})",
     REPLACED(AGENT "startupProbe/failureThreshold", "3")},
    {"StartupDeadlineZero", R"({"workload":{"startup":{"deadline":"0s"}}})",
     REPLACED(AGENT "startupProbe/failureThreshold", "1")},
    {"Resources", R"({"workload":{"resources":{"limits":{"cpu":"2"}}}})",
     REPLACED(AGENT "resources", R"({"limits":{"cpu":"2"}})")},
    {"NodeSelector", R"({"workload":{"nodeSelector":{"disk":"fast"}}})",
     ADDED("/spec/nodeSelector", R"({"disk":"fast"})")},
    {"Tolerations", R"({"workload":{"tolerations":[{"key":"gpu","operator":"Exists"}]}})",
     ADDED("/spec/tolerations", R"([{"key":"gpu","operator":"Exists"}])")},
    {"Affinity",
     R"({"workload":{"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":
         {"nodeSelectorTerms":[{"matchExpressions":[{"key":"a","operator":"Exists"}]}]}}}}})",
     REPLACED("/spec/affinity",
              R"({"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":
         {"nodeSelectorTerms":[{"matchExpressions":[{"key":"a","operator":"Exists"}]}]}}})")},
    {"SpreadWithASelectorOfItsOwn",
     R"({"workload":{"topologySpreadConstraints":[{"maxSkew":2,"topologyKey":"rack",
         "whenUnsatisfiable":"DoNotSchedule","labelSelector":{"matchLabels":{"a":"b"}}}]}})",
     REPLACED("/spec/topologySpreadConstraints",
              R"([{"maxSkew":2,"topologyKey":"rack","whenUnsatisfiable":"DoNotSchedule",
                   "labelSelector":{"matchLabels":{"a":"b"}}}])")},
    {"SpreadOfThesePods",
     R"({"workload":{"topologySpreadConstraints":[{"maxSkew":2,"topologyKey":"rack",
         "whenUnsatisfiable":"DoNotSchedule"}]}})",
     REPLACED("/spec/topologySpreadConstraints",
              R"([{"maxSkew":2,"topologyKey":"rack","whenUnsatisfiable":"DoNotSchedule",
                   "labelSelector":{"matchLabels":{"serving.deepseek-operator.io/deployment":
                   "demo"}}}])")},
    {"PriorityClass", R"({"workload":{"priorityClassName":"high"}})",
     ADDED("/spec/priorityClassName", R"("high")")},
    {"RuntimeClass", R"({"workload":{"runtimeClassName":"nvidia"}})",
     ADDED("/spec/runtimeClassName", R"("nvidia")")},
    {"Volume",
     R"({"model":{"source":{"builtin":null,"persistentVolumeClaim":{"claimName":"w","path":"v3"}}}})",
     R"([{"op":"replace","path":")" AGENT R"(args/2","value":"/model/v3"},
         {"op":"add","path":")" AGENT R"(volumeMounts/-",
          "value":{"name":"model","mountPath":"/model","readOnly":true}},
         {"op":"add","path":"/spec/volumes/-","value":{"name":"model",
          "persistentVolumeClaim":{"claimName":"w","readOnly":true}}}])"},
    // What is not of the pods does not reach them.
    {"Replicas", R"({"replicas":7})", "[]"},
    {"Rollout", R"({"rollout":{"strategy":"Recreate","paused":true,"retryToken":"t"}})", "[]"},
    {"HistoryLimit", R"({"revisionHistoryLimit":9})", "[]"},
    {"Traffic", R"({"traffic":{"allowedFrom":[],"service":{"type":"NodePort"}}})", "[]"},
    {"Scraping", R"({"observability":{"scrapeFrom":[],"podMonitor":{}}})", "[]"},
};

INSTANTIATE_TEST_SUITE_P(Table, PodFieldTest, ::testing::ValuesIn(kFields),
                         [](const auto& info) { return std::string(info.param.name); });

// The template of the smallest spec, part by part.
TEST(PlainPodTest, TheContainer) {
  const Json container = Template(Json::object())["spec"]["containers"][0];
  EXPECT_EQ(container["name"], "agent");
  EXPECT_EQ(container["image"], "agent:1");
  EXPECT_EQ(container["imagePullPolicy"], "IfNotPresent");
  EXPECT_EQ(container["ports"], Json::parse(R"([
      {"name":"http","containerPort":8000,"protocol":"TCP"},
      {"name":"grpc","containerPort":9000,"protocol":"TCP"},
      {"name":"metrics","containerPort":9090,"protocol":"TCP"}])"));
  EXPECT_EQ(container["terminationMessagePath"], "/dev/termination-log");
  EXPECT_EQ(container["terminationMessagePolicy"], "File");
  EXPECT_EQ(container["volumeMounts"][0], Json::parse(R"({"name":"tmp","mountPath":"/tmp"})"));
  EXPECT_FALSE(container.contains("command")) << "that of the image";
}

TEST(PlainPodTest, Probes) {
  const Json container = Template(Json::object())["spec"]["containers"][0];
  const auto probe = [](const char* path, int period, int timeout, int failures) {
    return Json{{"httpGet", {{"path", path}, {"port", "metrics"}, {"scheme", "HTTP"}}},
                {"periodSeconds", period},
                {"timeoutSeconds", timeout},
                {"failureThreshold", failures}};
  };
  EXPECT_EQ(container["startupProbe"], probe("/ready", 2, 2, 900)) << "30 min";
  EXPECT_EQ(container["readinessProbe"], probe("/ready", 2, 3, 3));
  EXPECT_EQ(container["livenessProbe"], probe("/health", 10, 5, 5));
}

TEST(PlainPodTest, Environment) {
  const Json env = Template(Json::object())["spec"]["containers"][0]["env"];
  const auto field = [](const char* name, const char* path) {
    return Json{{"name", name},
                {"valueFrom", {{"fieldRef", {{"apiVersion", "v1"}, {"fieldPath", path}}}}}};
  };
  ASSERT_EQ(env.size(), 9u);
  EXPECT_EQ(env[0], Json::parse(R"({"name":"DEEPSEEK_DEPLOYMENT","value":"demo"})"));
  EXPECT_EQ(env[1], Json::parse(R"({"name":"DEEPSEEK_REVISION","value":"cafe0000"})"));
  EXPECT_EQ(env[3], Json::parse(R"({"name":"DEEPSEEK_GRPC","value":"0.0.0.0:9000"})"));
  EXPECT_EQ(env[4], Json::parse(R"({"name":"DEEPSEEK_INSECURE","value":"true"})"));
  EXPECT_EQ(env[5], field("POD_NAME", "metadata.name"));
  EXPECT_EQ(env[6], field("POD_NAMESPACE", "metadata.namespace"));
  EXPECT_EQ(env[7], field("POD_IP", "status.podIP"));
  EXPECT_EQ(env[8], field("NODE_NAME", "spec.nodeName"));
}

TEST(PlainPodTest, ThePod) {
  Json spec = Template(Json::object())["spec"];
  EXPECT_EQ(spec["enableServiceLinks"], false);
  EXPECT_EQ(spec["securityContext"]["fsGroupChangePolicy"], "OnRootMismatch");
  EXPECT_EQ(spec["volumes"][0], Json::parse(R"({"name":"tmp","emptyDir":{}})"));
  const Json these =
      Json::parse(R"({"matchLabels":{"serving.deepseek-operator.io/deployment":"demo"}})");
  EXPECT_EQ(spec["affinity"],
            Json({{"podAntiAffinity",
                   {{"preferredDuringSchedulingIgnoredDuringExecution",
                     Json::array({{{"weight", 100},
                                   {"podAffinityTerm",
                                    {{"labelSelector", these},
                                     {"topologyKey", "kubernetes.io/hostname"}}}}})}}}}));
  EXPECT_EQ(spec["topologySpreadConstraints"],
            Json::array({{{"maxSkew", 1},
                          {"topologyKey", "topology.kubernetes.io/zone"},
                          {"whenUnsatisfiable", "ScheduleAnyway"},
                          {"labelSelector", these}}}));
  for (const char* absent : {"imagePullSecrets", "nodeSelector", "tolerations", "hostNetwork",
                             "priorityClassName", "runtimeClassName", "initContainers"}) {
    EXPECT_FALSE(spec.contains(absent)) << absent;
  }
}

TEST(PlainPodTest, TheSelectorOfOneRevisionOrAll) {
  EXPECT_EQ(Selector("demo"), Json::parse(R"({"serving.deepseek-operator.io/deployment":"demo"})"));
  EXPECT_EQ(Selector("demo", "cafe0000"),
            Json::parse(R"({"serving.deepseek-operator.io/deployment":"demo",
                            "serving.deepseek-operator.io/revision":"cafe0000"})"));
}

}  // namespace
}  // namespace deepseek::decide
