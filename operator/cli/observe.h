#pragma once
// Reads the world around a DeepSeekDeployment live, as the operator sees it.

#include "absl/status/statusor.h"
#include "operator/decide/observed.h"
#include "operator/kube/client.h"

namespace deepseek::cli {

/// `dsd` need not exist yet: what has one of its names is found all the same.
absl::StatusOr<decide::Cluster> ObserveAround(kube::Client client, decide::Object dsd);

/// The DeepSeekDeployment and what is around it. kNotFound names it.
absl::StatusOr<decide::Cluster> Observe(kube::Client client, const std::string& ns,
                                        const std::string& name);

}  // namespace deepseek::cli
