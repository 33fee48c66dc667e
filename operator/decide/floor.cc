#include "operator/decide/floor.h"

#include <algorithm>

#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/decide/json_read.h"
#include "operator/decide/overlay.h"

namespace deepseek::decide {

absl::Status Refuse(const std::string& path, std::string_view why) {
  return absl::InvalidArgumentError(StrCat(path, ": ", why));
}

namespace {

// Fields of the pod that must be what the operator made of them, absent ones included.
absl::Status CheckKept(const Json& base, const Json& spec, const std::string& path) {
  static constexpr std::pair<const char*, const char*> kKept[] = {
      {"serviceAccountName", "the pods have a service account of their own"},
      {"serviceAccount", "the pods have a service account of their own"},
      {"automountServiceAccountToken", "the pods get no token of the API server"},
      {"nodeName", "must not be set (use workload.nodeSelector or affinity)"},
      {"ephemeralContainers", "must not be set"},
  };
  for (const auto& [field, why] : kKept) {
    if (At(spec, field) != At(base, field)) return Refuse(StrCat(path, ".", field), why);
  }
  for (const char* field : {"hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"}) {
    const Json& value = At(spec, field);
    if (!value.is_null() && value != false)
      return Refuse(StrCat(path, ".", field), "must not be true");
  }
  const Json& os = At(At(spec, "os"), "name");
  if (!os.is_null() && os != "linux") return Refuse(StrCat(path, ".os.name"), "must be linux");
  return absl::OkStatus();
}

// https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, volume types
bool IsSafeVolume(const std::string& type) {
  static constexpr const char* kTypes[] = {"configMap", "csi",       "downwardAPI",
                                           "emptyDir",  "ephemeral", "persistentVolumeClaim",
                                           "projected", "secret"};
  return std::any_of(std::begin(kTypes), std::end(kTypes),
                     [&](const char* known) { return type == known; });
}

absl::Status CheckProjected(const Json& volume, const std::string& path) {
  const Json& sources = At(volume, "sources");
  if (sources.is_null()) return absl::OkStatus();
  if (!sources.is_array()) return Refuse(StrCat(path, ".sources"), "must be a list");
  for (size_t i = 0; i < sources.size(); ++i) {
    const std::string at = StrCat(path, ".sources[", i, "]");
    const Json& token = At(sources[i], "serviceAccountToken");
    if (!token.is_null() && At(token, "audience") != api::kTokenAudience) {
      return Refuse(StrCat(at, ".serviceAccountToken.audience"),
                    StrCat("must be ", api::kTokenAudience,
                           ": a token for others could be used against them"));
    }
    if (!At(sources[i], "podCertificate").is_null())
      return Refuse(StrCat(at, ".podCertificate"), "must not be set");
  }
  return absl::OkStatus();
}

absl::Status CheckVolumes(const Json& spec, const std::string& path) {
  const Json& volumes = At(spec, "volumes");
  if (volumes.is_null()) return absl::OkStatus();
  if (!volumes.is_array()) return Refuse(path, "must be a list");
  for (const Json& volume : volumes) {
    const Json& name = At(volume, "name");
    const std::string at = StrCat(path, "[", name.is_string() ? name.get<std::string>() : "", "]");
    for (const auto& [type, value] : volume.items()) {
      if (type == "name") continue;
      if (!IsSafeVolume(type))
        return Refuse(StrCat(at, ".", type), "is a volume that Pod Security restricted forbids");
      if (type == "projected") RETURN_IF_ERROR(CheckProjected(value, StrCat(at, ".projected")));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckMetadata(const Json& base, const Json& metadata, const std::string& path) {
  const Json &ours = At(base, "labels"), &labels = At(metadata, "labels");
  for (const auto& [key, value] : ours.items()) {
    if (At(labels, key.c_str()) != value)
      return Refuse(StrCat(path, ".labels[", key, "]"),
                    "is the operator's own, pods are selected by it");
  }
  const std::string prefix = std::string(api::kGroup) + "/";
  for (const auto& [key, value] : labels.items()) {
    if (key.starts_with(prefix) && At(ours, key.c_str()).is_null())
      return Refuse(StrCat(path, ".labels[", key, "]"), StrCat(prefix, " is the operator's own"));
  }
  const std::string apparmor = "container.apparmor.security.beta.kubernetes.io/";
  for (const auto& [key, value] : At(metadata, "annotations").items()) {
    if (!key.starts_with(apparmor)) continue;
    const std::string profile = value.is_string() ? value.get<std::string>() : "";
    if (profile != "runtime/default" && !profile.starts_with("localhost/"))
      return Refuse(StrCat(path, ".annotations[", key, "]"), "must be runtime/default");
  }
  return absl::OkStatus();
}

absl::Status CheckPodContext(const Json& pod, const std::string& path) {
  if (!pod.is_object()) return Refuse(path, "must not be removed");
  // Containers that do not say otherwise inherit these.
  if (At(pod, "runAsNonRoot") != true) return Refuse(path + ".runAsNonRoot", "must be true");
  if (At(pod, "seccompProfile").is_null())
    return Refuse(path + ".seccompProfile", "must not be removed");
  RETURN_IF_ERROR(CheckSharedContext(pod, path));
  // Without them an image's user has the group root.
  for (const char* group : {"runAsGroup", "fsGroup"}) {
    const Json& value = At(pod, group);
    if (!value.is_number_integer() || value == 0)
      return Refuse(StrCat(path, ".", group), "must be a number above 0");
  }
  const Json& more = At(pod, "supplementalGroups");
  for (size_t i = 0; i < more.size(); ++i) {
    if (!more.is_array() || !more[i].is_number_integer() || more[i] == 0)
      return Refuse(StrCat(path, ".supplementalGroups[", i, "]"), "must be a number above 0");
  }
  // The kernel parameters that `baseline` calls safe.
  static constexpr const char* kSafe[] = {"kernel.shm_rmid_forced",
                                          "net.ipv4.ip_local_port_range",
                                          "net.ipv4.ip_unprivileged_port_start",
                                          "net.ipv4.tcp_syncookies",
                                          "net.ipv4.ping_group_range",
                                          "net.ipv4.ip_local_reserved_ports",
                                          "net.ipv4.tcp_keepalive_time",
                                          "net.ipv4.tcp_fin_timeout",
                                          "net.ipv4.tcp_keepalive_intvl",
                                          "net.ipv4.tcp_keepalive_probes"};
  const Json& sysctls = At(pod, "sysctls");
  for (size_t i = 0; i < sysctls.size(); ++i) {
    const Json name = sysctls.is_array() ? At(sysctls[i], "name") : Json();
    if (std::none_of(std::begin(kSafe), std::end(kSafe),
                     [&](const char* safe) { return name == safe; }))
      return Refuse(StrCat(path, ".sysctls[", i, "].name"), "is not a safe kernel parameter");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckFloor(const Json& base, const Json& merged) {
  const std::string root = kOverlayPath, path = root + ".spec";
  const Json &spec = At(merged, "spec"), &ours = At(base, "spec");
  if (!spec.is_object()) return Refuse(path, "must not be removed");
  RETURN_IF_ERROR(CheckMetadata(At(base, "metadata"), At(merged, "metadata"), root + ".metadata"));
  RETURN_IF_ERROR(CheckKept(ours, spec, path));
  RETURN_IF_ERROR(CheckPodContext(At(spec, "securityContext"), path + ".securityContext"));
  RETURN_IF_ERROR(CheckVolumes(spec, path + ".volumes"));
  RETURN_IF_ERROR(CheckAgentFloor(ours, spec, path));
  for (const char* list : {"containers", "initContainers"}) {
    for (const Json& container : At(spec, list)) {
      const Json& name = At(container, "name");
      RETURN_IF_ERROR(CheckContainerFloor(
          container,
          StrCat(path, ".", list, "[", name.is_string() ? name.get<std::string>() : "", "]")));
    }
  }
  return absl::OkStatus();
}

}  // namespace deepseek::decide
