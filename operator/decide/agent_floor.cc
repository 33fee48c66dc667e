// The agent is run by the operator: its options are those of the custom resource, and it must go on
// hearing who it is and which weights its revision stands for.

#include <filesystem>

#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/decide/floor.h"
#include "operator/decide/json_read.h"

namespace deepseek::decide {
namespace {

constexpr char kRevisionWhy[] =
    "tells the agent which weights its revision stands for and is the operator's own";

const Json* FindAgent(const Json& spec) {
  for (const Json& container : At(spec, "containers")) {
    if (At(container, "name") == api::kAgentContainer) return &container;
  }
  return nullptr;
}

// `ours` is in the list as it is, and nothing else has its key.
bool Keeps(const Json& list, const Json& ours, const char* key) {
  bool found = false;
  for (const Json& item : list) {
    if (At(item, key) != At(ours, key)) continue;
    if (item != ours) return false;
    found = true;
  }
  return found;
}

std::string Clean(const std::string& path) {
  return std::filesystem::path(path + "/").lexically_normal().string();
}

// The mount of the revision stays, and no other hides it or a file in it.
absl::Status CheckRevisionMount(const Json& ours, const Json& mounts, const std::string& path) {
  const std::string at = TextAt(ours, "/mountPath");
  if (!Keeps(mounts, ours, "mountPath")) return Refuse(StrCat(path, "[", at, "]"), kRevisionWhy);
  for (const Json& mount : mounts) {
    const std::string other = TextAt(mount, "/mountPath");
    if (mount != ours && Clean(other).starts_with(Clean(at)))
      return Refuse(StrCat(path, "[", other, "]"), kRevisionWhy);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckAgentFloor(const Json& base, const Json& spec, const std::string& path) {
  const Json *own = FindAgent(base), *agent = FindAgent(spec);
  if (agent == nullptr) return Refuse(path + ".containers", "the agent's container must stay");
  const std::string agent_path = StrCat(path, ".containers[", api::kAgentContainer, "]");
  for (const char* field : {"command", "args"}) {
    if (At(*agent, field) != At(*own, field))
      return Refuse(StrCat(agent_path, ".", field), "is the operator's own (use spec.engine)");
  }
  if (At(At(*agent, "securityContext"), "readOnlyRootFilesystem") != true)
    return Refuse(agent_path + ".securityContext.readOnlyRootFilesystem", "must be true");
  for (const Json& ours : At(*own, "env")) {
    if (!Keeps(At(*agent, "env"), ours, "name")) {
      return Refuse(StrCat(agent_path, ".env[", TextAt(ours, "/name"), "]"),
                    "tells the agent who it is and is the operator's own");
    }
  }
  for (const Json& ours : At(base, "volumes")) {
    if (At(ours, "name") == kRevisionVolume && !Keeps(At(spec, "volumes"), ours, "name"))
      return Refuse(StrCat(path, ".volumes[", kRevisionVolume, "]"), kRevisionWhy);
  }
  for (const Json& ours : At(*own, "volumeMounts")) {
    if (At(ours, "name") != kRevisionVolume) continue;
    RETURN_IF_ERROR(
        CheckRevisionMount(ours, At(*agent, "volumeMounts"), agent_path + ".volumeMounts"));
  }
  return absl::OkStatus();
}

}  // namespace deepseek::decide
