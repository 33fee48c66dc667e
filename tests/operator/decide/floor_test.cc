// Hostile overlays: each is refused with its path, nothing of it reaches a pod.

#include "operator/decide/floor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json_full.h"
#include "base/strings.h"
#include "operator/decide/decide.h"
#include "operator/decide/json_read.h"
#include "tests/operator/decide/world.h"

namespace deepseek::decide {
namespace {

using ::testing::StartsWith;

struct Hostile {
  const char* name;
  const char* overlay;
  const char* path;  // below spec.workload.template
};

class HostileOverlayTest : public ::testing::TestWithParam<Hostile> {};

TEST_P(HostileOverlayTest, IsRefusedWithItsPath) {
  World w;
  ASSERT_TRUE(w.Settle());
  const auto before = w.children;
  w.Edit({{"workload", {{"template", Json::parse(GetParam().overlay)}}}});
  // merge_patch has taken nulls for removals: put the overlay in as it is.
  w.spec["workload"]["template"] = Json::parse(GetParam().overlay);
  const Plan plan = w.Reconcile();
  EXPECT_FALSE(plan.manage);
  EXPECT_EQ(w.Condition("Ready"), "False/InvalidSpec");
  EXPECT_EQ(w.Condition("Stalled"), "True/InvalidSpec");
  EXPECT_THAT(w.Message("Stalled"),
              StartsWith(StrCat("spec.workload.template", GetParam().path, ": ")));
  EXPECT_EQ(w.children, before) << "nothing is written";
  EXPECT_EQ(w.Ready(), 1) << "what served goes on serving";
}

// A second container that would pass, with one thing changed: `x` is merged into its place.
#define SIDE(x)                                                                              \
  R"({"spec":{"containers":[{"name":"side","image":"i","securityContext":{"capabilities":{)" \
  R"("drop":["ALL"]},"allowPrivilegeEscalation":false},)" x "}]}}"
#define SIDE_CONTEXT(x) \
  R"({"spec":{"containers":[{"name":"side","image":"i","securityContext":{)" x "}}]}}"
#define AGENT(x) R"({"spec":{"containers":[{"name":"agent",)" x "}]}}"
#define POD(x) R"({"spec":{)" x "}}"
#define VOLUME(x) R"({"spec":{"volumes":[{"name":"v",)" x "}]}}"

const Hostile kHostile[] = {
    // identity
    {"ServiceAccountName", POD(R"("serviceAccountName":"admin")"), ".spec.serviceAccountName"},
    {"ServiceAccountNameNull", POD(R"("serviceAccountName":null)"), ".spec.serviceAccountName"},
    {"ServiceAccount", POD(R"("serviceAccount":"admin")"), ".spec.serviceAccount"},
    {"TokenMounted", POD(R"("automountServiceAccountToken":true)"),
     ".spec.automountServiceAccountToken"},
    {"TokenDefault", POD(R"("automountServiceAccountToken":null)"),
     ".spec.automountServiceAccountToken"},
    {"TokenOfTheApiServer",
     VOLUME(R"("projected":{"sources":[{"serviceAccountToken":{"path":"t"}}]})"),
     ".spec.volumes[v].projected.sources[0].serviceAccountToken.audience"},
    {"TokenForVault", VOLUME(R"("projected":{"sources":[{"configMap":{"name":"c"}},
             {"serviceAccountToken":{"path":"t","audience":"vault"}}]})"),
     ".spec.volumes[v].projected.sources[1].serviceAccountToken.audience"},
    {"PodCertificate", VOLUME(R"("projected":{"sources":[{"podCertificate":{"signerName":"s"}}]})"),
     ".spec.volumes[v].projected.sources[0].podCertificate"},
    {"SourcesNoList", VOLUME(R"("projected":{"sources":{"serviceAccountToken":{}}})"),
     ".spec.volumes[v].projected.sources"},
    // the host
    {"HostNetwork", POD(R"("hostNetwork":true)"), ".spec.hostNetwork"},
    {"HostNetworkText", POD(R"("hostNetwork":"true")"), ".spec.hostNetwork"},
    {"HostPid", POD(R"("hostPID":true)"), ".spec.hostPID"},
    {"HostIpc", POD(R"("hostIPC":true)"), ".spec.hostIPC"},
    {"SharedProcesses", POD(R"("shareProcessNamespace":true)"), ".spec.shareProcessNamespace"},
    {"NodeName", POD(R"("nodeName":"control-plane")"), ".spec.nodeName"},
    {"EphemeralContainers", POD(R"("ephemeralContainers":[{"name":"debug"}])"),
     ".spec.ephemeralContainers"},
    {"Windows", POD(R"("os":{"name":"windows"})"), ".spec.os.name"},
    {"HostPath", VOLUME(R"("hostPath":{"path":"/"})"), ".spec.volumes[v].hostPath"},
    {"HostPathOfTmp",
     R"({"spec":{"volumes":[{"name":"tmp","emptyDir":null,"hostPath":{"path":"/"}}]}})",
     ".spec.volumes[tmp].hostPath"},
    {"Nfs", VOLUME(R"("nfs":{"server":"s","path":"/"})"), ".spec.volumes[v].nfs"},
    {"Iscsi", VOLUME(R"("iscsi":{"targetPortal":"p","iqn":"i","lun":0})"),
     ".spec.volumes[v].iscsi"},
    {"Glusterfs", VOLUME(R"("glusterfs":{"endpoints":"e","path":"p"})"),
     ".spec.volumes[v].glusterfs"},
    {"FlexVolume", VOLUME(R"("flexVolume":{"driver":"d"})"), ".spec.volumes[v].flexVolume"},
    {"GitRepo", VOLUME(R"("gitRepo":{"repository":"r"})"), ".spec.volumes[v].gitRepo"},
    {"UnknownVolume", VOLUME(R"("somethingNew":{})"), ".spec.volumes[v].somethingNew"},
    {"HostPort", AGENT(R"("ports":[{"containerPort":8000,"hostPort":80}])"),
     ".spec.containers[agent].ports[8000].hostPort"},
    {"HostPortOfASidecar", SIDE(R"("ports":[{"containerPort":7000,"hostPort":7000}])"),
     ".spec.containers[side].ports[7000].hostPort"},
    {"HostIp", AGENT(R"("ports":[{"containerPort":8000,"hostIP":"10.0.0.1"}])"),
     ".spec.containers[agent].ports[8000].hostIP"},
    {"ProbeOfAnotherHost", AGENT(R"("livenessProbe":{"httpGet":{"host":"169.254.169.254"}})"),
     ".spec.containers[agent].livenessProbe.httpGet.host"},
    {"HookOfAnotherHost",
     SIDE(R"("lifecycle":{"preStop":{"tcpSocket":{"host":"10.0.0.1","port":1}}})"),
     ".spec.containers[side].lifecycle.preStop.tcpSocket.host"},
    // the pod's security context
    {"PodContextRemoved", POD(R"("securityContext":null)"), ".spec.securityContext"},
    {"PodRoot", POD(R"("securityContext":{"runAsUser":0})"), ".spec.securityContext.runAsUser"},
    {"PodMayBeRoot", POD(R"("securityContext":{"runAsNonRoot":false})"),
     ".spec.securityContext.runAsNonRoot"},
    {"PodNonRootRemoved", POD(R"("securityContext":{"runAsNonRoot":null})"),
     ".spec.securityContext.runAsNonRoot"},
    {"PodGroupRoot", POD(R"("securityContext":{"runAsGroup":0})"),
     ".spec.securityContext.runAsGroup"},
    {"PodGroupRemoved", POD(R"("securityContext":{"runAsGroup":null})"),
     ".spec.securityContext.runAsGroup"},
    {"FsGroupRoot", POD(R"("securityContext":{"fsGroup":0})"), ".spec.securityContext.fsGroup"},
    {"SupplementalRoot", POD(R"("securityContext":{"supplementalGroups":[5,0]})"),
     ".spec.securityContext.supplementalGroups[1]"},
    {"Sysctl", POD(R"("securityContext":{"sysctls":[{"name":"kernel.msgmax","value":"1"}]})"),
     ".spec.securityContext.sysctls[0].name"},
    {"PodUnconfined", POD(R"("securityContext":{"seccompProfile":{"type":"Unconfined"}})"),
     ".spec.securityContext.seccompProfile.type"},
    {"PodSeccompRemoved", POD(R"("securityContext":{"seccompProfile":null})"),
     ".spec.securityContext.seccompProfile"},
    {"PodAppArmor", POD(R"("securityContext":{"appArmorProfile":{"type":"Unconfined"}})"),
     ".spec.securityContext.appArmorProfile.type"},
    {"PodSeLinux", POD(R"("securityContext":{"seLinuxOptions":{"type":"spc_t"}})"),
     ".spec.securityContext.seLinuxOptions.type"},
    {"PodHostProcess", POD(R"("securityContext":{"windowsOptions":{"hostProcess":true}})"),
     ".spec.securityContext.windowsOptions.hostProcess"},
    {"AppArmorAnnotation",
     R"({"metadata":{"annotations":{"container.apparmor.security.beta.kubernetes.io/agent":"unconfined"}}})",
     ".metadata.annotations[container.apparmor.security.beta.kubernetes.io/agent]"},
    // containers
    {"Privileged", AGENT(R"("securityContext":{"privileged":true})"),
     ".spec.containers[agent].securityContext.privileged"},
    {"Escalation", AGENT(R"("securityContext":{"allowPrivilegeEscalation":true})"),
     ".spec.containers[agent].securityContext.allowPrivilegeEscalation"},
    {"EscalationRemoved", AGENT(R"("securityContext":{"allowPrivilegeEscalation":null})"),
     ".spec.containers[agent].securityContext.allowPrivilegeEscalation"},
    {"SysAdmin", AGENT(R"("securityContext":{"capabilities":{"add":["SYS_ADMIN"]}})"),
     ".spec.containers[agent].securityContext.capabilities.add"},
    {"CapabilitiesKept", AGENT(R"("securityContext":{"capabilities":{"drop":["NET_RAW"]}})"),
     ".spec.containers[agent].securityContext.capabilities.drop"},
    {"CapabilitiesRemoved", AGENT(R"("securityContext":{"capabilities":null})"),
     ".spec.containers[agent].securityContext.capabilities.drop"},
    {"ContainerRoot", AGENT(R"("securityContext":{"runAsUser":0})"),
     ".spec.containers[agent].securityContext.runAsUser"},
    {"ContainerGroupRoot", AGENT(R"("securityContext":{"runAsGroup":0})"),
     ".spec.containers[agent].securityContext.runAsGroup"},
    {"ContainerMayBeRoot", AGENT(R"("securityContext":{"runAsNonRoot":false})"),
     ".spec.containers[agent].securityContext.runAsNonRoot"},
    {"ContainerUnconfined", AGENT(R"("securityContext":{"seccompProfile":{"type":"Unconfined"}})"),
     ".spec.containers[agent].securityContext.seccompProfile.type"},
    {"ContainerAppArmor", AGENT(R"("securityContext":{"appArmorProfile":{"type":"Unconfined"}})"),
     ".spec.containers[agent].securityContext.appArmorProfile.type"},
    {"ContainerSeLinuxUser", AGENT(R"("securityContext":{"seLinuxOptions":{"user":"system_u"}})"),
     ".spec.containers[agent].securityContext.seLinuxOptions.user"},
    {"ContainerSeLinuxRole", AGENT(R"("securityContext":{"seLinuxOptions":{"role":"system_r"}})"),
     ".spec.containers[agent].securityContext.seLinuxOptions.role"},
    {"ProcMount", AGENT(R"("securityContext":{"procMount":"Unmasked"})"),
     ".spec.containers[agent].securityContext.procMount"},
    {"WritableRoot", AGENT(R"("securityContext":{"readOnlyRootFilesystem":false})"),
     ".spec.containers[agent].securityContext.readOnlyRootFilesystem"},
    {"ContextRemoved", AGENT(R"("securityContext":null)"),
     ".spec.containers[agent].securityContext.readOnlyRootFilesystem"},
    {"SidecarWithoutContext", R"({"spec":{"containers":[{"name":"side","image":"i"}]}})",
     ".spec.containers[side].securityContext.allowPrivilegeEscalation"},
    {"SidecarWithCapabilities", SIDE_CONTEXT(R"("allowPrivilegeEscalation":false)"),
     ".spec.containers[side].securityContext.capabilities.drop"},
    {"PrivilegedSidecar", SIDE_CONTEXT(R"("privileged":true)"),
     ".spec.containers[side].securityContext.privileged"},
    {"PrivilegedInit",
     R"({"spec":{"initContainers":[{"name":"i","image":"i","securityContext":{"privileged":true}}]}})",
     ".spec.initContainers[i].securityContext.privileged"},
    {"InitWithoutContext", R"({"spec":{"initContainers":[{"name":"i","image":"i"}]}})",
     ".spec.initContainers[i].securityContext.allowPrivilegeEscalation"},
    // the agent
    {"Command", AGENT(R"("command":["sh"])"), ".spec.containers[agent].command"},
    {"Args", AGENT(R"("args":["serve","--model","/etc"])"), ".spec.containers[agent].args"},
    {"ArgsRemoved", AGENT(R"("args":null)"), ".spec.containers[agent].args"},
    {"AgentRemoved", POD(R"("containers":null)"), ".spec.containers"},
    {"AnotherRevision", AGENT(R"("env":[{"name":"DEEPSEEK_REVISION","value":"x"}])"),
     ".spec.containers[agent].env[DEEPSEEK_REVISION]"},
    {"AnotherPod", AGENT(R"("env":[{"name":"POD_NAME","value":"x"}])"),
     ".spec.containers[agent].env[POD_NAME]"},
    {"NoDigest", AGENT(R"("env":[{"name":"DEEPSEEK_MODEL_DIGEST_FILE","value":""}])"),
     ".spec.containers[agent].env[DEEPSEEK_MODEL_DIGEST_FILE]"},
    {"EnvRemoved", AGENT(R"("env":null)"), ".spec.containers[agent].env[DEEPSEEK_DEPLOYMENT]"},
    {"EnvFromInstead", AGENT(R"("env":null,"envFrom":[{"configMapRef":{"name":"mine"}}])"),
     ".spec.containers[agent].env[DEEPSEEK_DEPLOYMENT]"},
    {"ValueRemoved", AGENT(R"("env":[{"name":"DEEPSEEK_REVISION","value":null}])"),
     ".spec.containers[agent].env[DEEPSEEK_REVISION]"},
    {"RevisionReplaced", POD(R"("volumes":[{"name":"revision","configMap":null,"emptyDir":{}}])"),
     ".spec.volumes[revision]"},
    {"RevisionOfAnother", POD(R"("volumes":[{"name":"revision","configMap":{"name":"mine"}}])"),
     ".spec.volumes[revision]"},
    {"RevisionCut",
     POD(R"("volumes":[{"name":"revision","configMap":{"items":[{"key":"x","path":"x"}]}}])"),
     ".spec.volumes[revision]"},
    {"VolumesRemoved", POD(R"("volumes":null)"), ".spec.volumes[revision]"},
    {"MountsRemoved", AGENT(R"("volumeMounts":null)"),
     ".spec.containers[agent].volumeMounts[/etc/deepseek-agent/revision]"},
    {"MountOfAnotherVolume",
     AGENT(R"("volumeMounts":[{"mountPath":"/etc/deepseek-agent/revision","name":"tmp"}])"),
     ".spec.containers[agent].volumeMounts[/etc/deepseek-agent/revision]"},
    {"MountOverADigest",
     AGENT(R"("volumeMounts":[{"mountPath":"/etc/deepseek-agent/revision/d","name":"tmp"}])"),
     ".spec.containers[agent].volumeMounts[/etc/deepseek-agent/revision/d]"},
    {"MountByAnotherSpelling",
     AGENT(
         R"("volumeMounts":[{"mountPath":"/tmp/../etc//deepseek-agent/revision/","name":"tmp"}])"),
     ".spec.containers[agent].volumeMounts[/tmp/../etc//deepseek-agent/revision/]"},
    // labels
    {"DeploymentLabel",
     R"({"metadata":{"labels":{"serving.deepseek-operator.io/deployment":"x"}}})",
     ".metadata.labels[serving.deepseek-operator.io/deployment]"},
    {"RevisionLabel", R"({"metadata":{"labels":{"serving.deepseek-operator.io/revision":"x"}}})",
     ".metadata.labels[serving.deepseek-operator.io/revision]"},
    {"RoleLabel", R"({"metadata":{"labels":{"serving.deepseek-operator.io/role":"stable"}}})",
     ".metadata.labels[serving.deepseek-operator.io/role]"},
};

INSTANTIATE_TEST_SUITE_P(Table, HostileOverlayTest, ::testing::ValuesIn(kHostile),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(FloorTest, TheTableIsLong) {
  EXPECT_GE(std::size(kHostile), 60u);
}

TEST(FloorTest, WhatTheSchemaRefusesIsRefusedHereToo) {
  // The schema keeps these away from the operator; another caller may not have it in front.
  const Json base =
      Json::parse(R"({"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"agent"}]}})");
  EXPECT_FALSE(CheckFloor(base, {{"metadata", base["metadata"]}}).ok()) << "no spec";
  EXPECT_FALSE(CheckFloor(base, {{"spec", base["spec"]}}).ok()) << "no labels";
  Json merged = base;
  merged["spec"]["securityContext"] = {{"runAsNonRoot", true},
                                       {"runAsGroup", 1},
                                       {"fsGroup", 1},
                                       {"seccompProfile", {{"type", "RuntimeDefault"}}}};
  merged["spec"]["volumes"] = "all";
  EXPECT_EQ(CheckFloor(base, merged).message(),
            "spec.workload.template.spec.volumes: must be a list");
}

}  // namespace
}  // namespace deepseek::decide
