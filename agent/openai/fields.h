#pragma once
// Typed reading of a JSON object's fields: the first wrong one is remembered, with its name, and
// the rest is skipped. null counts as absent, as it does for OpenAI. Internal to agent/openai:
// needs base/json_full.h.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "agent/openai/request.h"
#include "base/json_full.h"

namespace deepseek::agent {

class Fields {
 public:
  /// `object` must outlive this and be a JSON object. `path` goes before field names:
  /// "stream_options.".
  explicit Fields(const OrderedJson& object, std::string path = "")
      : object_(object), path_(std::move(path)) {}

  /// The field unless it is absent or null.
  const OrderedJson* Find(const char* name) const;

  std::optional<bool> Bool(const char* name);
  std::optional<std::string> String(const char* name);
  /// A number within [low, high]; `low_open`: low itself is refused; `high_open` likewise.
  std::optional<float> Number(const char* name, double low, double high, bool low_open = false,
                              bool high_open = false);
  std::optional<int64_t> Integer(const char* name, int64_t low, int64_t high);
  std::optional<std::vector<int32_t>> TokenIds(const char* name);

  /// Remembers a 400 for the field, if it is the first.
  void Fail(std::string_view name, std::string_view message, std::string_view code = "");
  /// Refuses a feature that is not served.
  void Unsupported(std::string_view name, std::string_view why = "");

  /// Takes over the error of an inner object's fields.
  void Adopt(const Fields& inner) {
    if (status_.ok()) status_ = inner.status_;
  }

  const absl::Status& status() const { return status_; }
  bool ok() const { return status_.ok(); }

 private:
  const OrderedJson& object_;
  std::string path_;
  absl::Status status_;
};

/// "a string", "an object", ... for messages.
std::string_view Kind(const OrderedJson& value);

/// The body as a JSON object; 400 otherwise.
absl::StatusOr<OrderedJson> ParseObject(std::string_view body, const RequestLimits& limits);

/// Reads what all generating endpoints share, and refuses what none serves. `least_tokens`: what
/// max_tokens may be.
void ReadParams(Fields& fields, const RequestLimits& limits, GenerationParams* params,
                int32_t least_tokens = 1);

/// Remembers a 400 if so many answers can never be held at once: trying again would not help.
void CheckAnswers(Fields& fields, const char* name, int64_t answers, const RequestLimits& limits);

/// `response_format`: text, json_object or json_schema.
void ReadResponseFormat(Fields& fields, ResponseFormat* format);

/// Checks `tools`, `tool_choice`, `parallel_tool_calls`; refuses their forerunners by name.
void ReadTools(Fields& fields, ToolRequest* request);

/// Checks `messages`, makes every content a string; with chat_template_kwargs and thinking
/// switches: the variables of the chat template.
std::shared_ptr<const OrderedJson> ReadTemplateVariables(Fields& fields,
                                                         const RequestLimits& limits);

}  // namespace deepseek::agent
