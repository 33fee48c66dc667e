#pragma once
// /healthz and /readyz of the operator, plain HTTP for the kubelet.

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/http/server.h"

namespace deepseek {

/// Serves `/healthz` (200: the process answers) and `/readyz` (200 once `ready()`, else 503).
/// Readiness does not depend on leadership: a standby is ready to take over, and a rolling update
/// must not wait for the lease.
class Probes : public http::Handler {
 public:
  explicit Probes(std::function<bool()> ready) : ready_(std::move(ready)) {}
  void Handle(http::Request request, std::shared_ptr<http::ResponseWriter> writer) override;

 private:
  const std::function<bool()> ready_;
};

/// `address`: ":8081", "127.0.0.1:0".
absl::StatusOr<std::unique_ptr<http::Server>> ServeProbes(const std::string& address,
                                                          Probes& probes);

}  // namespace deepseek
