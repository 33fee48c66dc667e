#include "operator/telemetry/metrics_port.h"

#include <utility>

#include "base/log.h"
#include "base/strings.h"

namespace deepseek::telemetry {

void MetricsPort::Handle(http::Request request, std::shared_ptr<http::ResponseWriter> writer) {
  http::Response response{.status = 200, .content_type = "text/plain", .headers = {}, .body = ""};
  // Who somebody is comes before what there is.
  const absl::Status may = may_(request.credentials(), request.path());
  if (absl::IsUnauthenticated(may)) {
    response.status = 401;
    response.headers = {{"WWW-Authenticate", "Bearer"}};
    response.body = StrCat(ToStd(may.message()), "\n");
  } else if (absl::IsPermissionDenied(may)) {
    response.status = 403;
    response.body = StrCat(ToStd(may.message()), "\n");
  } else if (!may.ok()) {
    log::Warn("a reader of metrics could not be checked",
              {{"error", std::string(ToStd(may.message()))}});
    response.status = 500;
    response.body = "the API server could not be asked who you are\n";
  } else if (request.path() != "/metrics") {
    response.status = 404;
    response.body = "only /metrics is here\n";
  } else if (request.method != "GET" && request.method != "HEAD") {
    response.status = 405;
    response.headers = {{"Allow", "GET, HEAD"}};
    response.body = "only GET and HEAD\n";
  } else {
    response.content_type = std::string(metrics::Registry::kContentType);
    response.body = telemetry_.Text();
  }
  writer->Send(std::move(response));
}

absl::StatusOr<std::unique_ptr<http::Server>> ServeMetrics(const std::string& address,
                                                           std::shared_ptr<http::ServerTls> tls,
                                                           MetricsPort& port) {
  http::ServerOptions options;
  options.addresses = {address};
  options.worker_threads = 2;
  options.limits.max_connections = 64;
  options.limits.header_bytes = size_t{24} << 10;  // tokens are long
  options.limits.body_bytes = 1024;
  options.tls = std::move(tls);
  return http::StartServer(std::move(options), port);
}

}  // namespace deepseek::telemetry
