#pragma once
// The HTTP API on port 8000: its routes, and who may use them.

#include <memory>
#include <optional>
#include <string>

#include "agent/openai/cors.h"
#include "agent/openai/gate.h"
#include "agent/openai/inference.h"
#include "agent/openai/probes.h"
#include "base/http/server.h"

namespace deepseek::agent {

class Api : public http::Handler {
 public:
  /// All must outlive the API and its answers.
  Api(Inference& inference, Probes& probes, const Gate& gate, Cors cors = {});

  /// For http::ServerOptions::admit: who may not is told so before the body is read. Handle looks
  /// again, so that nothing depends on this.
  std::optional<http::Response> Admit(const http::Request& head);
  void Handle(http::Request request, std::shared_ptr<http::ResponseWriter> writer) override;

 private:
  absl::Status Dispatch(const http::Request& request, CallContext context,
                        std::shared_ptr<http::ResponseWriter> writer);
  absl::Status Models(std::string_view path, const CallContext& context,
                      http::ResponseWriter& writer);

  Inference& inference_;
  Probes& probes_;
  const Gate& gate_;
  const Cors cors_;
};

/// What the server itself refuses (too large a body, malformed HTTP), in OpenAI's shape.
http::Response RefusalResponse(int status, std::string_view message, const http::Request& head);

}  // namespace deepseek::agent
