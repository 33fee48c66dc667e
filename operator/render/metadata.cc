#include "operator/render/metadata.h"

#include "base/json_full.h"
#include "operator/api/names.h"
#include "operator/decide/pod_template.h"

namespace deepseek::render {

Json Skeleton(const api::DeepSeekDeployment& dsd, const std::string& api_version,
              const std::string& kind, const std::string& name, const std::string& hash8,
              const std::string& role) {
  Json labels = decide::Selector(dsd.name, hash8);
  labels["app.kubernetes.io/name"] = "deepseek-agent";
  labels["app.kubernetes.io/instance"] = dsd.name;
  labels["app.kubernetes.io/component"] = "agent";
  labels["app.kubernetes.io/managed-by"] = api::kFieldManager;
  if (!role.empty()) labels[api::kRoleLabel] = role;
  const Json owner = {
      {"apiVersion", api::kApiVersion}, {"kind", api::kKind}, {"name", dsd.name}, {"uid", dsd.uid},
      {"blockOwnerDeletion", true},     {"controller", true}};
  return {{"apiVersion", api_version},
          {"kind", kind},
          {"metadata",
           {{"name", name},
            {"namespace", dsd.ns},
            {"labels", labels},
            {"ownerReferences", Json::array({owner})}}}};
}

}  // namespace deepseek::render
