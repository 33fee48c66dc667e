#include "operator/render/revision_config.h"

#include "base/json_full.h"
#include "operator/api/names.h"
#include "operator/render/metadata.h"

namespace deepseek::render {

Json RevisionConfig(const api::DeepSeekDeployment& dsd, const decide::WorkloadPlan& plan) {
  Json object = Skeleton(dsd, "v1", "ConfigMap", plan.name, plan.hash8);
  object["data"] = {{api::kModelDigestKey, plan.model_digest}};
  object["immutable"] = true;  // and so no kubelet watches it
  return object;
}

}  // namespace deepseek::render
