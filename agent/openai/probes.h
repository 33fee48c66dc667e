#pragma once
// GET /health, /ready, /version, /metrics: for the kubelet, Prometheus and people. Works from the
// first moment on.

#include <string>

#include "agent/openai/service.h"
#include "base/http/server.h"
#include "base/metrics/metrics.h"

namespace deepseek::agent {

class Probes : public http::Handler {
 public:
  /// `registry` null: no /metrics here. `version_json`: the answer of /version.
  Probes(Service& service, const metrics::Registry* registry, std::string version_json);

  void Handle(http::Request request, std::shared_ptr<http::ResponseWriter> writer) override;
  /// False: the path is none of ours and nothing was sent.
  bool TryHandle(const http::Request& request, http::ResponseWriter& writer);

 private:
  static void Send(const http::Request& request, http::Response response,
                   http::ResponseWriter& writer);
  http::Response Answer(std::string_view path) const;

  Service& service_;
  const metrics::Registry* registry_;
  const std::string version_json_;
};

/// 404 and 405 in OpenAI's shape.
http::Response NotFound(const http::Request& request);
http::Response MethodNotAllowed(const http::Request& request, std::string_view allowed);

}  // namespace deepseek::agent
