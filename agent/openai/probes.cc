#include "agent/openai/probes.h"

#include <utility>

#include "agent/openai/error.h"
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
  if (!TryHandle(request, *writer)) writer->Send(NotFound(request));
}

bool Probes::TryHandle(const http::Request& request, http::ResponseWriter& writer) {
  const std::string_view path = request.path();
  const bool ours = path == "/health" || path == "/ready" || path == "/version" ||
                    (path == "/metrics" && registry_ != nullptr);
  if (!ours) return false;
  if (request.method != "GET" && request.method != "HEAD") {
    writer.Send(MethodNotAllowed(request, "GET, HEAD"));
  } else {
    writer.Send(Answer(path));
  }
  return true;
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
