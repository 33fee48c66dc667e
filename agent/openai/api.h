#pragma once
// The HTTP API on port 8000: routes, and what each does with a parsed request.

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agent/openai/chat_plan.h"
#include "agent/openai/generation.h"
#include "agent/openai/grammars.h"
#include "agent/openai/probes.h"
#include "agent/openai/request.h"
#include "agent/openai/service.h"
#include "agent/telemetry/telemetry.h"
#include "base/http/server.h"

namespace deepseek::agent {

class Api : public http::Handler {
 public:
  /// All must outlive the API and its answers.
  Api(Service& service, Telemetry& telemetry, Probes& probes, RequestLimits limits);

  void Handle(http::Request request, std::shared_ptr<http::ResponseWriter> writer) override;

 private:
  struct Call {
    const LoadedModel& model;
    const http::Request& request;
    std::shared_ptr<http::ResponseWriter> writer;
    std::string request_id;
    absl::Time arrival;
  };

  absl::Status Chat(const Call& call);
  absl::Status Complete(const Call& call);
  absl::Status Generate(const Call& call, std::string_view prompt_field);
  absl::Status Tokenize(const Call& call);
  absl::Status Detokenize(const Call& call);
  absl::Status Models(const Call& call);

  absl::Status Dispatch(const http::Request& request, std::shared_ptr<http::ResponseWriter> writer,
                        const std::string& request_id);
  /// Completes `job` (it has params, prompts and format) and starts it.
  void Run(const Call& call, const char* id_prefix, GenerationJob job);
  void Refuse(const absl::Status& status, const std::string& request_id,
              http::ResponseWriter& writer);

  Service& service_;
  Telemetry& telemetry_;
  Probes& probes_;
  const RequestLimits limits_;
  Grammars grammars_;
};

/// What the server itself refuses (too large a body, malformed HTTP), in OpenAI's shape.
http::Response RefusalResponse(int status, std::string_view message);

/// The client's x-request-id if it is short and printable, else a new one.
std::string RequestId(std::string_view given);

}  // namespace deepseek::agent
