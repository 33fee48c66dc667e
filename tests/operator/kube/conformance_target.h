#pragma once
// Where the conformance script runs.

#include <memory>

#include "absl/status/statusor.h"
#include "operator/kube/transport.h"

namespace deepseek::kube {

/// The cluster of $DEEPSEEK_TEST_KUBECONFIG if that is set, else a FakeApiServer.
absl::StatusOr<std::shared_ptr<Transport>> ConformanceTarget();

}  // namespace deepseek::kube
