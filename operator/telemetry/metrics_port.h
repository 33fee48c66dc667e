#pragma once
// The HTTPS port of the metrics.

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/http/server.h"
#include "operator/telemetry/telemetry.h"

namespace deepseek::telemetry {

/// `GET /metrics` for those that `may` lets in; everything else is 401, 403 or 404. `may` gets the
/// Authorization header and the path.
class MetricsPort : public http::Handler {
 public:
  using May = std::function<absl::Status(std::string_view authorization, std::string_view path)>;
  MetricsPort(const Telemetry& telemetry, May may) : telemetry_(telemetry), may_(std::move(may)) {}
  void Handle(http::Request request, std::shared_ptr<http::ResponseWriter> writer) override;

 private:
  const Telemetry& telemetry_;
  const May may_;
};

/// `address`: ":8443".
absl::StatusOr<std::unique_ptr<http::Server>> ServeMetrics(const std::string& address,
                                                           std::shared_ptr<http::ServerTls> tls,
                                                           MetricsPort& port);

}  // namespace deepseek::telemetry
