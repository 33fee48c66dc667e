#pragma once
// What the API does with a request, whatever the protocol: from bytes to a running generation.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/openai/chat_plan.h"
#include "agent/openai/generation.h"
#include "agent/openai/grammars.h"
#include "agent/openai/request.h"
#include "agent/openai/service.h"
#include "agent/telemetry/telemetry.h"

namespace deepseek::agent {

/// Thread-safe. Errors are those of error.h; the caller tells them to the client and, by Refused,
/// to the log and the metrics. After OK the answer goes to the writer, now or later.
class Inference {
 public:
  /// All must outlive this and its answers.
  Inference(Service& service, Telemetry& telemetry, RequestLimits limits)
      : service_(service),
        telemetry_(telemetry),
        limits_(limits),
        clients_(ClientLimits::Make(limits.max_answers_per_key)) {}

  using Writer = std::shared_ptr<AnswerWriter>;
  /// POST /v1/chat/completions.
  absl::Status Chat(std::string_view body, CallContext context, Writer writer);
  /// POST /v1/completions; `format` null: OpenAI's.
  absl::Status Complete(std::string_view body, CallContext context, Writer writer,
                        std::shared_ptr<const Format> format = nullptr);
  /// POST /generate ("prompt") and /predict ("text").
  absl::Status Generate(std::string_view body, std::string_view prompt_field, CallContext context,
                        Writer writer);

  struct Tokens {
    std::vector<int32_t> ids;
    int32_t max_context = 0;
  };
  absl::StatusOr<Tokens> Tokenize(std::string_view body);
  absl::StatusOr<std::string> Detokenize(std::string_view body);

  /// The model, while requests are taken; else 503.
  absl::StatusOr<const LoadedModel*> Model() const;
  /// 404 for the name of another model; an empty one is any.
  static absl::Status CheckModel(const LoadedModel& model, std::string_view name);

  /// Logs and counts a request that got nothing, and says what to tell its client.
  ApiError Refused(const absl::Status& status, const std::string& request_id);

 private:
  /// Completes `job` (it has params, prompts and format) and starts it.
  void Run(const LoadedModel& model, const char* id_prefix, GenerationJob job, CallContext context,
           Writer writer);

  Service& service_;
  Telemetry& telemetry_;
  const RequestLimits limits_;
  const std::shared_ptr<ClientLimits> clients_;
  Grammars grammars_;
};

/// The client's x-request-id if it is short and printable, else a new one.
std::string RequestId(std::string_view given);

}  // namespace deepseek::agent
