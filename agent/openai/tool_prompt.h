#pragma once
// Tools in a prompt: in which format a model calls, and a description for templates that say
// nothing of tools (V3, R1 and V3.1 come with such).

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "agent/grammar/tool_grammar.h"
#include "base/json.h"
#include "engine/tokenizer/chat_template.h"

namespace deepseek::agent {

/// How a template writes earlier calls, which is how the model makes new ones.
struct CallFormat {
  grammar::CallStyle style = grammar::CallStyle::kFenced;
  std::string block;              ///< kDsml: name of the element around all calls
  bool object_arguments = false;  ///< it wants arguments as JSON, not as a text of JSON
  bool text_content = false;      ///< it wants a text, if an empty one, beside calls

  bool operator==(const CallFormat&) const = default;
};

/// nullopt: in no format that this server reads.
std::optional<CallFormat> CallFormatOf(const engine::ChatTemplate& chat);

/// Whether there are earlier calls in `variables`' messages.
bool HasCalls(const OrderedJson& variables);
/// The variables with their earlier calls as the template wants them.
OrderedJson WithCallsAs(const CallFormat& format, OrderedJson variables);

/// Renders `variables` (with messages) so that the model learns of `tools`: by the template, or, if
/// it leaves them out, by a description at the end of the system text. Errors are the template's.
absl::StatusOr<engine::RenderedChat> RenderWithTools(const engine::ChatTemplate& chat,
                                                     const OrderedJson& variables,
                                                     const OrderedJson& tools,
                                                     const CallFormat& format);

}  // namespace deepseek::agent
