// One container against Pod Security `restricted`
// (https://kubernetes.io/docs/concepts/security/pod-security-standards/): what the API server would
// refuse in a namespace that enforces it, refused everywhere.

#include <algorithm>

#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "operator/decide/floor.h"
#include "operator/decide/json_read.h"

namespace deepseek::decide {
namespace {

absl::Status CheckCapabilities(const Json& capabilities, const std::string& path) {
  const Json &drop = At(capabilities, "drop"), &add = At(capabilities, "add");
  if (!drop.is_array() || std::find(drop.begin(), drop.end(), "ALL") == drop.end())
    return Refuse(path + ".drop", "must hold ALL");
  for (const Json& capability : add) {
    if (!add.is_array() || capability != "NET_BIND_SERVICE")
      return Refuse(path + ".add", "only NET_BIND_SERVICE may be added");
  }
  return absl::OkStatus();
}

absl::Status CheckProfile(const Json& profile, const std::string& path) {
  if (profile.is_null()) return absl::OkStatus();
  const Json& type = At(profile, "type");
  if (type != "RuntimeDefault" && type != "Localhost")
    return Refuse(path + ".type", "must be RuntimeDefault or Localhost");
  return absl::OkStatus();
}

absl::Status CheckSeLinux(const Json& options, const std::string& path) {
  static constexpr const char* kTypes[] = {"", "container_t", "container_init_t", "container_kvm_t",
                                           "container_engine_t"};
  const Json& type = At(options, "type");
  if (!type.is_null() && std::none_of(std::begin(kTypes), std::end(kTypes),
                                      [&](const char* known) { return type == known; }))
    return Refuse(path + ".type", "is not a type of an ordinary container");
  for (const char* field : {"user", "role"}) {
    const Json& value = At(options, field);
    if (!value.is_null() && value != "") return Refuse(StrCat(path, ".", field), "must not be set");
  }
  return absl::OkStatus();
}

absl::Status CheckContext(const Json& own, const std::string& path) {
  const Json& privileged = At(own, "privileged");
  if (!privileged.is_null() && privileged != false)
    return Refuse(path + ".privileged", "must not be true");
  if (At(own, "allowPrivilegeEscalation") != false)
    return Refuse(path + ".allowPrivilegeEscalation", "must be false");
  RETURN_IF_ERROR(CheckCapabilities(At(own, "capabilities"), path + ".capabilities"));
  const Json& proc = At(own, "procMount");
  if (!proc.is_null() && proc != "Default") return Refuse(path + ".procMount", "must be Default");
  return CheckSharedContext(own, path);
}

// A probe or hook with a host of its own lets the kubelet call anybody.
absl::Status CheckHandler(const Json& handler, const std::string& path) {
  for (const char* kind : {"httpGet", "tcpSocket"}) {
    const Json& host = At(At(handler, kind), "host");
    if (!host.is_null() && host != "")
      return Refuse(StrCat(path, ".", kind, ".host"), "must not be set");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckSharedContext(const Json& context, const std::string& path) {
  const Json& non_root = At(context, "runAsNonRoot");
  if (!non_root.is_null() && non_root != true)
    return Refuse(path + ".runAsNonRoot", "must be true");
  for (const char* id : {"runAsUser", "runAsGroup"}) {
    const Json& value = At(context, id);
    if (!value.is_null() && (!value.is_number_integer() || value == 0))
      return Refuse(StrCat(path, ".", id), "must be a number above 0");
  }
  RETURN_IF_ERROR(CheckProfile(At(context, "seccompProfile"), path + ".seccompProfile"));
  RETURN_IF_ERROR(CheckProfile(At(context, "appArmorProfile"), path + ".appArmorProfile"));
  RETURN_IF_ERROR(CheckSeLinux(At(context, "seLinuxOptions"), path + ".seLinuxOptions"));
  const Json& windows = At(At(context, "windowsOptions"), "hostProcess");
  if (!windows.is_null() && windows != false)
    return Refuse(path + ".windowsOptions.hostProcess", "must not be true");
  return absl::OkStatus();
}

absl::Status CheckContainerFloor(const Json& container, const std::string& path) {
  RETURN_IF_ERROR(CheckContext(At(container, "securityContext"), path + ".securityContext"));
  for (const Json& port : At(container, "ports")) {
    const Json& host = At(port, "hostPort");
    if (!host.is_null() && host != 0) {
      return Refuse(StrCat(path, ".ports[", DumpJson(At(port, "containerPort")), "].hostPort"),
                    "must not be set");
    }
    const Json& ip = At(port, "hostIP");
    if (!ip.is_null() && ip != "")
      return Refuse(StrCat(path, ".ports[", DumpJson(At(port, "containerPort")), "].hostIP"),
                    "must not be set");
  }
  for (const char* probe : {"startupProbe", "readinessProbe", "livenessProbe"})
    RETURN_IF_ERROR(CheckHandler(At(container, probe), StrCat(path, ".", probe)));
  for (const char* hook : {"postStart", "preStop"})
    RETURN_IF_ERROR(
        CheckHandler(At(At(container, "lifecycle"), hook), StrCat(path, ".lifecycle.", hook)));
  return absl::OkStatus();
}

}  // namespace deepseek::decide
