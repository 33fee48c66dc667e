#pragma once
// What a revision's pods are told after it was made.

#include "base/json.h"
#include "operator/api/deepseek_deployment.h"
#include "operator/decide/plan.h"

namespace deepseek::render {

/// The ConfigMap that the pods of `plan` mount: the digest of the weights that they must find.
Json RevisionConfig(const api::DeepSeekDeployment& dsd, const decide::WorkloadPlan& plan);

}  // namespace deepseek::render
