#pragma once
// A generating request from its submission to the last byte of its answer.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/grammar/constraint.h"
#include "agent/load/loaded_model.h"
#include "agent/openai/answer_writer.h"
#include "agent/openai/client_limits.h"
#include "agent/openai/format.h"
#include "agent/openai/prompt_echo.h"
#include "agent/openai/request.h"
#include "agent/telemetry/telemetry.h"

namespace deepseek::agent {

/// A prompt as the engine gets it.
struct EncodedPrompt {
  std::vector<int32_t> ids;
  bool begins_thinking = false;    ///< the answer starts inside <think>
  const char* param = "prompt";    ///< the request's field that it came from, for errors
  std::optional<EchoedText> echo;  ///< what stands in front of the answer
};

/// What a request says besides its body.
struct CallContext {
  std::string request_id;
  absl::Time arrival;
  std::string client;  ///< whose key it came with; empty: nobody was asked for one
  std::string tenant;  ///< empty: none
  absl::Time deadline = absl::InfiniteFuture();  ///< what is not done by then is an error
  int32_t priority = 0;                          ///< higher first
};

struct GenerationJob {
  const LoadedModel* model = nullptr;  ///< outlives the answer
  GenerationParams params;
  std::vector<EncodedPrompt> prompts;  ///< each is answered params.n times
  std::shared_ptr<const Format> format;
  std::shared_ptr<const ToolSyntax> tools;                    ///< null: none may be called
  std::shared_ptr<const grammar::ConstraintPlan> constraint;  ///< null: the answer is free
  AnswerMeta meta;
  CallContext context;
  ClientLimits::Places places;     ///< what the answer takes of its client's
  Telemetry* telemetry = nullptr;  ///< outlives the answer
};

/// Checks the prompts against the model, submits all choices and answers through `writer` as tokens
/// come: errors before the first byte are ordinary answers, later ones an event in the stream. When
/// the client is gone, what runs is cancelled. Returns at once.
void StartGeneration(GenerationJob job, std::shared_ptr<AnswerWriter> writer);

/// What the engine is asked for; a prompt that fills the context is a 400. max_tokens is cut to
/// what the context leaves. `constrained`: the model's own end counts whatever ignore_eos says.
absl::StatusOr<engine::Request> ToEngineRequest(const LoadedModel& model,
                                                const GenerationParams& params,
                                                const EncodedPrompt& prompt, uint64_t seed,
                                                bool constrained = false);

/// A text of so many bytes that cannot fit, whatever it says, is a 400 before anything is made of
/// it. `param`: the request's field.
absl::Status CheckBytes(const LoadedModel& model, size_t bytes, const char* param);

/// A refusal of the engine's in the terms of the API: a 400 names the request's field, which is
/// `prompt` for the engine's prompt. Others stay as they are.
absl::Status NameField(const absl::Status& status, const char* prompt);

}  // namespace deepseek::agent
