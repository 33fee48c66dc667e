#pragma once
// Tools in a prompt: in which format a model calls, and a description for templates that say
// nothing of tools (V3, R1 and V3.1 come with such).

#include <optional>

#include "absl/status/statusor.h"
#include "agent/grammar/tool_grammar.h"
#include "base/json.h"
#include "engine/tokenizer/chat_template.h"

namespace deepseek::agent {

/// How the template writes earlier calls, which is how the model makes new ones; nullopt: not in a
/// format of DeepSeek's that this server reads.
std::optional<grammar::CallStyle> CallStyleOf(const engine::ChatTemplate& chat);

/// Renders `variables` (with messages) so that the model learns of `tools`: by the template, or, if
/// it leaves them out, by a description at the end of the system text. Errors are the template's.
absl::StatusOr<engine::RenderedChat> RenderWithTools(const engine::ChatTemplate& chat,
                                                     const OrderedJson& variables,
                                                     const OrderedJson& tools,
                                                     grammar::CallStyle style);

}  // namespace deepseek::agent
