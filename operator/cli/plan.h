#pragma once
// kubectl deepseek plan: what the operator would do with a manifest, by the operator's own decide
// and render. Nothing is written.

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "operator/cli/session.h"
#include "operator/decide/defaults.h"
#include "operator/decide/model_plan.h"
#include "operator/decide/observed.h"

namespace deepseek::cli {

struct PlannedObject {
  std::string kind, name, action;  ///< create, change, delete, none
};

/// The next step and where it leads.
struct PlanReport {
  std::string refused;   ///< why the spec or the world does not permit it; nothing else is set then
  std::string revision;  ///< that the spec stands for
  std::string revision_action;         ///< create, restore, keep
  std::vector<std::string> decisions;  ///< of the next step, in words
  std::vector<PlannedObject> objects;  ///< of the next step
  std::vector<std::string> new_pods;   ///< one entry per pod that will be made, its revision
  std::vector<std::string> gone_pods;  ///< pods that will be stopped until the change is complete
  std::string image;                   ///< of the revision
  std::optional<decide::ModelPlan> model;  ///< where the spec names the model's shape
};

/// `cluster.dsd` is the object with the wanted spec. Pure.
PlanReport MakePlan(const decide::Cluster& cluster, decide::Defaults defaults, absl::Time now);

struct PlanOptions {
  std::string file;         ///< "-": session.in
  std::string agent_image;  ///< that the operator gives to new revisions; empty: ask the cluster
};

/// kInvalidArgument: the file, or the API server refuses what is in it. Exit is OK whatever the
/// plan says.
absl::Status PlanCommand(Session& session, const PlanOptions& options);

}  // namespace deepseek::cli
