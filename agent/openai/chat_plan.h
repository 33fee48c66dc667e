#pragma once
// From a parsed request to what the engine gets of it: the prompt, how calls in the answer look,
// and what the answer may be.

#include <memory>

#include "absl/status/statusor.h"
#include "agent/openai/generation.h"
#include "agent/openai/grammars.h"
#include "agent/openai/request.h"

namespace deepseek::agent {

struct ChatPlan {
  EncodedPrompt prompt;
  std::shared_ptr<const ToolSyntax> tools;
  std::shared_ptr<const grammar::ConstraintPlan> constraint;
};

/// 400 if the template refuses the messages, if the model's format knows no tools, or if a schema
/// is not supported.
absl::StatusOr<ChatPlan> PlanChat(const LoadedModel& model, const ChatRequest& request,
                                  Grammars& grammars);

/// The template's prompt for messages, with `tools` (null: none). `any_length`: also one that is
/// longer than the context.
absl::StatusOr<EncodedPrompt> EncodeChat(const LoadedModel& model, const OrderedJson& variables,
                                         const OrderedJson* tools, bool any_length);

/// What response_format makes of a plain completion; null: nothing.
absl::StatusOr<std::shared_ptr<const grammar::ConstraintPlan>> PlanText(
    const LoadedModel& model, const GenerationParams& params, Grammars& grammars);

}  // namespace deepseek::agent
