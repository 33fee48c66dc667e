#include "operator/render/workload.h"

#include <algorithm>

#include "base/json_full.h"
#include "operator/decide/pod_template.h"
#include "operator/render/metadata.h"

namespace deepseek::render {

Json ControllerRevision(const api::DeepSeekDeployment& dsd, const decide::RevisionPlan& plan) {
  Json object = Skeleton(dsd, "apps/v1", "ControllerRevision", plan.name, plan.hash8);
  for (const auto& [key, value] : plan.state) object["metadata"]["annotations"][key] = value;
  if (plan.stored != nullptr) {
    object["data"] = plan.stored->at("data");
  } else {
    object["data"] = {{"intent", *plan.canonical_intent},
                      {"resolved", plan.resolved.ToJson()},
                      {"template", *plan.pod_template}};
  }
  object["revision"] = plan.number;
  return object;
}

Json Deployment(const api::DeepSeekDeployment& dsd, const decide::WorkloadPlan& plan,
                const Json& pod_template) {
  // One template for life: the Deployment itself never rolls. Its strategy only matters when
  // somebody else edits it.
  Json object = Skeleton(dsd, "apps/v1", "Deployment", plan.name, plan.hash8, plan.role);
  const int64_t deadline =
      std::min<int64_t>(absl::ToInt64Seconds(plan.progress_deadline), INT32_MAX);
  object["spec"] = {
      {"replicas", plan.replicas},
      {"revisionHistoryLimit", 0},
      {"progressDeadlineSeconds", deadline},
      {"selector", {{"matchLabels", decide::Selector(dsd.name, plan.hash8)}}},
      {"strategy",
       {{"type", "RollingUpdate"}, {"rollingUpdate", {{"maxSurge", 1}, {"maxUnavailable", 0}}}}},
      {"template", pod_template}};
  return object;
}

}  // namespace deepseek::render
