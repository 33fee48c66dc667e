#pragma once
// Revisions and their Deployments.

#include "base/json.h"
#include "operator/api/deepseek_deployment.h"
#include "operator/decide/plan.h"

namespace deepseek::render {

/// Its data: {intent, resolved, template}; a stored revision's data is kept as it is.
Json ControllerRevision(const api::DeepSeekDeployment& dsd, const decide::RevisionPlan& plan);

/// `pod_template` verbatim.
Json Deployment(const api::DeepSeekDeployment& dsd, const decide::WorkloadPlan& plan,
                const Json& pod_template);

}  // namespace deepseek::render
