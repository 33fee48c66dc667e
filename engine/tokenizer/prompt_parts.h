#pragma once
// What the prompt encoders of V3.2 and V4 share: Python's view of a request's JSON, as marked text.

#include <initializer_list>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/json_full.h"
#include "engine/tokenizer/chat_template.h"
#include "engine/tokenizer/marked_text.h"

namespace deepseek::engine::prompt {

inline constexpr std::string_view kBos = "<｜begin▁of▁sentence｜>";
inline constexpr std::string_view kEos = "<｜end▁of▁sentence｜>";
inline constexpr std::string_view kUser = "<｜User｜>";
inline constexpr std::string_view kAssistant = "<｜Assistant｜>";
inline constexpr std::string_view kThink = "<think>";
inline constexpr std::string_view kEndThink = "</think>";

/// dict.get: null when the key is missing or `object` is no object.
const OrderedJson& Get(const OrderedJson& object, const char* key);
/// Python's bool().
bool Truthy(const OrderedJson& value);
std::string RoleOf(const OrderedJson& message);

absl::Status Refuse(size_t message, std::string_view why);

/// A prompt that grows, with the limits of a rendering.
class Writer {
 public:
  explicit Writer(const RenderLimits& limits) : limits_(limits) {}
  void Template(std::string_view text) { out_.Append(text, false); }
  /// str(value), as input.
  absl::Status Input(const OrderedJson& value);
  /// `value or ""`.
  absl::Status InputIfAny(const OrderedJson& value);
  /// json.dumps(value, ensure_ascii=False), as input.
  absl::Status InputJson(const OrderedJson& value);
  /// The text with every "{schemas}" replaced by the functions of `tools`, one JSON a line.
  absl::Status Tools(std::string_view text, const OrderedJson& tools);
  absl::Status ResponseFormat(const OrderedJson& format);
  /// <｜DSML｜invoke> elements, each on lines of its own.
  absl::Status ToolCall(const OrderedJson& name, const OrderedJson& arguments);
  absl::StatusOr<RenderedChat> Finish() const;

 private:
  absl::Status CheckSize() const;
  const RenderLimits& limits_;
  MarkedText out_;
};

/// Fails unless `tool_calls` is false or a list of {"function": {"name", "arguments"}}, each of
/// which Python would find.
absl::Status CheckToolCalls(size_t message, const OrderedJson& tool_calls);

/// The request's messages with its tools put into the first system message.
absl::StatusOr<OrderedJson> MessagesWithTools(const OrderedJson& variables);
bool Thinking(const OrderedJson& variables);
/// Whether the last message is to stay open; an error unless it is the assistant's.
absl::StatusOr<bool> Continued(const OrderedJson& variables, const OrderedJson& messages);

/// Index of the last user or developer message; -1: none. `role(i)` for i in [0, count).
template <typename Role>
int64_t LastUser(size_t count, Role role) {
  for (size_t i = count; i > 0; --i) {
    const std::string name = role(i - 1);
    if (name == "user" || name == "developer") return static_cast<int64_t>(i) - 1;
  }
  return -1;
}

}  // namespace deepseek::engine::prompt
