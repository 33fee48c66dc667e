#pragma once
// Where the conformance script runs.

#include <memory>

#include "absl/status/statusor.h"
#include "operator/kube/transport.h"

namespace deepseek::kube {

/// Whether $DEEPSEEK_TEST_KUBECONFIG names a cluster: only there may something not be offered.
bool IsRealServer();

/// The cluster of $DEEPSEEK_TEST_KUBECONFIG if that is set, else a FakeApiServer.
absl::StatusOr<std::shared_ptr<Transport>> ConformanceTarget();

}  // namespace deepseek::kube
