#include "tests/operator/kube/conformance_target.h"

#include <cstdlib>

#include "absl/time/clock.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "operator/api/deepseek_deployment.h"
#include "operator/api/names.h"
#include "operator/kube/config.h"
#include "operator/kube/http_transport.h"
#include "tests/support/fake_api_server.h"

namespace deepseek::kube {

namespace {

// "" when there is none.
std::string Kubeconfig() {
  const char* file = std::getenv("DEEPSEEK_TEST_KUBECONFIG");
  return file == nullptr ? "" : file;
}

}  // namespace

bool IsRealServer() {
  return !Kubeconfig().empty();
}

absl::StatusOr<std::shared_ptr<Transport>> ConformanceTarget() {
  if (!IsRealServer()) {
    auto fake = std::make_shared<FakeApiServer>();
    // The schema and its rules, which a real server has from the CRD.
    fake->set_admission([](const Json& object, const Json*) -> std::string {
      if (object.value("kind", "") != api::kKind) return "";
      return std::string(ToStd(api::Parse(object).status().message()));
    });
    return fake;
  }
  ASSIGN_OR_RETURN(Config config, LoadKubeconfig(Kubeconfig()));
  return NewHttpTransport(std::move(config), "kube_conformance", [] { return absl::Now(); });
}

}  // namespace deepseek::kube
