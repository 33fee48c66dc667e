#include "tests/operator/kube/conformance_target.h"

#include <cstdlib>

#include "absl/time/clock.h"
#include "base/status.h"
#include "operator/kube/config.h"
#include "operator/kube/http_transport.h"
#include "tests/support/fake_api_server.h"

namespace deepseek::kube {

absl::StatusOr<std::shared_ptr<Transport>> ConformanceTarget() {
  const char* kubeconfig = std::getenv("DEEPSEEK_TEST_KUBECONFIG");
  if (kubeconfig == nullptr || *kubeconfig == '\0') return std::make_shared<FakeApiServer>();
  ASSIGN_OR_RETURN(Config config, LoadKubeconfig(kubeconfig));
  return NewHttpTransport(std::move(config), "kube_conformance", [] { return absl::Now(); });
}

}  // namespace deepseek::kube
