#include "tests/operator/kube/conformance_target.h"

#include "tests/support/fake_api_server.h"

namespace deepseek::kube {

absl::StatusOr<std::shared_ptr<Transport>> ConformanceTarget() {
  return std::make_shared<FakeApiServer>();
}

}  // namespace deepseek::kube
