#pragma once
// A model's Jinja chat template, run by our own interpreter with marks: each span of the result is
// template text or user input, so nobody can write a role token into a prompt.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/json.h"
#include "engine/tokenizer/tokenizer.h"

namespace deepseek::engine {

/// Rendered text and which bytes of it come from the template.
struct RenderedChat {
  std::string text;
  struct Mark {
    size_t begin = 0, end = 0;  ///< bytes of text
    bool input = false;  ///< from messages, tools, names: added tokens are not recognised here
  };
  std::vector<Mark> marks;              ///< cover text without gaps, in order
  std::vector<TextSpan> Spans() const;  ///< views into text
};

struct RenderLimits {
  int64_t max_steps = 2'000'000;
  int max_depth = 64;
  size_t max_output_bytes = size_t{16} << 20;
  int64_t now_seconds = -1;  ///< Unix time that strftime_now sees; below 0: the clock
};

/// Immutable and thread-safe after parsing.
class ChatTemplate {
 public:
  virtual ~ChatTemplate() = default;
  /// `variables`: {"messages":[..], "tools":[..], "add_generation_prompt":true, "thinking":...,
  /// ...} as the request gave them; bos_token and friends come from the tokenizer config.
  /// kInvalidArgument: the template refused (its own raise_exception message) or a value has the
  /// wrong type; kResourceExhausted: a limit was hit.
  virtual absl::StatusOr<RenderedChat> Render(const OrderedJson& variables,
                                              const RenderLimits& limits = {}) const = 0;
};

/// `tokenizer_config_json`: contents of tokenizer_config.json (bos_token, eos_token, ...,
/// chat_template unless `template_text` is given). Of a list of named templates "default" is taken,
/// and "tool_use", if there, where a rendering has tools. kUnimplemented names the Jinja feature
/// that is missing and its line.
absl::StatusOr<std::unique_ptr<ChatTemplate>> ParseChatTemplate(
    std::string_view tokenizer_config_json, std::string_view template_text = "");

}  // namespace deepseek::engine
