// What the floor says when it refuses, in full: where, and what to do.

#include <gtest/gtest.h>

#include "base/json_full.h"
#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/decide/floor.h"
#include "operator/decide/overlay.h"
#include "operator/decide/pod_template.h"

namespace deepseek::decide {
namespace {

// The template with the overlay, or why not.
absl::StatusOr<Json> TemplateWith(const Json& overlay) {
  Json spec = {{"model", {{"source", {{"builtin", "demo-v3"}}}}},
               {"workload", {{"template", overlay}}}};
  const auto dsd = api::Parse({{"metadata", {{"name", "demo"}}}, {"spec", spec}});
  if (!dsd.ok()) return dsd.status();
  return PodTemplate("demo", "cafe0000", dsd->intent,
                     Resolve(dsd->intent, "demo", {"agent:1", "IfNotPresent", "0.1.0"}));
}

struct Words {
  const char* name;
  const char* overlay;
  const char* message;  // below spec.workload.template.
};

class FloorWordsTest : public ::testing::TestWithParam<Words> {};

TEST_P(FloorWordsTest, SayWhereAndWhat) {
  const auto merged = TemplateWith(Json::parse(GetParam().overlay));
  ASSERT_FALSE(merged.ok());
  EXPECT_EQ(std::string(merged.status().message()),
            StrCat("spec.workload.template.", GetParam().message));
}

#define POD(x) R"({"spec":{)" x "}}"
#define CONTEXT(x) R"({"spec":{"securityContext":{)" x "}}}"
#define AGENT(x) R"({"spec":{"containers":[{"name":"agent",)" x "}]}}"
#define AGENT_CONTEXT(x) AGENT(R"("securityContext":{)" x "}")
#define VOLUME(x) R"({"spec":{"volumes":[{"name":"v",)" x "}]}}"

const Words kWords[] = {
    {"ServiceAccount", POD(R"("serviceAccountName":"x")"),
     "spec.serviceAccountName: the pods have a service account of their own"},
    {"OldServiceAccount", POD(R"("serviceAccount":"x")"),
     "spec.serviceAccount: the pods have a service account of their own"},
    {"Token", POD(R"("automountServiceAccountToken":true)"),
     "spec.automountServiceAccountToken: the pods get no token of the API server"},
    {"Node", POD(R"("nodeName":"n")"),
     "spec.nodeName: must not be set (use workload.nodeSelector or affinity)"},
    {"Ephemeral", POD(R"("ephemeralContainers":[{"name":"e"}])"),
     "spec.ephemeralContainers: must not be set"},
    {"HostNetwork", POD(R"("hostNetwork":true)"), "spec.hostNetwork: must not be true"},
    {"Os", POD(R"("os":{"name":"windows"})"), "spec.os.name: must be linux"},
    {"Volume", VOLUME(R"("hostPath":{"path":"/"})"),
     "spec.volumes[v].hostPath: is a volume that Pod Security restricted forbids"},
    {"Sources", VOLUME(R"("projected":{"sources":{}})"),
     "spec.volumes[v].projected.sources: must be a list"},
    {"Audience", VOLUME(R"("projected":{"sources":[{"serviceAccountToken":{"path":"t"}}]})"),
     "spec.volumes[v].projected.sources[0].serviceAccountToken.audience: must be "
     "serving.deepseek-operator.io: a token for others could be used against them"},
    {"PodCertificate", VOLUME(R"("projected":{"sources":[{"podCertificate":{"signerName":"s"}}]})"),
     "spec.volumes[v].projected.sources[0].podCertificate: must not be set"},
    {"OurLabel", R"({"metadata":{"labels":{"serving.deepseek-operator.io/revision":"x"}}})",
     "metadata.labels[serving.deepseek-operator.io/revision]: is the operator's own, pods are "
     "selected by it"},
    {"OurPrefix", R"({"metadata":{"labels":{"serving.deepseek-operator.io/x":"x"}}})",
     "metadata.labels[serving.deepseek-operator.io/x]: serving.deepseek-operator.io/ is the "
     "operator's own"},
    {"AppArmorAnnotation",
     R"({"metadata":{"annotations":{"container.apparmor.security.beta.kubernetes.io/a":"none"}}})",
     "metadata.annotations[container.apparmor.security.beta.kubernetes.io/a]: must be "
     "runtime/default"},
    {"NoContext", POD(R"("securityContext":null)"), "spec.securityContext: must not be removed"},
    {"NonRoot", CONTEXT(R"("runAsNonRoot":null)"),
     "spec.securityContext.runAsNonRoot: must be true"},
    {"NoSeccomp", CONTEXT(R"("seccompProfile":null)"),
     "spec.securityContext.seccompProfile: must not be removed"},
    {"Seccomp", CONTEXT(R"("seccompProfile":{"type":"Unconfined"})"),
     "spec.securityContext.seccompProfile.type: must be RuntimeDefault or Localhost"},
    {"UserZero", CONTEXT(R"("runAsUser":0)"),
     "spec.securityContext.runAsUser: must be a number above 0"},
    {"UserText", CONTEXT(R"("runAsUser":"1000")"),
     "spec.securityContext.runAsUser: must be a number above 0"},
    {"FsGroup", CONTEXT(R"("fsGroup":null)"),
     "spec.securityContext.fsGroup: must be a number above 0"},
    {"FsGroupText", CONTEXT(R"("fsGroup":"7")"),
     "spec.securityContext.fsGroup: must be a number above 0"},
    {"Supplemental", CONTEXT(R"("supplementalGroups":[0])"),
     "spec.securityContext.supplementalGroups[0]: must be a number above 0"},
    {"SupplementalText", CONTEXT(R"("supplementalGroups":["7"])"),
     "spec.securityContext.supplementalGroups[0]: must be a number above 0"},
    {"SupplementalNoList", CONTEXT(R"("supplementalGroups":7)"),
     "spec.securityContext.supplementalGroups[0]: must be a number above 0"},
    {"Sysctl", CONTEXT(R"("sysctls":[{"name":"kernel.shm_rmid_forced"},{"name":"x"}])"),
     "spec.securityContext.sysctls[1].name: is not a safe kernel parameter"},
    {"SysctlNoList", CONTEXT(R"("sysctls":{"name":"kernel.shm_rmid_forced"})"),
     "spec.securityContext.sysctls[0].name: is not a safe kernel parameter"},
    {"SeLinux", CONTEXT(R"("seLinuxOptions":{"type":"spc_t"})"),
     "spec.securityContext.seLinuxOptions.type: is not a type of an ordinary container"},
    {"SeLinuxUser", CONTEXT(R"("seLinuxOptions":{"user":"u"})"),
     "spec.securityContext.seLinuxOptions.user: must not be set"},
    {"HostProcess", CONTEXT(R"("windowsOptions":{"hostProcess":true})"),
     "spec.securityContext.windowsOptions.hostProcess: must not be true"},
    {"NoAgent", POD(R"("containers":null)"), "spec.containers: the agent's container must stay"},
    {"Command", AGENT(R"("command":["sh"])"),
     "spec.containers[agent].command: is the operator's own (use spec.engine)"},
    {"Env", AGENT(R"("env":[{"name":"POD_IP","value":"x"}])"),
     "spec.containers[agent].env[POD_IP]: tells the agent who it is and is the operator's own"},
    {"EnvRemoved", AGENT(R"("env":null)"),
     "spec.containers[agent].env[DEEPSEEK_DEPLOYMENT]: tells the agent who it is and is the "
     "operator's own"},
    {"RevisionVolume", POD(R"("volumes":[{"name":"revision","configMap":null,"emptyDir":{}}])"),
     "spec.volumes[revision]: tells the agent which weights its revision stands for and is the "
     "operator's own"},
    {"RevisionMount", AGENT(R"("volumeMounts":null)"),
     "spec.containers[agent].volumeMounts[/etc/deepseek-agent/revision]: tells the agent which "
     "weights its revision stands for and is the operator's own"},
    {"RootFilesystem", AGENT_CONTEXT(R"("readOnlyRootFilesystem":null)"),
     "spec.containers[agent].securityContext.readOnlyRootFilesystem: must be true"},
    {"Privileged", AGENT_CONTEXT(R"("privileged":true)"),
     "spec.containers[agent].securityContext.privileged: must not be true"},
    {"Escalation", AGENT_CONTEXT(R"("allowPrivilegeEscalation":true)"),
     "spec.containers[agent].securityContext.allowPrivilegeEscalation: must be false"},
    {"Drop", AGENT_CONTEXT(R"("capabilities":{"drop":[]})"),
     "spec.containers[agent].securityContext.capabilities.drop: must hold ALL"},
    {"DropNoList", AGENT_CONTEXT(R"("capabilities":null)"),
     "spec.containers[agent].securityContext.capabilities.drop: must hold ALL"},
    {"Add", AGENT_CONTEXT(R"("capabilities":{"add":["NET_BIND_SERVICE","SYS_TIME"]})"),
     "spec.containers[agent].securityContext.capabilities.add: only NET_BIND_SERVICE may be added"},
    {"AddNoList", AGENT_CONTEXT(R"("capabilities":{"add":"NET_BIND_SERVICE"})"),
     "spec.containers[agent].securityContext.capabilities.add: only NET_BIND_SERVICE may be added"},
    {"Proc", AGENT_CONTEXT(R"("procMount":"Unmasked")"),
     "spec.containers[agent].securityContext.procMount: must be Default"},
    {"ContainerNonRoot", AGENT_CONTEXT(R"("runAsNonRoot":false)"),
     "spec.containers[agent].securityContext.runAsNonRoot: must be true"},
    {"HostPort", AGENT(R"("ports":[{"containerPort":8000,"hostPort":"80"}])"),
     "spec.containers[agent].ports[8000].hostPort: must not be set"},
    {"HostIp", AGENT(R"("ports":[{"containerPort":8000,"hostIP":"::"}])"),
     "spec.containers[agent].ports[8000].hostIP: must not be set"},
    {"StartupProbe", AGENT(R"("startupProbe":{"httpGet":{"host":"h"}})"),
     "spec.containers[agent].startupProbe.httpGet.host: must not be set"},
    {"ReadinessProbe", AGENT(R"("readinessProbe":{"tcpSocket":{"host":"h","port":1}})"),
     "spec.containers[agent].readinessProbe.tcpSocket.host: must not be set"},
    {"PostStart", AGENT(R"("lifecycle":{"postStart":{"httpGet":{"host":"h","port":1}}})"),
     "spec.containers[agent].lifecycle.postStart.httpGet.host: must not be set"},
    // Of the merge itself.
    {"NullItem", R"({"spec":{"tolerations":[null]}})",
     "spec.tolerations[0]: an item of a list must not be null"},
    {"ListForObject", POD(R"("affinity":[])"), "spec.affinity: must be an object, not a list"},
    {"TextForList", POD(R"("topologySpreadConstraints":"x")"),
     "spec.topologySpreadConstraints: must be a list, not a single value"},
    {"ObjectForNumber", POD(R"("terminationGracePeriodSeconds":{})"),
     "spec.terminationGracePeriodSeconds: must be a single value, not an object"},
    {"KeyedNoList", POD(R"("volumes":{})"), "spec.volumes: must be a list"},
    {"ItemText", POD(R"("volumes":["x"])"), "spec.volumes[0]: must be an object"},
    {"NoKey", POD(R"("volumes":[{"emptyDir":{}}])"),
     "spec.volumes[0].name: required: items of this list are merged by it"},
    {"KeyNoText", POD(R"("volumes":[{"name":{}}])"),
     "spec.volumes[0].name: required: items of this list are merged by it"},
    {"Twice", AGENT(R"("ports":[{"containerPort":1},{"containerPort":1,"protocol":"TCP"}])"),
     "spec.containers[agent].ports[1/TCP]: is there twice"},
    {"InitTwice", POD(R"("initContainers":[{"name":"a"},{"name":"a"}])"),
     "spec.initContainers[a]: is there twice"},
    {"SecretTwice", POD(R"("imagePullSecrets":[{"name":"a"},{"name":"a"}])"),
     "spec.imagePullSecrets[a]: is there twice"},
    {"Directive", POD(R"("$patch":"delete")"),
     "spec.$patch: directives of a strategic merge patch are not understood here (null removes)"},
};

INSTANTIATE_TEST_SUITE_P(Table, FloorWordsTest, ::testing::ValuesIn(kWords),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace deepseek::decide
