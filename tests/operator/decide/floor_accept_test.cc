// What the floor lets through: every value that Pod Security `restricted` allows, and the edges of
// what it does not.

#include <gtest/gtest.h>

#include "base/json_full.h"
#include "base/strings.h"
#include "operator/decide/floor.h"
#include "operator/decide/json_read.h"

namespace deepseek::decide {
namespace {

Json Base() {
  return Json::parse(R"({
      "metadata": {"labels": {"serving.deepseek-operator.io/deployment": "demo"}},
      "spec": {
        "serviceAccountName": "demo-agent", "automountServiceAccountToken": false,
        "securityContext": {"runAsNonRoot": true, "runAsUser": 1, "runAsGroup": 1, "fsGroup": 1,
                            "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "agent", "args": ["serve"], "env": [{"name": "A", "value": "b"}],
                        "securityContext": {"allowPrivilegeEscalation": false,
                          "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": true}}],
        "volumes": [{"name": "tmp", "emptyDir": {}}]}})");
}

absl::Status With(const char* path, const Json& value) {
  Json merged = Base();
  merged[Json::json_pointer(path)] = value;
  return CheckFloor(Base(), merged);
}

struct Allowed {
  const char* path;
  const char* value;
};

constexpr Allowed kAllowed[] = {
    {"/spec/hostNetwork", "false"},
    {"/spec/hostPID", "false"},
    {"/spec/hostIPC", "false"},
    {"/spec/shareProcessNamespace", "false"},
    {"/spec/os", R"({"name":"linux"})"},
    {"/spec/os", "{}"},
    {"/spec/volumes", "null"},
    {"/spec/volumes", "[]"},
    {"/spec/volumes/0/projected", R"({"sources":[{"configMap":{"name":"c"}}]})"},
    {"/spec/volumes/0/projected", "{}"},
    {"/metadata/labels/team", R"("a")"},
    {"/metadata/annotations", R"({"container.apparmor.security.beta.kubernetes.io/agent":
                                  "runtime/default"})"},
    {"/metadata/annotations", R"({"container.apparmor.security.beta.kubernetes.io/agent":
                                  "localhost/mine"})"},
    {"/metadata/annotations", R"({"anything/else":"unconfined"})"},
    {"/spec/securityContext/supplementalGroups", "[5,6]"},
    {"/spec/securityContext/supplementalGroups", "[]"},
    {"/spec/securityContext/seccompProfile", R"({"type":"Localhost","localhostProfile":"p"})"},
    {"/spec/securityContext/appArmorProfile", R"({"type":"RuntimeDefault"})"},
    {"/spec/securityContext/appArmorProfile", R"({"type":"Localhost"})"},
    {"/spec/securityContext/seLinuxOptions", R"({"level":"s0:c1","user":"","role":""})"},
    {"/spec/securityContext/seLinuxOptions", R"({"type":""})"},
    {"/spec/securityContext/seLinuxOptions", R"({"type":"container_t"})"},
    {"/spec/securityContext/seLinuxOptions", R"({"type":"container_init_t"})"},
    {"/spec/securityContext/seLinuxOptions", R"({"type":"container_kvm_t"})"},
    {"/spec/securityContext/seLinuxOptions", R"({"type":"container_engine_t"})"},
    {"/spec/securityContext/windowsOptions", R"({"hostProcess":false})"},
    {"/spec/containers/0/securityContext/privileged", "false"},
    {"/spec/containers/0/securityContext/procMount", R"("Default")"},
    {"/spec/containers/0/securityContext/runAsNonRoot", "true"},
    {"/spec/containers/0/securityContext/runAsUser", "7"},
    {"/spec/containers/0/securityContext/capabilities/add", R"(["NET_BIND_SERVICE"])"},
    {"/spec/containers/0/securityContext/capabilities/drop", R"(["NET_RAW","ALL"])"},
    {"/spec/containers/0/ports", R"([{"containerPort":1,"hostPort":0,"hostIP":""}])"},
    {"/spec/containers/0/livenessProbe", R"({"httpGet":{"host":"","port":1}})"},
    {"/spec/containers/0/lifecycle", R"({"preStop":{"exec":{"command":["x"]}}})"},
    {"/spec/containers/0/env/1", R"({"name":"MORE","value":"x"})"},
    {"/spec/initContainers", "[]"},
};

TEST(FloorAcceptTest, WhatRestrictedAllows) {
  ASSERT_TRUE(CheckFloor(Base(), Base()).ok());
  for (const Allowed& c : kAllowed) {
    const absl::Status status = With(c.path, Json::parse(c.value));
    EXPECT_TRUE(status.ok()) << c.path << " " << c.value << ": " << status;
  }
}

TEST(FloorAcceptTest, EverySafeVolumeAndNoOther) {
  for (const char* type : {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral",
                           "persistentVolumeClaim", "projected", "secret"}) {
    EXPECT_TRUE(With("/spec/volumes/0", {{"name", "v"}, {type, Json::object()}}).ok()) << type;
  }
  for (const char* type : {"awsElasticBlockStore", "cephfs", "fc", "hostPath", "image", "local",
                           "nfs", "portworxVolume", "rbd", "vsphereVolume", "EmptyDir"}) {
    EXPECT_FALSE(With("/spec/volumes/0", {{"name", "v"}, {type, Json::object()}}).ok()) << type;
  }
}

TEST(FloorAcceptTest, EverySafeKernelParameterAndNoOther) {
  for (const char* name : {"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range",
                           "net.ipv4.ip_unprivileged_port_start", "net.ipv4.tcp_syncookies",
                           "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
                           "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout",
                           "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes"}) {
    EXPECT_TRUE(
        With("/spec/securityContext/sysctls", Json::array({{{"name", name}, {"value", "1"}}})).ok())
        << name;
  }
  for (const char* name : {"kernel.msgmax", "net.core.somaxconn", "", "net.ipv4.tcp_syncookies2"}) {
    EXPECT_FALSE(
        With("/spec/securityContext/sysctls", Json::array({{{"name", name}, {"value", "1"}}})).ok())
        << name;
  }
}

// A value of a type that nobody expects is not read as "not set".
TEST(FloorAcceptTest, AWrongTypeIsRefused) {
  constexpr Allowed kWrong[] = {
      {"/spec/hostNetwork", R"("false")"},
      {"/spec/hostPID", "0"},
      {"/spec/os", R"({"name":["linux"]})"},
      {"/spec/securityContext", "[]"},
      {"/spec/securityContext/runAsNonRoot", R"("true")"},
      {"/spec/securityContext/runAsGroup", "1.5"},
      {"/spec/securityContext/seccompProfile", R"("RuntimeDefault")"},
      {"/spec/securityContext/windowsOptions", R"({"hostProcess":0})"},
      {"/spec/containers/0/securityContext", "[]"},
      {"/spec/containers/0/securityContext/privileged", "0"},
      {"/spec/containers/0/securityContext/allowPrivilegeEscalation", "0"},
      {"/spec/containers/0/securityContext/capabilities", R"(["drop"])"},
      {"/spec/containers/0/securityContext/capabilities/drop", R"("ALL")"},
      {"/spec/containers/0/securityContext/readOnlyRootFilesystem", R"("true")"},
      {"/spec/containers/0/ports", R"([{"containerPort":1,"hostPort":false}])"},
      {"/spec/containers/0/ports", R"([{"containerPort":1,"hostIP":0}])"},
      {"/metadata/annotations", R"({"container.apparmor.security.beta.kubernetes.io/a":1})"},
      {"/metadata/labels", "[]"},
      {"/spec", "[]"},
  };
  for (const Allowed& c : kWrong) {
    EXPECT_FALSE(With(c.path, Json::parse(c.value)).ok()) << c.path << " " << c.value;
  }
}

TEST(FloorAcceptTest, WithoutASpecThereIsNoPod) {
  EXPECT_EQ(With("/spec", Json::array()).message(),
            "spec.workload.template.spec: must not be removed");
}

TEST(FloorAcceptTest, ANameThatIsNoTextStillHasAPath) {
  EXPECT_EQ(With("/spec/volumes/0", {{"name", 7}, {"nfs", 1}}).message(),
            "spec.workload.template.spec.volumes[].nfs: is a volume that Pod Security restricted "
            "forbids");
  EXPECT_EQ(With("/spec/containers/1", {{"name", 7}}).message(),
            "spec.workload.template.spec.containers[].securityContext.allowPrivilegeEscalation: "
            "must be false");
}

// Our environment may be said again, not otherwise; that of others is theirs.
TEST(FloorAcceptTest, TheAgentsOwnEnvironment) {
  EXPECT_TRUE(With("/spec/containers/0/env/1", {{"name", "A"}, {"value", "b"}}).ok());
  EXPECT_FALSE(With("/spec/containers/0/env/1", {{"name", "A"}, {"value", "c"}}).ok());
  EXPECT_FALSE(With("/spec/containers/0/command", {"sh"}).ok()) << "there was none";
  EXPECT_TRUE(With("/spec/containers/1",
                   Json::parse(R"({"name":"side","command":["sh"],"env":[{"name":"A","value":"c"}],
                                   "securityContext":{"allowPrivilegeEscalation":false,
                                                      "capabilities":{"drop":["ALL"]}}})"))
                  .ok());
}

// A template with the revision's volume, as real ones have it.
absl::Status WithRevision(const char* path, const Json& value) {
  Json base = Base();
  base["spec"]["volumes"].push_back({{"name", "revision"}, {"configMap", {{"name", "demo-1"}}}});
  base["spec"]["containers"][0]["volumeMounts"] = Json::array(
      {{{"name", "revision"}, {"mountPath", "/r"}}, {{"name", "tmp"}, {"mountPath", "/tmp"}}});
  Json merged = base;
  merged[Json::json_pointer(path)] = value;
  return CheckFloor(base, merged);
}

// What the agent is told stays; more of both, and another folder for temporary files, is free.
TEST(FloorAcceptTest, BesideWhatTheAgentIsTold) {
  constexpr Allowed kFree[] = {
      {"/spec/volumes/0", R"({"name":"tmp","emptyDir":{"medium":"Memory","sizeLimit":"1Gi"}})"},
      {"/spec/volumes/2", R"({"name":"more","configMap":{"name":"mine"}})"},
      {"/spec/containers/0/volumeMounts/1", R"({"name":"scratch","mountPath":"/tmp"})"},
      {"/spec/containers/0/volumeMounts/2", R"({"name":"scratch","mountPath":"/revision"})"},
      {"/spec/containers/0/volumeMounts/2", R"({"name":"scratch","mountPath":"/r2"})"},
      {"/spec/containers/0/volumeMounts/2", R"({"name":"revision","mountPath":"/again"})"},
      {"/spec/containers/0/env/1", R"({"name":"TZ","value":"UTC"})"},
      {"/spec/containers/0/envFrom", R"([{"configMapRef":{"name":"mine"}}])"},
  };
  for (const Allowed& c : kFree) {
    const absl::Status status = WithRevision(c.path, Json::parse(c.value));
    EXPECT_TRUE(status.ok()) << c.path << " " << c.value << ": " << status;
  }
  constexpr Allowed kTold[] = {
      {"/spec/volumes", "null"},
      {"/spec/volumes/1/configMap/name", R"("mine")"},
      {"/spec/volumes/2", R"({"name":"revision","emptyDir":{}})"},
      {"/spec/containers/0/env", "[]"},
      {"/spec/containers/0/volumeMounts", "[]"},
      {"/spec/containers/0/volumeMounts/0/subPath", R"("x")"},
      {"/spec/containers/0/volumeMounts/2", R"({"name":"tmp","mountPath":"/r/"})"},
      {"/spec/containers/0/volumeMounts/2", R"({"name":"tmp","mountPath":"/x/../r/digest"})"},
  };
  for (const Allowed& c : kTold) {
    EXPECT_FALSE(WithRevision(c.path, Json::parse(c.value)).ok()) << c.path << " " << c.value;
  }
}

}  // namespace
}  // namespace deepseek::decide
