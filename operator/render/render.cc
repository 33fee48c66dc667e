#include "operator/render/render.h"

#include "base/json_full.h"
#include "operator/api/names.h"
#include "operator/decide/json_read.h"
#include "operator/decide/resolve.h"
#include "operator/render/revision_config.h"
#include "operator/render/traffic.h"
#include "operator/render/workload.h"

namespace deepseek::render {
namespace {

decide::Object Stamp(Json object) {
  const std::string hash = decide::Sha256Hex(DumpJson(object)).substr(0, 16);
  object["metadata"]["annotations"][api::kAppliedHashAnnotation] = hash;
  return std::make_shared<const Json>(std::move(object));
}

// The template of a workload: stored in its revision, in the revision that this very plan makes,
// or, where the revision is gone, in the Deployment itself.
Json TemplateOf(const decide::WorkloadPlan& workload, const Json& new_revision) {
  if (workload.revision != nullptr) return workload.revision->at("data").at("template");
  if (workload.orphan != nullptr)
    return decide::At(decide::At(*workload.orphan, "spec"), "template");
  return new_revision.at("data").at("template");
}

}  // namespace

decide::Object RenderTrial(const decide::Plan& plan) {
  if (!plan.trial) return nullptr;
  Json new_revision;
  if (plan.trial->revision == nullptr) new_revision = ControllerRevision(*plan.dsd, *plan.revision);
  return std::make_shared<const Json>(
      Deployment(*plan.dsd, *plan.trial, TemplateOf(*plan.trial, new_revision)));
}

std::vector<Rendered> Render(const decide::Plan& plan) {
  std::vector<Rendered> out;
  if (!plan.manage) return out;
  const api::DeepSeekDeployment& dsd = *plan.dsd;
  const auto add = [&](Json object, std::string version = "") {
    const std::pair name(object["kind"].get<std::string>(),
                         object["metadata"]["name"].get<std::string>());
    if (!plan.left_out.contains(name))
      out.push_back({Stamp(std::move(object)), std::move(version)});
  };

  add(ServiceAccount(dsd));
  add(NetworkPolicy(dsd, plan.operator_namespace));
  Json new_revision;
  if (plan.revision) {
    new_revision = ControllerRevision(dsd, *plan.revision);
    add(new_revision, plan.revision->stored == nullptr
                          ? ""
                          : decide::TextAt(*plan.revision->stored, "/metadata/resourceVersion"));
  }
  // Before the pods that must find these weights.
  for (const decide::WorkloadPlan& workload : plan.workloads) {
    if (!workload.model_digest.empty()) add(RevisionConfig(dsd, workload));
  }
  for (const decide::WorkloadPlan& workload : plan.workloads) {
    add(Deployment(dsd, workload, TemplateOf(workload, new_revision)), workload.resource_version);
  }
  for (const decide::WorkloadPlan& workload : plan.workloads) {
    add(RevisionService(dsd, workload.name, workload.hash8, workload.role));
  }
  add(Service(dsd));
  add(PodDisruptionBudget(dsd));
  if (plan.pod_monitor) add(PodMonitor(dsd));
  return out;
}

}  // namespace deepseek::render
