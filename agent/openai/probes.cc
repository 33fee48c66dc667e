#include "agent/openai/probes.h"

#include <utility>

#include "agent/openai/error.h"
#include "agent/openai/inference.h"
#include "base/json_full.h"
#include "base/strings.h"

namespace deepseek::agent {

http::Response NotFound(const http::Request& request) {
  return ErrorResponse({404, StrCat("no such route: ", request.method, " ", request.path()),
                        "invalid_request_error", "", "not_found"});
}

http::Response MethodNotAllowed(const http::Request& request, std::string_view allowed) {
  http::Response response = ErrorResponse(
      {405, StrCat(request.path(), " does not take ", request.method, " (use ", allowed, ")"),
       "invalid_request_error", "", "method_not_allowed"});
  response.headers.push_back({"Allow", std::string(allowed)});
  return response;
}

Probes::Probes(Service& service, const metrics::Registry* registry, std::string version_json)
    : service_(service), registry_(registry), version_json_(std::move(version_json)) {}

void Probes::Handle(http::Request request, std::shared_ptr<http::ResponseWriter> writer) {
  if (!TryHandle(request, *writer)) Send(request, NotFound(request), *writer);
}

bool Probes::TryHandle(const http::Request& request, http::ResponseWriter& writer) {
  const std::string_view path = request.path();
  const bool ours = path == "/health" || path == "/ready" || path == "/version" ||
                    (path == "/metrics" && registry_ != nullptr);
  if (!ours) return false;
  const bool read = request.method == "GET" || request.method == "HEAD";
  Send(request, read ? Answer(path) : MethodNotAllowed(request, "GET, HEAD"), writer);
  return true;
}

void Probes::Send(const http::Request& request, http::Response response,
                  http::ResponseWriter& writer) {
  response.headers.push_back({"x-request-id", RequestId(request.Get("x-request-id"))});
  writer.Send(std::move(response));
}

http::Response Probes::Answer(std::string_view path) const {
  http::Response response;
  if (path == "/version") {
    response.body = version_json_;
  } else if (path == "/metrics") {
    response.content_type = std::string(metrics::Registry::kContentType);
    response.body = registry_->Text();
  } else if (path == "/ready") {
    response.status = service_.phase() == Phase::kServing ? 200 : 503;
    response.body = service_.ReadyJson();
  } else {
    const std::string trouble = service_.Health();
    response.status = trouble.empty() ? 200 : 503;
    response.body = trouble.empty() ? DumpJson({{"status", "ok"}})
                                    : DumpJson({{"status", "hung"}, {"reason", trouble}});
  }
  return response;
}

}  // namespace deepseek::agent
