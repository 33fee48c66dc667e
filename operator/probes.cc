#include "operator/probes.h"

#include <utility>

namespace deepseek {

void Probes::Handle(http::Request request, std::shared_ptr<http::ResponseWriter> writer) {
  http::Response response{
      .status = 200, .content_type = "text/plain", .headers = {}, .body = "ok\n"};
  if (request.method != "GET" && request.method != "HEAD") {
    response.status = 405;
    response.headers = {{"Allow", "GET, HEAD"}};
    response.body = "only GET and HEAD\n";
  } else if (request.path() == "/readyz") {
    if (!ready_()) {
      response.status = 503;
      response.body = "the first list of the API server is not complete yet\n";
    }
  } else if (request.path() != "/healthz") {
    response.status = 404;
    response.body = "only /healthz and /readyz are here\n";
  }
  writer->Send(std::move(response));
}

absl::StatusOr<std::unique_ptr<http::Server>> ServeProbes(const std::string& address,
                                                          Probes& probes) {
  http::ServerOptions options;
  options.addresses = {address};
  options.worker_threads = 1;
  options.limits.max_connections = 64;
  options.limits.body_bytes = 1024;
  return http::StartServer(std::move(options), probes);
}

}  // namespace deepseek
