#pragma once
// Identity, network and Services: what surrounds the pods.

#include <string>

#include "base/json.h"
#include "operator/api/deepseek_deployment.h"

namespace deepseek::render {

Json ServiceAccount(const api::DeepSeekDeployment& dsd);

/// The Service that clients call: selects the pods of all revisions.
Json Service(const api::DeepSeekDeployment& dsd);

/// Selects the pods of one revision.
Json RevisionService(const api::DeepSeekDeployment& dsd, const std::string& name,
                     const std::string& hash8, const std::string& role);

Json PodDisruptionBudget(const api::DeepSeekDeployment& dsd);

/// Ingress only: 8000 from traffic.allowedFrom, 9090 from observability.scrapeFrom and from the
/// operator's pods in `operator_namespace` (empty: there are none). The kubelet's probes come from
/// the node, which no NetworkPolicy keeps out.
Json NetworkPolicy(const api::DeepSeekDeployment& dsd, const std::string& operator_namespace);

/// dsd.pod_monitor must be set.
Json PodMonitor(const api::DeepSeekDeployment& dsd);

}  // namespace deepseek::render
